#!/usr/bin/env python3
"""call_work under an allocator whose every call does known work (known_calls_allocator.cc).

    call_work_test.py PROGRAM LIBRARY
"""

import os
import subprocess
import sys
import unittest

PROGRAM, LIBRARY = sys.argv[1:3]
MAY_NOT_TRACE = 77  # kMayNotTrace of call_trace.h


class KnownWork(unittest.TestCase):
    def work(self, *arguments):
        environment = os.environ | {"LD_PRELOAD": LIBRARY}
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60,
                              env=environment)
        if done.returncode == MAY_NOT_TRACE:
            print(done.stderr, end="")
            sys.exit(MAY_NOT_TRACE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {key: int(value) for key, value in (field.split("=") for field in done.stdout.split())}

    def check(self, counts, allocations, frees):
        for name, each_malloc, each_free in (("syscalls", 3, 1), ("touched", 2, 0), ("returned", 0, 1)):
            self.assertEqual(counts[f"{name}_max"], max(each_malloc, each_free), name)
            self.assertEqual(counts[f"{name}_p99.99"], max(each_malloc, each_free), name)
            self.assertEqual(counts[f"{name}_sum"], each_malloc * allocations + each_free * frees, name)

    def test_fill(self):
        counts = self.work("fill", "1")
        self.assertGreater(counts["calls"], 1000)
        self.check(counts, counts["calls"] // 2, counts["calls"] // 2)

    def test_mixed_and_large(self):
        for arguments in (("mixed", "500", "50"), ("large", "100")):
            counts = self.work(*arguments)
            self.assertEqual(counts["calls"], int(arguments[1]))
            frees = counts["returned_sum"]
            self.assertTrue(0 < frees < counts["calls"])
            self.check(counts, counts["calls"] - frees, frees)

    def test_resize_counts_every_call(self):
        counts = self.work("resize", "100")
        self.assertEqual(counts["calls"], 100)
        frees = counts["returned_sum"]
        self.check(counts, 100 - frees, frees)

    def test_bad_usage(self):
        for arguments in ((), ("smal",), ("mixed", "0"), ("mixed", "5", "none")):
            done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("usage: call_work", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
