#!/usr/bin/env python3
"""The rooms' order: a header of a later room can't be included, those of a room and of lower ones can.

Also what the compiler doesn't check: no include climbs out of its room, and system calls are made in
src/os/sys_linux.cc alone.

    order_test.py --compiler CXX --source DIR --room NAME=DIR:DIR... (in order, lowest first)
"""
import argparse
import pathlib
import re
import subprocess
import sys

# Calls into the kernel, as a file would make them: not a member of ours, not os::sys::mmap.
CALLS = ("mmap munmap mprotect madvise mremap mincore sbrk brk open openat read write close syscall "
         "membarrier nanosleep usleep sched_yield getrlimit setrlimit prctl sigaction fork vfork execve pipe "
         "fopen printf fprintf malloc calloc realloc").split()
CALL = re.compile(r"(?<![\w.>:])(?:::)?(%s)\s*\(" % "|".join(CALLS))
ALLOWED = {"os/sys_linux.cc", "os/raw_syscall.h", "os/sys.h"}  # the contract declares them
# A declaration of a member function or of a function of ours with one of these names is no call of libc's.
OURS = {"page/window.h": {"open"}, "page/window.cc": {"open"}}
HEADERS_ALLOWED = {
    "unistd.h": {"os/sys_linux.cc", "os/system.cc"},  # system: environ
    "sys/syscall.h": {"os/sys_linux.cc"},
    "sys/resource.h": {"os/sys_linux.cc"},
    "fcntl.h": {"os/sys_linux.cc"},
}


class Checker:
    def __init__(self, arguments):
        self.compiler = arguments.compiler
        self.source = pathlib.Path(arguments.source) / "src"
        pairs = (room.split("=", 1) for room in arguments.room)
        self.rooms = [(name, dirs.split(":")) for name, dirs in pairs]
        self.checks = 0
        self.faults = []

    def expect(self, condition, what):
        self.checks += 1
        if not condition:
            self.faults.append(what)

    def headers(self, room):
        return sorted(f"{room}/{path.name}" for path in (self.source / room).glob("*.h"))

    def compile(self, dirs, headers, preprocess=False):
        """Compiles a file that includes these headers; the compiler's complaints, or None if it has none."""
        text = "".join(f'#include "{header}"\n' for header in headers)
        command = [self.compiler, "-std=gnu++20", "-x", "c++", "-Wall", "-Wextra",
                   "-Wno-unused-const-variable", *(f"-I{directory}" for directory in dirs)]
        command += ["-E", "-o", "/dev/null"] if preprocess else ["-fsyntax-only"]
        result = subprocess.run([*command, "-"], input=text, capture_output=True, text=True)
        return result.stderr if result.returncode != 0 else None

    def check_order(self):
        for place, (room, dirs) in enumerate(self.rooms):
            seen = [header for name, _ in self.rooms[:place + 1] for header in self.headers(name)]
            complaint = self.compile(dirs, seen)
            self.expect(complaint is None, f"{room} can't include its own and lower headers:\n{complaint}")
            for later, _ in self.rooms[place + 1:]:
                for header in self.headers(later):
                    complaint = self.compile(dirs, [header], preprocess=True)
                    self.expect(complaint is not None and header in complaint, f"{room} can include {header}")

    def check_headers_stand_alone(self):
        for room, dirs in self.rooms:
            for header in self.headers(room):
                complaint = self.compile(dirs, [header])
                self.expect(complaint is None, f"{header} doesn't compile by itself:\n{complaint}")

    def check_text(self):
        known = {name for name, _ in self.rooms}
        self.expect({path.name for path in self.source.iterdir() if path.is_dir()} == known,
                    "src/ has a folder that is no room")
        for path in sorted(self.source.rglob("*")):
            if path.suffix not in (".h", ".cc", ".def"):
                continue
            name = str(path.relative_to(self.source))
            for number, line in enumerate(path.read_text().splitlines(), 1):
                where = f"src/{name}:{number}: {line.strip()}"
                if include := re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line):
                    self.expect(".." not in include[1].split("/"), f"climbs out of its room: {where}")
                    self.expect('"' not in line or include[1].split("/")[0] in known | {"ashlar"},
                                f"not by its room's name: {where}")
                    self.expect(name in HEADERS_ALLOWED.get(include[1], {name}),
                                f"a header of system calls: {where}")
                    continue
                code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line.split("//")[0])
                for call in CALL.finditer(code):
                    self.expect(name in ALLOWED or call[1] in OURS.get(name, ()), f"a system call: {where}")

    def run(self):
        self.check_order()
        self.check_headers_stand_alone()
        self.check_text()
        for fault in self.faults:
            print(fault)
        print(f"{self.checks} checks, {len(self.faults)} faults")
        return 1 if self.faults or self.checks < 200 else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--room", action="append", required=True)
    return Checker(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
