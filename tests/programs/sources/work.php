<?php
// Long work for php: arrays, strings, preg, JSON, cycles for the collector, generators. Prints digests.
declare(strict_types=1);

ini_set('memory_limit', '1G');
ini_set('pcre.jit', '0'); // its stack is not the program's memory

function short(string $data): string { return substr(hash('sha256', $data), 0, 32); }

final class Numbers
{
    public function __construct(private int $state) {}

    public function next(int $limit): int
    {
        $this->state = ($this->state * 1103515245 + 12345) & 0x7fffffff;
        return ($this->state >> 8) % $limit;
    }
}

final class Node
{
    public ?Node $other = null;
    public array $data = [];
}

function churn(int $seed, int $rounds): string
{
    $numbers = new Numbers($seed);
    $ring = array_fill(0, 2000, '');
    $sum = hash_init('sha256');
    for ($i = 1; $i <= $rounds; $i++) {
        $place = $numbers->next(2000);
        hash_update($sum, $ring[$place]);
        $ring[$place] = str_repeat(chr(97 + $numbers->next(26)), 1 + $numbers->next($i % 500 ? 3000 : 500000));
        if ($i % 3 === 0) {
            $ring[$place] .= str_repeat('tail', $numbers->next(300));
        }
    }
    hash_update($sum, implode('', $ring));
    return substr(hash_final($sum), 0, 32);
}

function arrays(): string
{
    $numbers = new Numbers(5);
    $counts = $lists = [];
    for ($i = 0; $i < 200000; $i++) {
        $word = 'word' . $numbers->next(9973);
        $counts[$word] = ($counts[$word] ?? 0) + 1;
        $lists[$i % 997][] = [$word, $i];
    }
    uksort($counts, fn($a, $b) => $counts[$b] <=> $counts[$a] ?: strcmp($a, $b));
    foreach ($lists as &$list) {
        array_splice($list, 10, 50, array_map(fn($pair) => $pair[1], array_slice($list, 0, 5)));
    }
    unset($list);
    return short(json_encode($counts)) . ' ' . short(serialize($lists));
}

function texts(): string
{
    $lines = [];
    for ($i = 0; $i < 40000; $i++) {
        $lines[] = 'line ' . $i * 7919 % 10007 . ': ' . str_repeat('äöü', $i % 5);
    }
    $text = implode("\n", $lines);
    $found = preg_match_all('/(\d)(\d)\2/', $text, $matches);
    $changed = preg_replace_callback('/line (\d+): (.*)/u', fn($m) => strrev($m[1]) . '-' . $m[2] . decbin((int)$m[1]), $text);
    $zipped = gzcompress($changed, 6);
    if (gzuncompress($zipped) !== $changed) {
        throw new RuntimeException('zlib changed the text');
    }
    return "$found " . count($matches[0]) . ' ' . short($changed) . ' ' . strlen($zipped);
}

function json(): string
{
    $data = [];
    for ($i = 0; $i < 20000; $i++) {
        $data["key$i"] = ['id' => $i, 'list' => range(0, $i % 20), 'text' => str_repeat('x', $i % 200), 'f' => $i / 8];
    }
    $text = json_encode($data);
    if (json_encode(json_decode($text, true)) !== $text || serialize(unserialize(serialize($data))) !== serialize($data)) {
        throw new RuntimeException('JSON or serialize changed the data');
    }
    return short($text);
}

function cycles(): string
{
    for ($i = 0; $i < 200000; $i++) {
        [$a, $b] = [new Node(), new Node()];
        [$a->other, $b->other, $a->data] = [$b, $a, [$i, "text $i"]];
    }
    $runs = gc_status()['runs'] > 0;
    gc_collect_cycles();
    return 'collected: ' . var_export($runs, true) . ', left ' . gc_collect_cycles();
}

function squares(int $count): Generator
{
    for ($i = 0; $i < $count; $i++) {
        yield str_repeat((string)($i * $i), $i % 10);
    }
}

echo arrays(), "\n", texts(), "\n", json(), "\n", cycles(), "\n", churn(9, 40000), "\n";
$sum = hash_init('sha256');
foreach (squares(100000) as $square) {
    hash_update($sum, $square);
}
echo substr(hash_final($sum), 0, 32), "\n";
if (function_exists('pcntl_fork')) {
    for ($n = 1; $n <= 3; $n++) {
        $pid = pcntl_fork();
        if ($pid === 0) {
            echo "child $n ", churn($n, 5000), "\n";
            exit($n);
        }
        pcntl_waitpid($pid, $status);
        echo 'status ', pcntl_wexitstatus($status), "\n";
    }
}
