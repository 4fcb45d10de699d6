#!/usr/bin/env python3
"""A program under Ashlar and Valgrind, or built with a sanitizer: the tool works as without Ashlar, or Ashlar
refuses with one line (docs/linking.md, "Valgrind and the sanitizers").

    checkers_test.py valgrind --library LIB --program FAULTY --valgrind VALGRIND
    checkers_test.py sanitizers --library LIB --archive LIB.a --object ashlar.o --source faulty.c --taking takes_malloc.c

Exit status 77: nothing was checked, since no compiler here builds with any sanitizer.
"""
import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

REFUSAL = "ashlar: this program has a sanitizer with a malloc of its own"
SECONDS = 120
NOTHING_CHECKED = 77
checks = 0
failures = []


def run(command, library=None, **settings):
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "ASHLAR_CONF")}
    environment.update(settings)
    if library:
        environment["LD_PRELOAD"] = library
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment,
                          stdin=subprocess.DEVNULL)


def check(what, good, result):
    global checks
    checks += 1
    print(("ok      " if good else "FAILED  ") + what)
    if not good:
        failures.append(what)
        print(f"  status {result.returncode}\n  " + (result.stdout + result.stderr)[:3000].replace("\n", "\n  "))


def ashlar_serves(result):
    """Whether the report at exit shows live blocks: 0 B where somebody else's malloc served."""
    live = re.search(r"^  live +([0-9.]+) ", result.stderr, re.MULTILINE)
    return live is not None and float(live[1]) > 0


class Valgrind:
    OWN = "--soname-synonyms=somalloc=nouserintercepts"  # leave the program the malloc that it has
    REPLACING = {  # tool: what it finds with its own malloc in the place of Ashlar's
        "memcheck": {"after_end": "0 bytes after a block of size 100 alloc'd",
                     "after_free": "5 bytes inside a block of size 100 free'd",
                     "twice": "Invalid free()", "leak": "100 bytes in 1 blocks are definitely lost",
                     "uninitialised": "depends on uninitialised value"},
        "helgrind": {}, "drd": {}, "massif": {}, "dhat": {},
    }
    COUNTING = ["callgrind", "cachegrind", "none"]  # these leave malloc alone

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def tool(self, tool, fault, *options, **settings):
        kept = [f"--{tool}-out-file={self.folder}/out"] if tool in ("massif", "dhat", "callgrind", "cachegrind") else []
        checks = ["--leak-check=full"] if tool == "memcheck" else []
        errors = ["--error-exitcode=9"] if tool in ("memcheck", "helgrind", "drd") else []
        command = [self.arguments.valgrind, f"--tool={tool}", *kept, *checks, *errors, *options,
                   self.arguments.program, fault]
        return run(command, self.arguments.library, **settings)

    def test(self):
        report = {"ASHLAR_CONF": "stats_at_exit:text"}
        for tool, faults in self.REPLACING.items():
            result = self.tool(tool, "none", **report)
            check(f"{tool}: a program without faults has none", result.returncode == 0, result)
            check(f"{tool} serves it by a malloc of its own",
                  "Ashlar" in result.stderr and not ashlar_serves(result), result)
            for fault, message in faults.items():
                result = self.tool(tool, fault)
                check(f"{tool} finds: {fault}", result.returncode == 9 and message in result.stderr, result)
        for tool in self.COUNTING:
            result = self.tool(tool, "none", **report)
            check(f"{tool}: Ashlar serves", result.returncode == 0 and ashlar_serves(result), result)
        for tool in ("memcheck", "massif", "dhat"):
            result = self.tool(tool, "none", self.OWN, **report)
            check(f"{tool} told to leave malloc alone: Ashlar serves, no error",
                  result.returncode == 0 and ashlar_serves(result), result)
        result = self.tool("memcheck", "twice", self.OWN)
        check("memcheck told to leave malloc alone: Ashlar names a block freed twice",
              "ashlar: double free of 0x" in result.stderr, result)


