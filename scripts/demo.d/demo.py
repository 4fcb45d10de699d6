#!/usr/bin/python3
"""The driver of scripts/demo: runs every program under every allocator, rounds interleaved, prints the table
and Ashlar's fragmentation report. Exit status 1 when a run failed or was served by somebody else."""
import argparse
import glob
import os
import statistics
import sys
import time
from collections import namedtuple

import programs

Allocator = namedtuple("Allocator", "name library")
LIBRARY_FOLDERS = ("/usr/lib/*-linux-gnu", "/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/lib64")
WHAT = {
    "python": "python3, PYTHONMALLOC=malloc",
    "redis": "redis-server under redis-benchmark",
    "compiler": "g++ (cc1plus) on a template-heavy source",
    "sqlite": "sqlite3, database in memory",
    "perl": "perl, hashes and strings",
}


def find_library(name):
    for folder in LIBRARY_FOLDERS:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return path
    return None


def allocators(ashlar):
    found = [
        Allocator("glibc", find_library("libc.so.6")),
        Allocator("jemalloc", find_library("libjemalloc.so.2")),
        Allocator("mimalloc", find_library("libmimalloc.so.2*")),
        Allocator("Ashlar", os.path.realpath(ashlar)),
    ]
    for allocator in found:
        if allocator.library is None:
            print(f"demo: {allocator.name} is not installed, its rows are missing")
    return [a for a in found if a.library is not None]


def measure(names, contenders, rounds):
    """{(program, allocator): [measurement]}, and the number of runs that failed."""
    results, failures, started = {}, 0, time.monotonic()
    total, done = len(names) * len(contenders) * rounds, 0
    for number in range(rounds):
        for name in names:
            # Each round starts with another allocator, so that none is always first.
            turn = number % len(contenders)
            for allocator in contenders[turn:] + contenders[:turn]:
                done += 1
                label = f"[{time.monotonic() - started:4.0f}s] {done:3}/{total} {name:9} {allocator.name:9}"
                try:
                    run = programs.PROGRAMS[name](allocator)
                except (programs.DemoError, OSError, programs.subprocess.SubprocessError) as error:
                    failures += 1
                    print(f"{label} FAILED: {error}", flush=True)
                    continue
                results.setdefault((name, allocator.name), []).append(run)
                print(f"{label} {run['time']:6.2f} s, peak {run['peak'] / 2**20:6.1f} MiB", flush=True)
    return results, failures


def median(runs, field):
    values = [run[field] for run in runs if run[field] is not None]
    return statistics.median(values) if values else None


def cell(value, best, scale, form):
    if value is None:
        return f"{'–':>15}"
    ratio = f"({value / best:.2f})" if best else ""
    return f"{form.format(value / scale):>8}{ratio:>7}"


def print_table(names, contenders, results):
    print("\nMedians; in brackets the ratio to the best of the column's four. RSS after: one idle second after"
          "\nthe load was dropped (redis: after FLUSHALL). Spread: (slowest - fastest) / median of the times.\n")
    print(f"{'':22}{'time, s':>15}{'spread':>8}{'peak RSS, MiB':>15}{'RSS after, MiB':>16}")
    for name in names:
        print(WHAT[name])
        rows = {a.name: results[(name, a.name)] for a in contenders if (name, a.name) in results}
        best = {}
        for field in ("time", "peak", "after"):
            values = [v for v in (median(runs, field) for runs in rows.values()) if v is not None]
            best[field] = min(values) if values else None
        for allocator, runs in rows.items():
            times = [run["time"] for run in runs]
            spread = (max(times) - min(times)) / statistics.median(times)
            print(f"  {allocator:20}{cell(median(runs, 'time'), best['time'], 1, '{:.2f}')}{spread:>8.0%}"
                  f"{cell(median(runs, 'peak'), best['peak'], 2**20, '{:.1f}')}"
                  f" {cell(median(runs, 'after'), best['after'], 2**20, '{:.1f}')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(programs.PROGRAMS))
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    unknown = [name for name in names if name not in programs.PROGRAMS]
    if unknown:
        parser.error(f"no program {unknown[0]}: choose from {', '.join(programs.PROGRAMS)}")
    contenders = allocators(arguments.library)
    results, failures = measure(names, contenders, max(1, arguments.rounds))
    print_table(names, contenders, results)
    print("\nAshlar's own report of a redis-server from which nine keys in ten were deleted:\n")
    try:
        report = programs.fragmentation_report(contenders[-1])
        print(report if report.strip() else "(it printed none)")
        failures += not report.strip()
    except (programs.DemoError, OSError, programs.subprocess.SubprocessError) as error:
        failures += 1
        print(f"FAILED: {error}")
    if failures:
        print(f"\n{failures} runs failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
