#!/usr/bin/env python3
"""Locked instructions that an allocator executes for each block that one thread hands to another.

    locked_instructions.py --program build/release/handover [--threads 1,2,4,8,16] [--sizes 64-64]
                           [--preload LIBRARY] [--way pairs|ring] [--order random|allocation]

Every locked read-modify-write on x86-64 takes a cache line for its core alone; on a line that other
cores use as well, that is a transfer between cores. Their number doesn't depend on the machine, so it
tells how hand-over grows with threads where no machine with many cores is at hand.

Counted by callgrind, instruction by instruction (--dump-instr=yes): what has a `lock` prefix, or is an
`xchg` with memory, by objdump, in every object but the program's own. Each count is the difference of two
runs, one twice as long, so that start and end cancel out. Valgrind runs one thread at a time: what
contention adds, retries and waiting, is not in it, and neither are plain stores to shared lines.

Prints one line, for scripts/bench points: locked instructions a block, malloc and free together, by number of
threads.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

BATCH = 1000  # kBatch of handover.cc
ROUNDS = 20  # of the short run; the long one has twice as many

# With a `lock` prefix, perhaps after another one; or an exchange with memory, which locks without.
LOCKED = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:\w+ )*lock\b|xchg\s+[^#]*(?:\(|%[cdefgs]s:))")
SEGMENT = re.compile(r"^\s*LOAD\s+0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) 0x[0-9a-f]+ R E", re.MULTILINE)
UNKNOWN = "???"
COST = re.compile(r"^0x([0-9a-f]+) (\d+)$")


def fail(message):
    sys.exit(f"locked_instructions: {message}")


def locked_addresses(text):
    """Addresses of locked instructions in the output of objdump -d --no-show-raw-insn."""
    found = set()
    for line in text.splitlines():
        if match := LOCKED.match(line):
            found.add(int(match.group(1), 16))
    return found


def costs_by_object(text):
    """Executions of each instruction, {object: Counter(address)}, from a callgrind file with uncompressed
    names and positions. What a call cost inside is its callee's, and left out."""
    costs = {}
    current = None
    after_calls = False
    for line in text.splitlines():
        if line.startswith("ob="):
            current = costs.setdefault(line[3:], Counter())
        elif line.startswith("calls="):
            after_calls = True
        elif match := COST.match(line):
            if not after_calls:
                current[int(match.group(1), 16)] += int(match.group(2))
            after_calls = False
    return costs


def executable_mappings(text):
    """(start, end, offset in the file, path) of each executable mapping of a file, from /proc/PID/maps."""
    mappings = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
            start, _, end = fields[0].partition("-")
            mappings.append((int(start, 16), int(end, 16), int(fields[2], 16), fields[5]))
    return mappings


def executable_segments(text):
    """(offset in the file, address, size) of the executable segments in the output of readelf -lW."""
    return [tuple(int(match.group(i), 16) for i in (1, 2, 3)) for match in SEGMENT.finditer(text)]


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Library:
    """The locked instructions of one file."""

    def __init__(self, path):
        self.locked = locked_addresses(output_of("objdump", "-d", "--no-show-raw-insn", path))
        self.segments = executable_segments(output_of("readelf", "-lW", path))

    def address_of(self, offset):
        for start, address, size in self.segments:
            if start <= offset < start + size:
                return address + offset - start
        fail(f"no executable segment at file offset {offset:#x}")
        return None


class Counts:
    def __init__(self, arguments):
        self.arguments = arguments
        self.libraries = {}  # path → Library

    def run(self, threads, rounds):
        """Locked instructions of one run."""
        smallest, _, largest = self.arguments.sizes.partition("-")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            command = [self.arguments.valgrind, "--tool=callgrind", "--dump-instr=yes", "--dump-line=no",
                       "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}",
                       self.arguments.program, self.arguments.way, str(threads), str(rounds), smallest,
                       largest or smallest, self.arguments.order]
            environment = os.environ | {"LD_PRELOAD": self.arguments.preload}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode != 0:
                fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[:2000]}")
            return self.sum_locked(costs_by_object(out.read_text()), executable_mappings(done.stdout))

    def library(self, path):
        if path not in self.libraries:
            self.libraries[path] = Library(path)
        return self.libraries[path]

    def sum_locked(self, costs, mappings):
        total = 0
        program = os.path.realpath(self.arguments.program)
        for path, counts in costs.items():
            if path == UNKNOWN:
                total += self.sum_unknown(counts, mappings, program)
            elif os.path.realpath(path) != program:
                total += sum(counts[address] for address in self.library(path).locked)
        return total

    def sum_unknown(self, counts, mappings, program):
        """Of code that callgrind knows by its address in memory only."""
        total = 0
        for address, count in counts.items():
            for start, end, offset, path in mappings:
                if start <= address < end and os.path.realpath(path) != program:
                    library = self.library(path)
                    if library.address_of(address - start + offset) in library.locked:
                        total += count
        return total

    def per_block(self, threads):
        short, long = self.run(threads, ROUNDS), self.run(threads, 2 * ROUNDS)
        allocating = threads // 2 if self.arguments.way == "pairs" and threads > 1 else threads
        return (long - short) / (allocating * ROUNDS * BATCH)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="handover")
    parser.add_argument("--preload", default="", help="LD_PRELOAD of the program; not given: the program's own malloc")
    parser.add_argument("--threads", default="1,2,4,8,16", help="numbers, separated by commas")
    parser.add_argument("--sizes", default="64-64", help="SMALLEST-LARGEST, bytes")
    parser.add_argument("--way", default="pairs", choices=("pairs", "ring"), help="who frees: see handover.cc")
    parser.add_argument("--order", default="random", choices=("random", "allocation"), help="of the frees")
    parser.add_argument("--valgrind", default="valgrind")
    arguments = parser.parse_args()
    counts = Counts(arguments)
    print(" ".join(f"threads_{threads}={counts.per_block(int(threads)):.3f}"
                   for threads in arguments.threads.split(",")))


if __name__ == "__main__":
    main()
