#!/usr/bin/python3
"""The soak itself, for seconds: it runs to its end with every kind of phase, under Ashlar and under libc's malloc,
and stops, or fails, when the malloc is faulty. And scripts/soak, stopped.

  soak_test.py SOAK LIBASHLAR.so FAULTY_ALLOCATOR.so
"""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from recording import Recording  # noqa: E402

SOAK, ASHLAR, FAULTY = sys.argv[1:4]
PHASES = ["ramp", "mixed", "shift_64", "shift_200", "large", "short_threads", "hand_over", "idle", "burst", "forks"]
HANGS_AFTER = 600  # seconds
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/soak")


def exe_of(link):
    try:
        return os.readlink(link)
    except OSError:  # it has ended, or is another user's
        return None


def wait_until(found):
    end = time.monotonic() + HANGS_AFTER
    while not found() and time.monotonic() < end:
        time.sleep(0.05)
    return found()


class SoakTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.csv = os.path.join(folder.name, "recording.csv")

    def soak(self, preload, minutes, fault=""):
        environment = dict(os.environ, LD_PRELOAD=preload, ASHLAR_SOAK_FAULT=fault)
        command = [SOAK, "--csv", self.csv, "--minutes", str(minutes), "--cycles", "1"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False,
                              timeout=HANGS_AFTER)

    def assert_whole(self, run):
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        recording = Recording(self.csv)
        self.assertTrue(recording.whole)
        self.assertEqual([passage.phase for passage in recording.passages()], PHASES)
        last = recording.rows[-1]
        for column in ("allocations", "frees", "resizes", "checks", "forks", "threads_started"):
            self.assertGreater(last[column], 0, column)
        self.assertEqual((last["live_bytes"], last["live_blocks"], last["failed_children"]), (0, 0, 0))
        self.assertEqual(last["allocations"], last["frees"])
        return recording

    def test_under_ashlar(self):
        run = self.soak(ASHLAR, 0.1)
        self.assertIn(f"malloc is served by {ASHLAR}", run.stdout)
        recording = self.assert_whole(run)
        self.assertTrue(recording.has_heap())
        # Read one after the other while threads allocate: only about the same.
        in_heap = max(row["heap_live"] + row["direct_bytes"] for row in recording.rows)
        self.assertGreater(in_heap, max(row["live_bytes"] for row in recording.rows) / 2)
        self.assertLess(recording.rows[-1]["excess"], 1 << 20)

    def test_contents_that_realloc_loses(self):
        run = self.soak(FAULTY, 0.1, "copy")
        self.assertEqual(run.returncode, 3)
        self.assertRegex(run.stderr, r"soak: MISMATCH after realloc: block of \d+ bytes at 0x[0-9a-f]+: byte \d+ is 0x00")

    def test_children_that_fail(self):
        run = self.soak(FAULTY, 0.04, "child")
        self.assertEqual(run.returncode, 1)
        self.assertIn("soak: child 0 FAILED: exit status 9", run.stderr)
        self.assertGreater(Recording(self.csv).rows[-1]["failed_children"], 0)

    def test_under_libc_what_is_never_freed_stays_resident(self):
        self.assertFalse(self.assert_whole(self.soak(FAULTY, 0.06, "leak")).has_heap())
        self.assertGreater(Recording(self.csv).rows[-1]["excess"], 1 << 20)

    def test_a_stopped_script_leaves_nothing_running(self):
        folder = os.path.dirname(self.csv)
        program = os.path.join(os.path.realpath(folder), "glibc", "soak")

        def still_run():
            return [link for link in glob.glob("/proc/[0-9]*/exe") if exe_of(link) == program]

        environment = dict(os.environ, ASHLAR_BUILD=os.path.dirname(os.path.abspath(SOAK)))
        for number in (signal.SIGTERM, signal.SIGINT):
            # env: where SIGINT was ignored from the start (in the background), a shell cannot trap it.
            command = ["env", f"--default-signal={number:d}", SCRIPT, "--no-install", "--minutes", "3",
                       "--allocator", "glibc", "--out", folder]
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True) as script:
                self.addCleanup(script.kill)
                self.assertTrue(wait_until(still_run), "the program does not start")
                script.send_signal(number)
                said = script.communicate(timeout=HANGS_AFTER)[0]
            self.assertEqual(script.returncode, 128 + number, said)
            self.assertEqual(still_run(), [])
            self.assertNotIn("resident", said)  # nothing was judged

    def test_bad_usage(self):
        for arguments in ([], ["--csv", self.csv, "--minutes", "x"], ["--csv", "/no/such/folder/r.csv"]):
            run = subprocess.run([SOAK, *arguments], capture_output=True, text=True, check=False, timeout=HANGS_AFTER)
            self.assertNotEqual(run.returncode, 0)
            self.assertNotEqual(run.stdout + run.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
