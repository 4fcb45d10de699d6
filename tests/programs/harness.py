"""What every program test does: run a program with and without the library, in a scratch directory of
its own, and ask inside the very process who serves it.

Two witnesses: the library's load-time probe (ASHLAR_PROBE) for the program started, and libashlar_who
(who.cc), preloaded behind the library, for it and for every program that it starts in turn; with
bench.forks also for every child that is only forked.
Exit status of a test: 0, 1 for a failure, 77 for "not installed, skipped" (ctest's SKIP_RETURN_CODE).
"""

import argparse
import ctypes
import difflib
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PROBE_SECONDS = 20  # the answer comes before main()
SYMBOLS = ("malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign", "malloc_usable_size")

# $1: the probe's descriptor, $2: LD_PRELOAD; the rest: the program, which gets the shell's pid.
LAUNCH = 'ASHLAR_PROBE="$$:$1" LD_PRELOAD="$2"; export ASHLAR_PROBE LD_PRELOAD; shift 2; exec "$@"'


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def die_with_the_test():
    """In a child, before it executes: not even a killed test leaves processes behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failure(Exception):
    """The library under test, or what runs under it, is at fault."""


class Skip(Exception):
    """A program that the test needs is not installed."""


def say(text):
    print(text, flush=True)


def need(*programs, folders=()):
    """Skips the test unless all these programs are installed, on the path or in `folders`; returns where
    they are."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])
    found = [shutil.which(program, path=places) for program in programs]
    missing = [program for program, place in zip(programs, found) if place is None]
    if missing:
        raise Skip("not installed: " + ", ".join(missing))
    return found


def source(name):
    """A file of sources/: what a test gives its program to run or compile."""
    return os.path.join(os.path.dirname(os.path.realpath(__file__)), "sources", name)


def first_difference(plain, served, what):
    """The first lines of a diff, for a message."""
    if isinstance(plain, bytes):
        plain, served = plain.decode(errors="replace"), served.decode(errors="replace")
    lines = difflib.unified_diff(plain.splitlines(), served.splitlines(), what + " without", what + " with",
                                 lineterm="", n=1)
    return "\n".join(line for _, line in zip(range(20), lines))


class Started:
    """A program that runs under the library, and the pipe that its probe answers on."""

    def __init__(self, process, probe, name):
        self.process = process
        self.probe = probe
        self.name = name

    def answer(self):
        """The probe's line; what there is of it when the program closes the pipe or says nothing."""
        text = b""
        while b"\n" not in text and select.select([self.probe], [], [], PROBE_SECONDS)[0]:
            piece = os.read(self.probe, 1000)
            if not piece:
                break
            text += piece
        return text.decode(errors="replace").strip()

    def close(self):
        os.close(self.probe)


