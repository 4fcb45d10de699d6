"""Short runs of many programs: the same output, errors and exit status with and without the library.

Which program: the first argument; each is a test of its own in ctest.
"""

import argparse
import os
import random

import harness

SQL = """
create table t (id integer primary key, word text, data blob);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 60000)
insert into t select i, printf('word-%d-%s', i % 977, hex(i * 2654435761)), zeroblob(i % 500) from c;
create index w on t (word);
select word, count(*), sum(length(data)) from t group by word order by 3 desc, 1 limit 40;
select group_concat(id, ',') from (select id from t where id % 7 = 3 order by word limit 3000);
update t set word = upper(word) || id where id % 3 = 0;
delete from t where id % 4 = 1;
vacuum;
pragma integrity_check;
select count(*), max(word), sum(length(word)) from t;
with recursive f(n, a, b) as (select 1, 0, 1 union all select n + 1, b, a + b from f where n < 80) select a from f;
"""

RUBY = """
words = (0...60_000).map { |i| "word#{i * 7919 % 10_007}" * (i % 5 + 1) }
counts = words.each_with_object(Hash.new(0)) { |w, h| h[w] += 1 }
p counts.sort_by { |w, c| [-c, w] }.first(20)
tree = ->(d) { d.zero? ? nil : [tree[d - 1], tree[d - 1]] }
count = ->(t) { t.nil? ? 1 : count[t[0]] + count[t[1]] }
20.times { p count[tree[11]] }
threads = 4.times.map { |n| Thread.new { (0...5_000).map { |i| (i * n).to_s * 20 }.join.hash.class } }
p threads.map(&:value)
p "x#{2**5000}".sum, words.join(",").gsub(/word(\\d)/) { $1 * 2 }.bytes.sum
GC.start
pid = fork { GC.start; puts words.last(3).inspect; exit 3 }
p Process.wait2(pid)[1].exitstatus
"""

NODE = """
const words = [];
for (let i = 0; i < 200000; i++) words.push('w' + (i * 7919 % 10007));
const counts = new Map();
for (const w of words) counts.set(w, (counts.get(w) || 0) + 1);
console.log([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 10));
const buffers = [];
for (let i = 0; i < 3000; i++) buffers.push(Buffer.alloc(i * 17 % 70000, i % 251));
const crypto = require('crypto'), zlib = require('zlib');
console.log(crypto.createHash('sha256').update(Buffer.concat(buffers)).digest('hex'));
const packed = zlib.gzipSync(Buffer.concat(buffers));
console.log(packed.length, zlib.gunzipSync(packed).length, zlib.brotliCompressSync(buffers[2999]).length);
console.log(JSON.stringify(JSON.parse(JSON.stringify({words: words.slice(0, 20000)}))).length);
const { Worker, isMainThread } = require('worker_threads');
const source = `require('worker_threads').parentPort.postMessage(
  Array.from({length: 20000}, (_, i) => 'x'.repeat(i % 50)).join('').length)`;
Promise.all([1, 2, 3].map(() => new Promise((done, fail) =>
  new Worker(source, {eval: true}).on('message', done).on('error', fail)))).then(r => console.log(r));
"""

PERL = """
use strict; use warnings;
my %count; my @words = map { "word" . ($_ * 7919 % 10007) x ($_ % 4 + 1) } 1 .. 120000;
$count{$_}++ for @words;
print "$_ $count{$_}\\n" for (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 20];
sub tree { my $d = shift; $d ? [tree($d - 1), tree($d - 1)] : undef }
sub size { my $t = shift; $t ? size($t->[0]) + size($t->[1]) : 1 }
print size(tree(13)), "\\n" for 1 .. 10;
my $text = join " ", @words; my $found = () = $text =~ /(\\d)\\1/g; print "$found ", length $text, "\\n";
my @lists; push @{$lists[$_ % 1000]}, "x" x ($_ % 300) for 1 .. 100000; splice @lists, 100, 500;
print scalar(map { @$_ } @lists), "\\n"; printf "%s\\n", join ",", (sort { $a <=> $b } map { $_ ** 2 % 7919 } 1 .. 50000)[0 .. 9];
"""

BASH = """
declare -A count
for ((i = 0; i < 15000; i++)); do word=w$((i * 7919 % 1007)); count[$word]=$((${count[$word]:-0} + 1)); list+=("$word-$i"); done
for word in $(printf '%s\\n' "${!count[@]}" | sort | head -20); do echo "$word ${count[$word]}"; done
text=$(printf '%s,' "${list[@]}"); echo "${#text} ${text//w1/X}" | md5sum
for i in 1 2 3 4 5 6 7 8; do (echo "subshell $i ${#list[@]}"; exit "$i") & wait $!; echo "status $?"; done
printf '%s\\n' {1..20000} | while read -r n; do [[ $n =~ 9{3} ]] && echo "$n"; done
f() { local n=$1; ((n < 2)) && { echo 1; return; }; echo $(($(f $((n - 1))) + $(f $((n - 2))))); }; f 9
trap 'echo bye' EXIT
"""

