"""Starts one program of the demo under one allocator and measures it.

A measurement is {time, peak, after}: seconds to the end of the load, highest RSS, and RSS a second after
the load was dropped (None for a program that ends with its load). Who serves is verified in each run; a
program that fails, or is served by somebody else, raises DemoError.
"""
import os
import re
import select
import shlex
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
IDLE_SECONDS = 1.0
LIMIT_SECONDS = 120


class DemoError(Exception):
    """A run that can't be counted."""


def status_bytes(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def wait_for_line(stream, wanted, seconds):
    """Reads a pipe until a line is `wanted`; False when it ends or the time is up first."""
    deadline = time.monotonic() + seconds
    text = b""
    while wanted.encode() not in text.split(b"\n")[:-1]:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(stream.fileno(), 65536) if ready else b""
        if not piece:
            return False
        text += piece
    return True


class Run:
    """A program that runs under an allocator; use it as a context, it ends with it."""

    def __init__(self, allocator, arguments, extra_environment=None, stdin=None, stdout=subprocess.DEVNULL):
        self.allocator = allocator
        self.probe, probe_end = os.pipe()
        meddling = ("LD_", "ASHLAR_", "MALLOC_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(meddling)}
        environment.update(extra_environment or {})
        # The shell knows the process id that the program will have, and is not preloaded itself.
        script = f'export LD_PRELOAD="$0" ASHLAR_PROBE="$$:{probe_end}"; exec "$@"'
        self.errors = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", script, allocator.library, *arguments], env=environment, stdin=stdin,
            stdout=stdout, stderr=self.errors, pass_fds=[probe_end], text=True, bufsize=1)
        os.close(probe_end)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.probe)
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                stream.close()

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def serving_fault(self):
        """What speaks against this allocator serving the process, or None."""
        with open(f"/proc/{self.pid}/maps", encoding="ascii", errors="replace") as file:
            maps = file.read()
        if os.path.realpath(self.allocator.library) not in maps:
            return "its library is not mapped"
        heap = re.search(r"^([0-9a-f]+)-([0-9a-f]+) .*\[heap\]$", maps, re.MULTILINE)
        heap_bytes = int(heap[2], 16) - int(heap[1], 16) if heap else 0
        # Of the four only glibc takes memory by brk.
        if self.allocator.name == "glibc" and heap_bytes < 1 << 20:
            return "glibc's heap is empty"
        if self.allocator.name != "glibc" and heap_bytes > 16 << 20:
            return "glibc's heap is in use"
        return None

    def verify(self):
        fault = self.serving_fault()
        if fault is None and self.allocator.name == "Ashlar":
            ready, _, _ = select.select([self.probe], [], [], 0)
            answer = os.read(self.probe, 512).decode(errors="replace") if ready else ""
            if not answer.startswith("serving"):
                fault = "it says " + repr(answer)
        if fault is not None:
            raise DemoError(f"{self.allocator.name} does not serve: {fault}\n{self.error_text()}")

    def end(self):
        try:
            code = self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DemoError("it hangs at its end") from error
        if code != 0:
            raise DemoError(f"it ended with {code}\n{self.error_text()}")


def until_loaded(allocator, arguments, extra_environment=None, script=None):
    """A program that prints `loaded` after its load and waits for the end of its input."""
    with Run(allocator, arguments, extra_environment, subprocess.PIPE, subprocess.PIPE) as run:
        if script is not None:
            run.process.stdin.write(script)
            run.process.stdin.flush()
        if not wait_for_line(run.process.stdout, "loaded", LIMIT_SECONDS):
            raise DemoError("it never loaded\n" + run.error_text())
        seconds = time.monotonic() - run.started
        time.sleep(IDLE_SECONDS)
        run.verify()
        peak = status_bytes(run.pid, "VmHWM")
        result = {"time": seconds, "peak": peak, "after": status_bytes(run.pid, "VmRSS")}
        run.process.stdin.close()
        run.end()
        return result


