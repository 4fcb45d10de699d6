"""gdb on a program with threads: both under the library, and the program alone; the same session as without.
Breakpoints, a watchpoint, backtraces of all threads, functions of the program called by gdb."""

import os
import re

import harness

SECONDS = 120
SECTIONS = ("threads", "lists", "calls in the program", "in another thread", "break, watch, finish",
            "fork and signal", "again")


def normal(output):
    """What must not differ: without addresses, pids and what a thread does inside libc while it waits."""
    text = output.decode(errors="replace")
    text = re.sub(r"0x[0-9a-f]+", "ADDRESS", text)
    text = re.sub(r"\b(LWP|process|Thread|Inferior \d+ \(process) \d+", r"\1 NUMBER", text)
    kept = []
    for line in text.splitlines():
        if "libthread_db" in line or "debuginfod" in line.lower() or "No such file or directory" in line:
            continue
        frame = re.match(r"#(\d+) ", line)
        if frame and not re.search(r"threaded\.c", line):
            continue  # a frame of libc's
        # Where exactly a thread is in its last own frame, and at what depth, is chance.
        line = re.sub(r"^#\d+ +(ADDRESS in )?", "# ", line)
        line = re.sub(r"(wait_here \(\) at .*threaded\.c):\d+", r"\1", line)
        kept.append(line.rstrip())
    return "\n".join(kept) + "\n"


def session(bench, served, program, environment=()):
    argv = ["gdb", "-q", "-nx", "-batch"]
    for setting in environment:
        argv += ["-ex", "set environment " + setting]
    argv += ["-x", harness.source("commands.gdb"), program]
    run = bench.run_served if served else bench.run_plain
    done = run(argv, timeout=SECONDS, env={"DEBUGINFOD_URLS": ""})
    if b"ashlar:" in done.stdout + done.stderr:
        raise harness.Failure("the library complained:\n" + (done.stdout + done.stderr).decode()[-2000:])
    return done.returncode, normal(done.stdout), normal(done.stderr)


def check(text):
    """A session that came to its end and saw what is there."""
    missing = [name for name in SECTIONS if f"== {name}\n" not in text]
    wanted = {"wait_here () at": 4, "node 2499": 1, "= 500\n": 1, '"written by gdb"': 1, "= 1\n": 5,
              "Old value = 0": 1, "New value = 2000": 1, "Value returned": 2, "received signal SIGSEGV": 1,
              "freed 2000, the child ended with": 1, "= 2100\n": 1}
    missing += [f"{what!r} {count} times" for what, count in wanted.items() if text.count(what) < count]
    if missing:
        raise harness.Failure(f"gdb: not seen without the library: {', '.join(missing)}:\n{text}")


def test(bench):
    harness.need("gdb", "gcc")
    program = os.path.join(bench.scratch, "threaded")
    bench.must_run(False, ["gcc", "-g", "-O0", "-pthread", harness.source("threaded.c"), "-o", program])
    plain = session(bench, False, program)
    check(plain[1])
    preload = f"{bench.options.library}:{bench.options.who}"
    runs = {"gdb and the program": session(bench, True, program),
            "the program alone": session(bench, False, program, ("LD_PRELOAD " + preload, "ASHLAR_WHO " + bench.who))}
    for name, found in runs.items():
        for before, after, what in zip(plain, found, ("status", "output", "errors")):
            if before != after:
                raise harness.Failure(f"gdb, with {name} under the library, another {what}:\n"
                                      + harness.first_difference(str(before), str(after), what))
    programs = [file for file in os.listdir(bench.who) if file.endswith(".threaded")]
    if len(programs) != 4:  # two sessions, each of which runs it twice
        raise harness.Failure(f"{len(programs)} of 4 runs of the program said who serves them")
    harness.say(f"gdb: the same session, {len(plain[1].splitlines())} lines, with both under the library and with the "
                f"program alone; {bench.check_who('gdb', 'threaded')} processes, all served by the library")


harness.main(test)