GIT = """
set -e
git init -q -b main repository; cd repository
git config user.name Tester; git config user.email tester@example.invalid; git config gc.auto 0
for round in 1 2 3 4 5 6; do
  for n in $(seq 40); do seq $((n * round)) $((n * round + 400)) >file$n; done
  git add .; git commit -q -m "round $round"
  git branch "branch$round"
done
git checkout -q branch2; seq 5000 >other; git add other; git commit -q -m "on a branch"
git merge -q -m "merge" main; git log --oneline --graph --stat | tail -40
git blame file7 | md5sum; git diff main~3 main | md5sum; git grep -c 123 main | head
git repack -q -a -d -f --threads=2 --depth=20; git fsck --full --strict 2>&1; git count-objects -v | grep -v size
git archive main | md5sum; git rev-parse HEAD
cd ..; git clone -q repository copy; cd copy; git fsck --full 2>&1; git rev-parse HEAD
"""


def big_text(bench, lines):
    """A file of random lines, the same each time."""
    source = random.Random(7)
    path = os.path.join(bench.scratch, "lines.txt")
    with open(path, "w", encoding="ascii") as file:
        for _ in range(lines):
            file.write(f"{source.getrandbits(64):x} {source.randint(1, 999)} {'y' * source.randint(0, 60)}\n")
    return path


def script(bench, argv, text):
    """A program that reads its script from standard input; it must not fail."""
    done = bench.compare(argv, text=text.encode())
    if done.returncode != 0 or not done.stdout:
        raise harness.Failure(f"{argv[0]}: status {done.returncode} without the library: {done.stderr.decode()}")


def in_two_places(bench, text):
    """A shell script that writes files: run in a fresh directory each time."""
    folders = [bench.folder(f"{kind}/here") for kind in ("plain", "served")]
    dates = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
    given = harness.pipes(None, {})
    plain = bench.finish(bench.start_plain(["bash", "-c", text], dates, cwd=folders[0], **given), "bash", 120)
    started = bench.start_served(["bash", "-c", text], dates, cwd=folders[1], **given)
    served = bench.finish(started.process, "bash under the library", 120)
    bench.check_answer(started)
    if plain.returncode != 0:
        raise harness.Failure("fails without the library:\n" + plain.stderr.decode()[-2000:])
    if (plain.stdout, plain.stderr, plain.returncode) != (served.stdout, served.stderr, served.returncode):
        raise harness.Failure(f"status {served.returncode}, another output than without the library:\n"
                              + harness.first_difference(plain.stdout + plain.stderr,
                                                         served.stdout + served.stderr, "output"))


def run_sqlite3(bench):
    script(bench, ["sqlite3", "-batch", ":memory:"], SQL)
    return ["sqlite3"]


def run_ruby(bench):
    script(bench, ["ruby", "-"], RUBY)
    return ["ruby"]


def run_node(bench):
    script(bench, ["node", "-"], NODE)
    return ["node"]


def run_perl(bench):
    script(bench, ["perl", "-"], PERL)
    return ["perl"]


def run_bash(bench):
    script(bench, ["bash"], BASH)
    return ["bash", "sort", "md5sum"]


def run_git(bench):
    in_two_places(bench, GIT)
    return ["git", "seq"]


def run_sort(bench):
    path = big_text(bench, 400_000)
    bench.compare(["sort", "--parallel=2", "-S", "40M", path])
    bench.compare(["sort", "-k2,2n", "-k1,1r", "-s", "--parallel=2", path])
    bench.compare(["sort", "-u", "-S", "4M", path])  # by way of temporary files
    return ["sort"]


def run_archive(bench):
    harness.need("xz", "zstd")
    path = big_text(bench, 60_000)
    tar = "tar --sort=name --owner=0 --group=0 --mtime=@0 -C " + os.path.dirname(path) + " -c lines.txt"
    check = "md5sum < packed; {0} -dc < packed | tar -t -v -f -"
    for packer, argument in (("zstd", "zstd -q -T2 -6"), ("xz", "xz -T2 -1"), ("gzip", "gzip -n")):
        in_two_places(bench, f"set -e; {tar} | {argument} > packed; {check.format(packer)}")
    return ["tar", "zstd", "xz", "gzip"]


PROGRAMS = {"sqlite3": run_sqlite3, "ruby": run_ruby, "node": run_node, "perl": run_perl, "bash": run_bash,
            "git": run_git, "sort": run_sort, "tar": run_archive}


def test(bench):
    program = bench.options.program
    harness.need(program)
    names = PROGRAMS[program](bench)
    harness.say(f"{program}: the same output; {bench.check_who(*names)} processes, all served by the library")


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--program", choices=sorted(PROGRAMS), required=True)
harness.main(test, PARSER)
