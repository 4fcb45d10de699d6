#!/usr/bin/env python3
"""locked_instructions.py: what it reads from objdump and callgrind, and what it counts for an allocator with
a known number of locked instructions.

    locked_instructions_test.py SCRIPT PROGRAM LIBRARY VALGRIND
"""

import importlib.util
import subprocess
import sys
import unittest

SCRIPT, PROGRAM, LIBRARY, VALGRIND = sys.argv[1:5]

specification = importlib.util.spec_from_file_location("locked_instructions", SCRIPT)
script = importlib.util.module_from_spec(specification)
specification.loader.exec_module(script)

DISASSEMBLY = """
0000000000001000 <malloc>:
    1000:\tlock cmpxchg %rdx,(%rdi)
    1008:\txchg   %rax,0x123(%rip)        # 2000 <word>
    1010:\txchg   %ax,%ax
    1018:\txchg   %rax,%rcx
    1020:\tcmpxchg %rdx,(%rdi)
    1028:\tmov    $0x0,%eax               # no lock
    1030:\txchg   %rax,%fs:0x10
    1038:\tlock addl $0x1,0x8(%rax)
    1040:\tdata16 lock xadd %rax,(%rbx)
    1048:\txchg   (%rdi),%eax
"""

CALLGRIND = """
ob=/lib/a.so
fl=???
fn=malloc
0x1000 5
0x1004 5
cob=/lib/b.so
cfi=???
cfn=helper
calls=5 0x2000
0x1004 500
0x1008 7

ob=/lib/b.so
fn=helper
0x1000 3
ob=/lib/a.so
fn=free
0x1000 2
"""

MAPS = """\
00400000-00401000 r--p 00000000 fe:00 1 /lib/a.so
00401000-00405000 r-xp 00001000 fe:00 1 /lib/a.so
00500000-00501000 rw-p 00000000 00:00 0
7fff0000-7fff1000 r-xp 00000000 00:00 0 [vdso]
"""

SEGMENTS = """
  LOAD           0x000000 0x0000000000000000 0x0000000000000000 0x00c890 0x00c890 R   0x1000
  LOAD           0x00d000 0x000000000000e000 0x000000000000e000 0x0e279d 0x0e279d R E 0x1000
"""


class Reading(unittest.TestCase):
    def test_locked_instructions_are_found(self):
        found = script.locked_addresses(DISASSEMBLY)
        self.assertEqual(found, {0x1000, 0x1008, 0x1030, 0x1038, 0x1040, 0x1048})

    def test_costs_are_those_of_the_instruction_itself(self):
        costs = script.costs_by_object(CALLGRIND)
        self.assertEqual(costs, {"/lib/a.so": {0x1000: 7, 0x1004: 5, 0x1008: 7}, "/lib/b.so": {0x1000: 3}})

    def test_mappings_and_segments(self):
        self.assertEqual(script.executable_mappings(MAPS), [(0x401000, 0x405000, 0x1000, "/lib/a.so")])
        self.assertEqual(script.executable_segments(SEGMENTS), [(0xD000, 0xE000, 0xE279D)])


class Counting(unittest.TestCase):
    def count(self, preload, *flags):
        command = [sys.executable, "-B", SCRIPT, "--program", PROGRAM, "--valgrind", VALGRIND, "--threads", "1,2",
                   "--preload", preload, *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = dict(field.split("=") for field in done.stdout.split())
        self.assertEqual(list(counts), ["threads_1", "threads_2"])
        return [float(count) for count in counts.values()]

    def test_known_allocator(self):
        for plain, locked in zip(self.count(""), self.count(LIBRARY)):
            self.assertAlmostEqual(locked - plain, 5, delta=0.01)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