class Sanitizers:
    """Per compiler and sanitizer: who serves when Ashlar is preloaded, and a fault that must be found then."""
    FOUND = {"address": ("after_free", "heap-use-after-free"), "thread": ("after_free", "heap-use-after-free"),
             "leak": ("leak", "detected memory leaks"), "memory": ("uninitialised", "use-of-uninitialized-value"),
             "undefined": None}
    # gcc's runtimes are shared libraries, which stand behind what is preloaded; clang's are in the program.
    PRELOADED = {("gcc", ""): "refused", ("gcc", "-static-libasan"): "works", ("clang", ""): "works",
                 ("clang", "-shared-libasan"): "refused"}

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder

    def compile(self, compiler, sanitizer, source, *more):
        program = os.path.join(self.folder, "program")
        with contextlib.suppress(FileNotFoundError):
            os.remove(program)
        return program, run([compiler, f"-fsanitize={sanitizer}", "-g", "-fno-builtin", source, "-pthread", *more,
                             "-o", program])

    def build_without(self, compiler, sanitizer, source, *options):
        """The program without Ashlar, or None: then this machine has not what the case is about."""
        program, result = self.compile(compiler, sanitizer, source, *options)
        if result.returncode == 0:
            return program
        print(f"skipped {compiler} {sanitizer} {' '.join(options)}: does not build here without Ashlar either")
        return None

    def build_with(self, compiler, sanitizer, ashlar):
        """The program with Ashlar linked in, or None: a failure, since it builds without."""
        program, result = self.compile(compiler, sanitizer, self.arguments.source, ashlar)
        check(f"{compiler} {sanitizer}, {os.path.basename(ashlar)}: builds", result.returncode == 0, result)
        return program if result.returncode == 0 else None

    def check_works(self, what, sanitizer, program, library=None):
        result = run([program, "none"], library)
        check(f"{what}: works", result.returncode == 0 and result.stdout == "done\n" and result.stderr == "", result)
        if self.FOUND[sanitizer] is not None:
            fault, message = self.FOUND[sanitizer]
            result = run([program, fault], library)
            check(f"{what}: finds {fault}", result.returncode != 0 and message in result.stderr, result)

    def check_refused(self, what, program, library=None, **settings):
        result = run([program, "none"], library, **settings)
        # AddressSanitizer looks at the order of libraries itself, and may come first.
        refused = REFUSAL in result.stderr or "runtime does not come first" in result.stderr
        one_line = result.stderr.count("\n") == 1 and result.stdout == ""
        check(f"{what}: refused with one line", result.returncode == 1 and refused and one_line, result)

    def test_preloaded(self, compiler, sanitizer, option, outcome):
        program = self.build_without(compiler, sanitizer, self.arguments.source, *option.split())
        if program is None:
            return
        what = f"{compiler} {sanitizer} {option}".strip()
        where = {"LD_LIBRARY_PATH": self.runtime_folder()} if option == "-shared-libasan" else {}
        if outcome == "works" or sanitizer == "undefined":
            self.check_works(f"{what}, preloaded", sanitizer, program, self.arguments.library)
        else:
            self.check_refused(f"{what}, preloaded", program, self.arguments.library, **where)
        if sanitizer == "address" and outcome == "refused":
            self.check_refused(f"{what}, preloaded, told not to look at the order", program,
                               self.arguments.library, ASAN_OPTIONS="verify_asan_link_order=0", **where)

    def test_linked(self, compiler, sanitizer):
        if self.build_without(compiler, sanitizer, self.arguments.source) is None:
            return
        if program := self.build_with(compiler, sanitizer, self.arguments.archive):
            self.check_works(f"{compiler} {sanitizer}, libashlar.a", sanitizer, program)
        if program := self.build_with(compiler, sanitizer, self.arguments.object):
            if sanitizer == "undefined":
                self.check_works(f"{compiler} {sanitizer}, ashlar.o", sanitizer, program)
            else:
                self.check_refused(f"{compiler} {sanitizer}, ashlar.o", program)

    def test_taking(self, compiler, sanitizer):
        """malloc's address is then one in the program, whoever serves."""
        program = self.build_without(compiler, sanitizer, self.arguments.taking, "-no-pie", "-fno-pie")
        if program is None:
            return
        what = f"{compiler} {sanitizer}, not position-independent, takes malloc's address"
        result = run([program])
        check(f"{what}: works without Ashlar", result.returncode == 0 and result.stdout == "done\n", result)
        self.check_refused(f"{what}, preloaded", program, self.arguments.library)

    def test_compiler(self, compiler, sanitizers):
        for sanitizer in sanitizers:
            for (of_compiler, option), outcome in self.PRELOADED.items():
                if of_compiler == compiler and (not option or sanitizer == "address"):
                    self.test_preloaded(compiler, sanitizer, option, outcome)
            self.test_linked(compiler, sanitizer)

    @staticmethod
    def runtime_folder():
        result = run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"])
        return os.path.dirname(result.stdout.strip())

    def test(self):
        if shutil.which("gcc"):
            self.test_compiler("gcc", ["address", "thread", "leak", "undefined"])
            for sanitizer in ("thread", "leak"):  # AddressSanitizer's own look at the order would hide it
                self.test_taking("gcc", sanitizer)
        if shutil.which("clang"):
            self.test_compiler("clang", ["address", "thread", "leak", "memory", "undefined"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["valgrind", "sanitizers"])
    for name in ("library", "archive", "object", "source", "taking", "program", "valgrind"):
        parser.add_argument("--" + name)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ashlar-checkers-") as folder:
        test = Valgrind(arguments, folder) if arguments.what == "valgrind" else Sanitizers(arguments, folder)
        test.test()
    print(f"{checks} checks, {len(failures)} failed")
    if checks == 0:
        return NOTHING_CHECKED
    return 1 if failures else 0


sys.exit(main())