def python(allocator):
    return until_loaded(allocator, ["/usr/bin/python3", os.path.join(HERE, "python_load.py")],
                        {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"})


def perl(allocator):
    arguments = ["/usr/bin/perl", os.path.join(HERE, "perl_load.pl")]
    return until_loaded(allocator, arguments, {"PERL_HASH_SEED": "0"})


def sqlite(allocator):
    with open(os.path.join(HERE, "sqlite_load.sql"), encoding="utf-8") as script:
        return until_loaded(allocator, ["/usr/bin/sqlite3", "-batch"], None, script.read())


def compiler(allocator):
    """g++'s compiler proper, without the driver that starts it, so that there is one process to measure."""
    source = os.path.join(HERE, "compiler_load.cc")
    command = ["g++", "-###", "-std=c++20", "-O1", "-S", source, "-o", "/dev/null"]
    plan = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    arguments = shlex.split(next(line for line in plan.splitlines() if "cc1plus" in line))
    with Run(allocator, arguments) as run:
        time.sleep(0.5)
        run.verify()
        _, status, usage = os.wait4(run.pid, 0)
        seconds = time.monotonic() - run.started
        run.process.returncode = os.waitstatus_to_exitcode(status)
        run.end()
        return {"time": seconds, "peak": usage.ru_maxrss * 1024, "after": None}


class Redis:
    """redis-server on a socket in a directory of its own."""

    def __init__(self, allocator, extra_environment=None):
        self.directory = tempfile.TemporaryDirectory(prefix="ashlar-demo-")
        self.socket = os.path.join(self.directory.name, "socket")
        # Debian's links jemalloc: also glibc must be preloaded to serve it.
        self.run = Run(allocator, ["/usr/bin/redis-server", "--port", "0", "--unixsocket", self.socket, "--save",
                                   "", "--appendonly", "no", "--dir", self.directory.name], extra_environment)

    def __enter__(self):
        deadline = time.monotonic() + 20
        while not os.path.exists(self.socket) or "PONG" not in self.cli("PING"):
            if time.monotonic() > deadline or self.run.process.poll() is not None:
                self.__exit__()
                raise DemoError("redis-server does not come up")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.run.__exit__()
        self.directory.cleanup()

    def cli(self, *words):
        return subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False).stdout

    def benchmark(self, *words):
        subprocess.run(["redis-benchmark", "-s", self.socket, "-q", "-P", "16", *words],
                       stdout=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=True)

    def shut_down(self):
        self.cli("SHUTDOWN", "NOSAVE")
        self.run.process.wait(LIMIT_SECONDS)
        if self.run.process.returncode not in (0, -signal.SIGTERM):
            raise DemoError(f"redis-server ended with {self.run.process.returncode}\n{self.run.error_text()}")


def redis(allocator):
    with Redis(allocator) as server:
        started = time.monotonic()
        server.benchmark("-t", "set", "-n", "400000", "-r", "300000", "-d", "100")
        server.benchmark("-t", "set", "-n", "300000", "-r", "300000", "-d", "300")
        server.benchmark("-t", "hset,sadd,lpush,zadd", "-n", "150000", "-r", "200000", "-d", "40")
        seconds = time.monotonic() - started
        server.run.verify()
        peak = status_bytes(server.run.pid, "VmHWM")
        server.cli("FLUSHALL", "SYNC")
        time.sleep(IDLE_SECONDS)
        after = status_bytes(server.run.pid, "VmRSS")
        server.shut_down()
        return {"time": seconds, "peak": peak, "after": after}


FILL = """math.randomseed(1)
for i = 1, 300000 do redis.call('set', 'key' .. i, string.rep('x', math.random(16, 600))) end
for i = 1, 300000 do if i % 10 ~= 0 then redis.call('del', 'key' .. i) end end"""


def fragmentation_report(ashlar):
    """Ashlar's statistics of a redis-server of which nine keys in ten were deleted."""
    with Redis(ashlar, {"ASHLAR_CONF": "stats_at_exit:text"}) as server:
        server.cli("EVAL", FILL, "0")
        server.run.verify()
        server.shut_down()
        return server.run.error_text()


PROGRAMS = {"python": python, "redis": redis, "compiler": compiler, "sqlite": sqlite, "perl": perl}
