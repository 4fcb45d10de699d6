#!/usr/bin/env python3
"""The public headers, compiled alone as a strict user does: every standard from C89 and C++98 on that the compiler
knows, -pedantic -Wall -Wextra -Werror, with every C and C++ compiler given that is there. The bare headers are
not system headers here, so that nothing is kept back.

    headers_test.py --include DIR --cc CC... --cxx CXX...
"""
import argparse
import pathlib
import shutil
import subprocess
import sys

C_STANDARDS = ("c89", "gnu89", "c99", "gnu99", "c11", "c17", "c2x")
CXX_STANDARDS = ("c++98", "c++11", "c++14", "c++17", "c++20", "c++2b")
STRICT = ("-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-fsyntax-only")
# ashlar.h before malloc.h and behind it, each alone, and each twice.
SOURCES = ("ashlar/ashlar.h", "ashlar/malloc.h", "ashlar/ashlar.h ashlar/malloc.h", "ashlar/malloc.h ashlar/ashlar.h",
           "ashlar/malloc.h ashlar/malloc.h ashlar/ashlar.h ashlar/ashlar.h")
# A use of each kind of declaration, so that the attributes' macros are expanded and meant.
USES = {"ashlar/ashlar.h": "int used_ashlar(void) { return ashlar_owns(0); }",
        "ashlar/malloc.h": "void *used_malloc(void *p) { ashlar_free(p); return ashlar_reallocarray(ashlar_calloc(1, 2), 1, 2); }"}


def source(headers):
    names = headers.split()
    return "\n".join([f"#include <{name}>" for name in names] + [USES[name] for name in dict.fromkeys(names)]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", type=pathlib.Path, required=True)
    parser.add_argument("--cc", nargs="+", required=True)
    parser.add_argument("--cxx", nargs="+", required=True)
    arguments = parser.parse_args()
    faults = []
    checks = 0
    for language, compilers, standards in (("c", arguments.cc, C_STANDARDS), ("c++", arguments.cxx, CXX_STANDARDS)):
        present = dict.fromkeys(path for path in map(shutil.which, compilers) if path)
        for compiler in present:
            for standard in standards:
                for headers in SOURCES:
                    command = [compiler, "-x", language, f"-std={standard}", *STRICT, "-I", str(arguments.include), "-"]
                    result = subprocess.run(command, input=source(headers), capture_output=True, text=True, timeout=60)
                    checks += 1
                    if result.returncode != 0:
                        faults.append(f"{' '.join(command)} with {headers}:\n{result.stderr}")
        if not present:
            faults.append(f"none of {', '.join(compilers)} is there")
    print("\n".join(faults) if faults else f"{checks} compilations without a warning")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