class Bench:
    """Runs programs with and without the library; owns the scratch directory and the processes."""

    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        self.who = self.folder("who")
        self.processes = []
        self.forks = False  # whether children that are only forked say who serves them

    def folder(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        return path

    def environment(self, extra=None):
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("LD_PRELOAD", "ASHLAR_", "PYTHON"))}
        env.update(LC_ALL="C.UTF-8", TZ="UTC", HOME=self.folder("home"), TMPDIR=self.folder("tmp"))
        env.update(extra or {})
        return env

    def start_plain(self, argv, env=None, **popen):
        process = subprocess.Popen(argv, env=self.environment(env), preexec_fn=die_with_the_test, **popen)
        self.processes.append(process)
        return process

    def start_served(self, argv, env=None, **popen):
        read, write = os.pipe()
        full = self.environment(env)
        full["ASHLAR_WHO"] = self.who
        if self.forks:
            full["ASHLAR_WHO_FORKS"] = "1"
        preload = self.options.library + ":" + self.options.who
        launch = ["/bin/sh", "-c", LAUNCH, "sh", str(write), preload, *argv]
        try:
            process = subprocess.Popen(launch, env=full, pass_fds=(write,), preexec_fn=die_with_the_test,
                                       **popen)
        finally:
            os.close(write)
        self.processes.append(process)
        return Started(process, read, os.path.basename(argv[0]))

    def finish(self, process, name, timeout, text=None):
        """Waits and returns a CompletedProcess; a program that hangs is a failure."""
        try:
            out, err = process.communicate(text, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure(f"{name}: no end after {timeout} s") from None
        self.processes.remove(process)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run_plain(self, argv, timeout=120, text=None, **popen):
        return self.finish(self.start_plain(argv, **pipes(text, popen)), argv[0], timeout, text)

    def run_served(self, argv, timeout=120, text=None, **popen):
        started = self.start_served(argv, **pipes(text, popen))
        done = self.finish(started.process, argv[0] + " under the library", timeout, text)
        self.check_answer(started)
        return done

    def must_run(self, served, argv, **popen):
        """Runs once, with or without the library; returns the output of a run that has to succeed and to
        print no error."""
        done = (self.run_served if served else self.run_plain)(argv, **popen)
        if done.returncode != 0 or done.stderr:
            raise Failure(f"{os.path.basename(argv[0])}{' under the library' if served else ''}: status "
                          f"{done.returncode}:\n{done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout

    def compare(self, argv, name=None, timeout=120, text=None, **popen):
        """Runs twice and demands the same output, errors and status. Returns the plain run."""
        name = name or os.path.basename(argv[0])
        plain = self.run_plain(argv, timeout, text, **popen)
        served = self.run_served(argv, timeout, text, **popen)
        if plain.returncode != served.returncode:
            raise Failure(f"{name}: exit status {served.returncode} with the library, {plain.returncode} "
                          f"without\n{served.stderr.decode(errors='replace')[-2000:]}")
        for what in ("stdout", "stderr"):
            before, after = getattr(plain, what), getattr(served, what)
            if before != after:
                raise Failure(f"{name}: another {what} than without the library:\n"
                              + first_difference(before, after, what))
        return plain

    def check_answer(self, started):
        answer = "" if self.options.no_probe else started.answer()
        started.close()
        if not self.options.no_probe and not answer.startswith("serving "):
            raise Failure(f"{started.name}: the library's probe says {answer or 'nothing'!r}")

    def check_who(self, *names):
        """Every process that started under the library was served by it, those named among them.
        Returns how many there were."""
        files = [file for file in sorted(os.listdir(self.who)) if not file.startswith("fork.")]
        for file in files:
            self._check_who_file(file)
        for name in names:
            if not any(file.split(".", 1)[1].startswith(name) for file in files):
                raise Failure(f"no process {name} has said who serves it; there were: {', '.join(files)}")
        return len(files)

    def _check_who_file(self, file):
        with open(os.path.join(self.who, file), encoding="utf-8") as text:
            lines = [line.rstrip("\n").split(" ", 1) for line in text]
        for symbol, value in lines:
            good = os.path.realpath(value) == os.path.realpath(self.options.library)
            if symbol == "strdup":
                good = value == "yes" or (value == "unknown" and self.options.no_probe)
            if not good:
                raise Failure(f"process {file}: {symbol} is from {value}, not from the library")
        if {symbol for symbol, _ in lines} != {*SYMBOLS, "strdup"}:
            raise Failure(f"process {file}: an incomplete account of who serves it: {lines}")

    def check_forks(self, pids=()):
        """Every child that was only forked was served by it, these among them. Returns how many."""
        files = [file for file in sorted(os.listdir(self.who)) if file.startswith("fork.")]
        wanted = "strdup unknown\n" if self.options.no_probe else "strdup yes\n"
        for file in files:
            with open(os.path.join(self.who, file), encoding="utf-8") as text:
                # Pids come around: there may be several accounts in one file.
                if set(text) != {wanted}:
                    raise Failure(f"forked child {file}: its blocks are not the library's")
        missing = sorted({str(pid) for pid in pids} - {file.split(".")[1] for file in files})
        if missing:
            raise Failure(f"{len(missing)} forked children have not said who serves them: {', '.join(missing[:10])}")
        return len(files)

    def close(self):
        for process in self.processes:
            process.kill()
            try:
                os.killpg(process.pid, signal.SIGKILL)  # a server's workers; others lead no group
            except ProcessLookupError:
                pass
            process.wait()


def pipes(text, popen):
    given = {"stdin": subprocess.DEVNULL if text is None else subprocess.PIPE,
             "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    given.update(popen)
    return given


def parse(parser):
    parser.add_argument("--library", required=True, help="the library under test")
    parser.add_argument("--who", required=True, help="libashlar_who.so")
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--no-probe", action="store_true",
                        help="the library is not Ashlar: it answers no probe and has no ashlar_owns")
    options = parser.parse_args()
    options.library = os.path.abspath(options.library)
    options.who = os.path.abspath(options.who)
    options.build = os.path.abspath(options.build)
    return options


def main(test, parser=None):
    """Runs test(bench) and turns its end into an exit status."""
    options = parse(parser or argparse.ArgumentParser())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scratch = tempfile.mkdtemp(prefix="ashlar_programs_")
    bench = Bench(options, scratch)
    began = time.monotonic()
    status = 1
    try:
        test(bench)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        say(f"passed in {time.monotonic() - began:.1f} s, with {used.ru_utime + used.ru_stime:.1f} s of processor time")
        status = 0
    except Skip as reason:
        say(f"SKIPPED: {reason}")
        status = SKIPPED
    except Failure as reason:
        say(f"FAILED: {reason}")
    finally:
        bench.close()
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(status)
