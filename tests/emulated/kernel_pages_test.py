#!/usr/bin/env python3
"""Every piece of memory that Ashlar asks the kernel about begins and ends on one of the kernel's pages: a program
under `qemu -strace -p SIZE`, which refuses nothing itself.

    kernel_pages_test.py --library LIB --program PROGRAM -- EMULATOR...

A kernel refuses an address between its pages, and rounds a length up: it would take the neighbours too.
"""
import argparse
import collections
import os
import re
import subprocess
import sys

SECONDS = 300
CALL = re.compile(r"^\d+ (mmap|munmap|mprotect|madvise|mremap)\((.*)\) = (\S+)")


def number(word):
    return 0 if word == "NULL" else int(word, 0)


def misplaced(lines, page):
    """The calls off the pages of this size, and how many there were of each call, from that on which reserves
    Ashlar's window: what comes before is the loader's."""
    files, found, counts = set(), [], collections.Counter()
    begun = False
    for line in lines:
        match = CALL.match(line)
        if match is None:
            continue
        call, words, result = match[1], match[2].split(","), match[3]
        if call == "mmap" and words[4] != "-1":  # of a file, which has any length
            files.add(number(result))
            continue
        begun = begun or "MAP_NORESERVE" in line
        if not begun:
            continue
        counts[call] += 1
        if call == "munmap" and number(words[0]) in files:
            continue
        edges = [number(words[0]), number(words[1])]
        if call == "mremap":
            edges.append(number(words[2]))
        if any(edge % page != 0 for edge in edges):
            found.append(line)
    return found, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("emulator", nargs="+")
    arguments = parser.parse_args()
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "QEMU_SET_ENV")}
    failed = False
    for page in (16384, 65536):
        command = [*arguments.emulator, "-strace", "-p", str(page), "-E", "LD_PRELOAD=" + arguments.library,
                   "-E", "ASHLAR_CONF=window:256m", arguments.program]
        result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment,
                                stdin=subprocess.DEVNULL)
        found, counts = misplaced(result.stderr.splitlines(), page)
        print(f"pages of {page} B: {dict(counts)}, {len(found)} off the pages")
        for line in found[:20]:
            print("  " + line)
        for call in ("mmap", "munmap", "mprotect", "madvise", "mremap"):
            if counts[call] == 0:
                print(f"  no {call} was seen")
                failed = True
        # strace writes into the program's lines as well
        if result.returncode != 0 or "done" not in result.stdout:
            print(f"  status {result.returncode}\n{result.stdout[-500:]}{result.stderr[-2000:]}")
            failed = True
        failed = failed or bool(found)
    return 1 if failed else 0


sys.exit(main())
