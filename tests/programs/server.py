"""A server that a test runs in a directory of its own, with or without the library: started, waited for,
ended by a signal, its log read for complaints of the library's.

It leads a process group, so that its workers end with it whatever happens to the test (harness.Bench.close).
"""

import re
import signal
import subprocess
import time

import harness

STARTUP_SECONDS = 60
END_SECONDS = 60


class Server:
    """One process and its log."""

    def __init__(self, bench, argv, log, served, **popen):
        self.bench, self.served, self.log = bench, served, log
        self.name = argv[0].rsplit("/", 1)[-1]
        with open(log, "ab") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT,
                       "start_new_session": True, **popen}
            self.started = bench.start_served(argv, **streams) if served else None
            self.process = self.started.process if served else bench.start_plain(argv, **streams)
        if served:
            bench.check_answer(self.started)

    def wait_for(self, ready):
        """Until ready() returns something true; it may raise OSError meanwhile. Returns what it returned."""
        end = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise harness.Failure(f"{self.name} ended at its start, status {self.process.returncode}:\n"
                                      + self.log_text())
            try:
                answer = ready()
                if answer:
                    return answer
            except OSError:
                pass  # not there yet
            time.sleep(0.05)
        raise harness.Failure(f"{self.name} does not answer:\n{self.log_text()}")

    def log_text(self, size=3000):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-size:]

    def children(self):
        """Pids of the processes that the server has forked and that still run."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def stop(self, by=signal.SIGTERM, status=0):
        """A clean end: in time, with this status, nothing said by the library."""
        self.process.send_signal(by)
        try:
            found = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise harness.Failure(f"{self.name} does not end:\n{self.log_text()}") from None
        self.bench.processes.remove(self.process)
        if found != status:
            raise harness.Failure(f"{self.name} ended with status {found}, not {status}:\n{self.log_text()}")
        self.check_log()

    def check_log(self):
        complaints = [line for line in self.log_text(10**8).splitlines() if re.search(r"\bashlar: ", line)]
        if complaints:
            raise harness.Failure(f"{self.name}: the library complained:\n" + "\n".join(complaints[:10]))
