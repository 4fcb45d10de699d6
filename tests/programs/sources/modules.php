<?php
// Work for php's modules, those that allocate by themselves or by a library of their own: XML, text, SQLite,
// ICU, pictures. A module that isn't there is an error: the test says which packages it needs.
declare(strict_types=1);

ini_set('memory_limit', '1G');

function short(string $data): string { return substr(hash('sha256', $data), 0, 32); }

function documents(): string
{
    $sum = hash_init('sha256');
    for ($round = 0; $round < 20; $round++) {
        $document = new DOMDocument('1.0', 'UTF-8');
        $root = $document->appendChild($document->createElement('rows'));
        for ($i = 0; $i < 3000; $i++) {
            $row = $root->appendChild($document->createElement('row', "text of $i &amp; more of $round"));
            $row->setAttribute('number', (string)($i * 7 % 1000));
            if ($i % 5 === 0) {
                $root->removeChild($root->firstChild);
            }
        }
        $path = new DOMXPath($document);
        $found = $path->query('//row[@number > 500]');
        hash_update($sum, $found->length . $document->saveXML());
        foreach (simplexml_load_string($document->saveXML())->row as $row) {
            hash_update($sum, (string)$row . $row['number']);
        }
        $reader = XMLReader::XML($document->saveXML());
        for ($elements = 0; $reader->read(); $elements++);
        hash_update($sum, (string)$elements);
    }
    libxml_use_internal_errors(true);
    $broken = new DOMDocument();
    hash_update($sum, var_export($broken->loadXML('<a><b></a>'), true) . count(libxml_get_errors()));
    return hash_final($sum);
}

function styles(): string
{
    $style = new DOMDocument();
    $style->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
        <xsl:template match="/"><out><xsl:for-each select="//r"><xsl:sort select="@n" data-type="number"/>
        <s><xsl:value-of select="concat(., \'-\', @n)"/></s></xsl:for-each></out></xsl:template></xsl:stylesheet>');
    $processor = new XSLTProcessor();
    $processor->importStylesheet($style);
    $text = '<rs>';
    for ($i = 0; $i < 2000; $i++) {
        $text .= '<r n="' . ($i * 7919 % 2003) . "\">value $i</r>";
    }
    $document = new DOMDocument();
    $document->loadXML($text . '</rs>');
    return $processor->transformToXml($document);
}

function texts(): string
{
    $sum = hash_init('sha256');
    $text = str_repeat("Grüße, кириллица, 日本語, emoji \u{1F600}. ", 2000);
    foreach (['UTF-16', 'UTF-32', 'UTF-7', 'SJIS', 'EUC-JP', 'ISO-8859-1', 'HTML-ENTITIES'] as $encoding) {
        hash_update($sum, @mb_convert_encoding($text, $encoding, 'UTF-8'));
    }
    hash_update($sum, mb_strtoupper($text) . mb_substr($text, 1000, 5000) . mb_strlen($text));
    hash_update($sum, (string)preg_match_all('/\p{Cyrillic}+/u', $text) . mb_ereg_replace('l+', 'L', $text));
    hash_update($sum, iconv('UTF-8', 'ASCII//TRANSLIT', 'Grüße'));
    return hash_final($sum);
}

function international(): string
{
    $lines = [];
    foreach (['de_DE', 'en_US', 'ja_JP', 'ar_EG', 'hi_IN', 'tr_TR'] as $locale) {
        $words = [];
        for ($i = 0; $i < 3000; $i++) {
            $words[] = mb_chr(0x61 + $i * 31 % 26) . mb_chr(0xe0 + $i % 30) . mb_chr(0x430 + $i % 32) . $i;
        }
        collator_create($locale)->sort($words);
        $numbers = new NumberFormatter($locale, NumberFormatter::SPELLOUT);
        $dates = new IntlDateFormatter($locale, IntlDateFormatter::FULL, IntlDateFormatter::FULL, 'UTC');
        $lines[] = short(implode($words)) . $numbers->format(987654321) . $dates->format(1700000000)
            . MessageFormatter::formatMessage($locale, '{0,number} {1,plural,one{x} other{#}}', [1.5e6, 3]);
    }
    $lines[] = Normalizer::normalize("A\u{30a}ffin", Normalizer::FORM_KD) . idn_to_ascii('bücher.example');
    $lines[] = transliterator_transliterate('Any-Latin; Latin-ASCII', 'Привет мир 東京');
    return implode("\n", $lines);
}

function tables(): string
{
    $base = new PDO('sqlite::memory:');
    $base->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
    $base->exec('CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, data BLOB)');
    $base->sqliteCreateFunction('turned', 'strrev', 1);
    $insert = $base->prepare('INSERT INTO t (word, data) VALUES (?, ?)');
    $base->beginTransaction();
    for ($i = 0; $i < 20000; $i++) {
        $insert->execute(['word' . $i * 7919 % 10007, str_repeat(chr(65 + $i % 26), $i % 3000)]);
    }
    $base->commit();
    $base->exec('CREATE INDEX w ON t (word)');
    $rows = $base->query('SELECT turned(word), sum(length(data)), group_concat(id) FROM t GROUP BY word')->fetchAll();
    $other = new SQLite3(':memory:');
    $other->exec('CREATE TABLE a (b)');
    for ($i = 0; $i < 1000; $i++) {
        $other->exec("INSERT INTO a VALUES (printf('%0500d', $i))");
    }
    return short(serialize($rows)) . $other->querySingle('SELECT sum(length(b)) FROM a');
}

function pictures(): string
{
    $sum = hash_init('sha256');
    for ($round = 0; $round < 10; $round++) {
        $picture = imagecreatetruecolor(300 + 20 * $round, 200);
        for ($i = 0; $i < 200; $i++) {
            $colour = imagecolorallocate($picture, $i, 255 - $i, $i * 7 % 256);
            imagefilledellipse($picture, $i * 13 % 300, $i * 29 % 200, $i % 50 + 1, $i % 40 + 1, $colour);
        }
        imagestring($picture, 5, 10, 10, "round $round", 0xffffff);
        $turned = imagerotate(imagescale($picture, 150), 30, 0);
        foreach (['imagepng', 'imagegif', 'imagejpeg', 'imagewebp'] as $write) {
            ob_start();
            $write($turned);
            $data = ob_get_clean();
            hash_update($sum, $data);
            if ($write === 'imagepng') {
                hash_update($sum, (string)imagecolorat(imagecreatefromstring($data), 50, 50));
            }
        }
    }
    return hash_final($sum);
}

foreach (['documents', 'styles', 'texts', 'international', 'tables', 'pictures'] as $work) {
    echo $work, ' ', short($work()), "\n";
}
if (function_exists('pcntl_fork')) {
    for ($i = 0; $i < 3; $i++) {
        $child = pcntl_fork();
        if ($child === 0) {
            exit(strlen(documents()) === 64 ? 10 + $i : 1);
        }
        pcntl_waitpid($child, $status);
        echo 'child ', pcntl_wexitstatus($status), "\n";
    }
}
gc_collect_cycles();
