#!/usr/bin/env python3
"""Counts the instructions of the fast paths and compares them with the golden file.

They are malloc and free, operator new and sized delete.

Each size is run twice under callgrind, with K and with 2K warm pairs: the difference over K is what one call
costs, and everything that happens once drops out. PLT stubs are not of the function and not counted. The
program also prints the statistics: Ashlar's own window must have been used, since Valgrind refuses big
reservations and Ashlar would go on without one.

    fast_path.py --valgrind V --program P --library L --golden F [--built-by ID] [--print]

Exit status: 0 as golden, 1 different, 77 can't be counted here. --print writes the counted lines.
"""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SIZES = (1, 16, 64, 200, 512, 1024)
PAIRS = 2000
LIMITS = {"malloc": 16, "free": 17, "new": 16, "delete": 17}  # for sizes up to 512 B
# By the program's mode: what is counted, and the names of its functions.
NAMES = {
    "c": {"malloc": ("malloc", "__libc_malloc"), "free": ("free", "cfree", "__libc_free", "__libc_cfree")},
    "cxx": {"new": ("operator new(unsigned long)",), "delete": ("operator delete(void*, unsigned long)",)},
}


class CannotCount(Exception):
    pass


def self_costs(path):
    """Instructions by function, of the function itself, as callgrind wrote them."""
    costs = collections.Counter()
    function, skip = None, False
    for line in path.read_text().splitlines():
        if line.startswith("fn="):
            function = line[3:].split("'")[0]
        elif line.startswith("calls="):
            skip = True  # the next line is the callee's cost
        elif line and line[0] in "0123456789+-*":
            if not skip and function is not None:
                costs[function] += int(line.split()[1])
            skip = False
    return costs


def count(arguments, mode, size, pairs, folder):
    out = pathlib.Path(folder) / f"{mode}-{size}-{pairs}"
    command = [arguments.valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
               "--compress-pos=no", "--trace-children=no", "-q", arguments.program, mode, str(size), str(pairs)]
    environment = {**os.environ, "LD_PRELOAD": arguments.library}
    environment.pop("ASHLAR_CONF", None)
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise CannotCount(f"callgrind failed with {result.returncode}: {result.stderr.strip()[-500:]}")
    try:
        stats = json.loads(result.stdout)
    except ValueError:
        stats = {}
    if stats.get("window_reserved", 0) == 0 or stats.get("window_opened", 0) == 0:
        raise AssertionError(f"Ashlar's window was not used: {result.stdout[:200]!r}")
    costs = self_costs(out)
    return {call: sum(costs[name] for name in names) for call, names in NAMES[mode].items()}, stats


def measure(arguments):
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for mode, size in ((mode, size) for mode in NAMES for size in SIZES):
            once, stats = count(arguments, mode, size, PAIRS, folder)
            twice, _ = count(arguments, mode, size, 2 * PAIRS, folder)
            for call in NAMES[mode]:
                extra = twice[call] - once[call]
                if extra % PAIRS != 0 or extra == 0:
                    raise AssertionError(f"{call}({size}): {extra} instructions in {PAIRS} calls")
                lines.append((call, size, extra // PAIRS))
    print(f"window: {stats['window_reserved']} bytes reserved, {stats['window_opened']} opened")
    return lines


def golden_lines(path):
    text = path.read_text().splitlines() if path.exists() else []
    return [line for line in text if line and not line.startswith("#")], text


def main():
    parser = argparse.ArgumentParser()
    for name in ("valgrind", "program", "library", "golden"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--built-by", default="")
    parser.add_argument("--machine", default="x86_64")
    parser.add_argument("--print", action="store_true")
    arguments = parser.parse_args()
    if arguments.machine != "x86_64":
        print(f"the golden file is for x86_64, not {arguments.machine}")
        return 77
    try:
        counted = measure(arguments)
    except CannotCount as reason:
        print(reason)
        return 1
    status = 0
    for call, size, instructions in counted:
        if size <= 512 and instructions > LIMITS[call]:
            print(f"{call}({size}) takes {instructions} instructions, more than {LIMITS[call]}")
            status = 1
    lines = [f"{call:<6} {size:>5} {instructions:>3}" for call, size, instructions in counted]
    if arguments.print:
        print("\n".join(lines))
        return status
    golden, text = golden_lines(pathlib.Path(arguments.golden))
    # Other compilers choose other instructions: the limits hold for them, the exact counts don't.
    made_by = next((line.split(":", 1)[1].strip() for line in text if line.startswith("# compiler:")), "")
    if made_by and arguments.built_by and not arguments.built_by.startswith(made_by):
        print(f"built by {arguments.built_by}, the golden file by {made_by}: only the limits are checked")
        return status
    if lines != golden:
        print("counted:", *lines, sep="\n")
        print("golden:", *golden, sep="\n")
        print("when this is meant: copy the counted lines into the golden file")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
