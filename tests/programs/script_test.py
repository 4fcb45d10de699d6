"""Long runs of interpreters on the scripts in sources/: the same output, errors and exit status with and
without the library, from the program itself, what it forks and what it starts.

Which program: --program; each is a test of its own in ctest.
"""

import argparse
import os
import subprocess

import harness

SECONDS = 300  # for one run


def compare(bench, argv, status=0, **popen):
    """A run that ends as it should, twice; its output must be there."""
    done = bench.compare(argv, timeout=SECONDS, **popen)
    if done.returncode != status or not done.stdout or (done.stderr and status == 0):
        raise harness.Failure(f"{argv[0]}: status {done.returncode} without the library, {status} expected:\n"
                              + done.stderr.decode(errors="replace")[-2000:])
    return done


def run_node(bench):
    compare(bench, ["node", harness.source("work.js")])
    # A small heap of its own: more collections, more buffers freed by them.
    compare(bench, ["node", "--max-old-space-size=100", "--max-semi-space-size=1", harness.source("work.js")])
    return ["node"]


def run_ruby(bench):
    compare(bench, ["ruby", "--disable-gems", harness.source("work.rb")])
    compare(bench, ["ruby", "--disable-gems", "--jit", harness.source("work.rb")])
    return ["ruby"]


def run_perl(bench):
    compare(bench, ["perl", harness.source("work.pl")])
    return ["perl"]


def run_php(bench):
    # -n: without php.ini, which opens the modules.
    compare(bench, ["php", "-n", harness.source("work.php")])
    # Without its own memory manager every block is malloc's.
    compare(bench, ["php", "-n", harness.source("work.php")], env={"USE_ZEND_ALLOC": "0"})
    # Up to 8.4 php opens modules with RTLD_DEEPBIND (docs/programs.md).
    loaded = subprocess.run(["php", "-m"], capture_output=True, text=True, timeout=SECONDS).stdout.split()
    needed = ["dom", "gd", "intl", "mbstring", "pdo_sqlite", "sqlite3", "xmlreader", "xsl"]
    if missing := [module for module in needed if module not in loaded]:
        raise harness.Failure("php has no module " + ", ".join(missing) + " (scripts/install-deps long)")
    for environment in {}, {"USE_ZEND_ALLOC": "0"}:
        compare(bench, ["php", harness.source("modules.php")], env=environment)
    return ["php"]


def run_sqlite3(bench):
    with open(harness.source("work.sql"), encoding="utf-8") as file:
        text = file.read().encode()
    memory = compare(bench, ["sqlite3", "-batch", ":memory:"], text=text)
    if memory.stdout.count(b"\nok\n") != 1:
        raise harness.Failure("sqlite3 found its database broken:\n" + memory.stdout[:2000].decode())
    # On a file, and then what the dump says, loaded anew.
    dumps = []
    for served in (False, True):
        database = os.path.join(bench.folder(f"sqlite{int(served)}"), "database")
        dumps.append(bench.must_run(served, ["sqlite3", "-batch", database], text=text, timeout=SECONDS))
        with open(os.path.join(bench.scratch, "dump.sql"), "wb") as file:
            file.write(bench.must_run(served, ["sqlite3", database, ".dump"]))
        again = bench.must_run(served, ["sqlite3", database + "2", ".read " + file.name, "PRAGMA integrity_check"])
        if not again.endswith(b"ok\n"):
            raise harness.Failure("what was dumped is broken when it is loaded: " + again[-500:].decode())
        dumps.append(bench.must_run(served, ["sqlite3", database + "2", ".dump"]))
    if dumps[0] != memory.stdout or dumps[0] != dumps[2] or dumps[1] != dumps[3]:
        raise harness.Failure("another output with the database in a file")
    return ["sqlite3"]


def run_bash(bench):
    compare(bench, ["bash", harness.source("work.sh")], status=7)
    return ["bash", "sort", "md5sum", "cat", "sed", "seq"]


PROGRAMS = {"node": run_node, "ruby": run_ruby, "perl": run_perl, "php": run_php, "sqlite3": run_sqlite3,
            "bash": run_bash}


def test(bench):
    program = bench.options.program
    harness.need(program)
    bench.forks = True
    names = PROGRAMS[program](bench)
    served = bench.check_who(*names)
    harness.say(f"{program}: the same output; {served} processes and {bench.check_forks()} that were only forked, "
                "all served by the library")


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--program", choices=sorted(PROGRAMS), required=True)
harness.main(test, PARSER)
