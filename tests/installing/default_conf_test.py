#!/usr/bin/env python3
"""Options that are to be compiled into the library (ASHLAR_DEFAULT_CONF): what the library would complain about
in every process stops the build instead, in the parser's words; what it understands is built in.

    default_conf_test.py --source DIR --work DIR --cxx COMPILER
"""
import argparse
import pathlib
import shutil
import subprocess
import sys

TARGET = "ashlar_heap"  # the room that has the text; every library is made of it

faults = []


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    return done.returncode, done.stdout


def configure(arguments, conf):
    return run("cmake", "-S", str(arguments.source), "-B", str(arguments.work), "-G", "Ninja",
               f"-DCMAKE_CXX_COMPILER={arguments.cxx}", "-DASHLAR_TESTS=OFF", "-DASHLAR_BENCH=OFF", "-DASHLAR_TOOLS=OFF",
               f"-DASHLAR_DEFAULT_CONF={conf}")


def expect(what, condition, output):
    if not condition:
        faults.append(f"{what}:\n{output}")


def expect_build(arguments, conf, *words):
    """Builds; fails with these words, or without a word of theirs where there are none."""
    status, output = configure(arguments, conf)
    expect(f"configuring with '{conf}' fails", status == 0, output)
    status, output = run("cmake", "--build", str(arguments.work), "-j2", "--target", TARGET)
    if words:
        expect(f"'{conf}' is built", status != 0, output)
        for word in words:
            expect(f"'{conf}': nothing is said of {word}", f"ASHLAR_DEFAULT_CONF: {word}" in output, output)
    else:
        expect(f"'{conf}' is not built", status == 0, output)


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "work"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--cxx", required=True)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    expect_build(arguments, "purge_flor:8m,foreign:maybe",
                 "unknown option in 'purge_flor:8m'; did you mean purge_floor:8m?",
                 "bad value in 'foreign:maybe'; one of ignore|abort")
    expect_build(arguments, "purge_floor:8m,foreign:abort")
    expect_build(arguments, "foreign:maybe", "bad value in 'foreign:maybe'; one of ignore|abort")
    status, output = configure(arguments, "purge_floor:8m;foreign:abort")
    expect("a semicolon is configured", status != 0 and "key:value,key:value" in output, output)
    print("\n".join(faults) if faults else "wrong options stop the build")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
