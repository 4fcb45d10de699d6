#!/usr/bin/env python3
"""The names that each library, archive and object of Ashlar's gives a program: compared with exports.txt.

    exports.py --readelf READELF --golden FILE [--print] NAME=FILE...

A name is given when it is defined, global or weak, of default visibility; without a version, or it would
interpose nothing. What else the files define for one another is hidden, and must not meet a name of the
program's: it is in namespace ashlar or begins with ashlar_. Objects are machine code, not what only a
link-time optimiser reads, and the C names of malloc's family stand in one member of an archive.
"""
import argparse
import pathlib
import re
import subprocess
import sys

HIDDEN = re.compile(r"_Z(TW)?NK?6ashlar|_ZN\w*6ashlar|ashlar_|DW\.ref\.|__clang_call_terminate$")
# Inline functions of the standard library, which -Og leaves out of line: the same in whoever else has them.
STANDARD = re.compile(r"_Z(NK?|)St")
SYMBOL = re.compile(r"\s*\d+:\s+[0-9a-f]+\s+\S+\s+(\w+)\s+(\w+)\s+(\w+)\s+(?:\[.*?\]\s+)?(\S+)\s+(\S+)")


class Reader:
    def __init__(self, readelf):
        self.readelf = readelf
        self.faults = []

    def lines(self, file, *options):
        result = subprocess.run([self.readelf, "--wide", *options, file], capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(f"readelf of {file}: {result.stderr.strip()}")
        return result.stdout.splitlines()

    def symbols(self, file, dynamic):
        """(member, binding, visibility, name) of each symbol that is defined and not local."""
        member = ""
        for line in self.lines(file, "--dyn-syms" if dynamic else "--symbols"):
            if line.startswith("File: "):
                member = line.split("(")[-1].rstrip(")")
            elif (match := SYMBOL.match(line)) and match[2] != "LOCAL" and match[4] != "UND":
                yield member, match[2], match[3], match[5]

    def check_machine_code(self, name, file):
        sections = "\n".join(self.lines(file, "--sections"))
        if ".gnu.lto_" in sections or ".llvmbc" in sections or ".text" not in sections:
            self.faults.append(f"{name} is not machine code alone")

    def exports(self, name, file):
        shared = ".so" in name
        names, home = set(), {}
        for member, binding, visibility, symbol in self.symbols(file, shared):
            if "@" in symbol:
                self.faults.append(f"{name}: {symbol} has a version")
            if binding == "UNIQUE":
                self.faults.append(f"{name}: {symbol} is unique in the process, not the library's own")
            if visibility != "HIDDEN":
                if (symbol, member) in names:
                    self.faults.append(f"{name}: {symbol} twice")
                names.add((symbol, member))
                home.setdefault(symbol, set()).add(member)
            elif not HIDDEN.match(symbol) and not (binding == "WEAK" and STANDARD.match(symbol)):
                self.faults.append(f"{name}: {symbol} is hidden, but may meet a name of the program's")
        if not shared:
            self.check_machine_code(name, file)
            members = {m for s, where in home.items() if not re.match("_Z|ashlar_", s) for m in where}
            if len(members) > 1:
                self.faults.append(f"{name}: C names in several members: {sorted(members)}")
        return sorted(home)


def read_golden(path):
    golden, current = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            current = golden.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current.append(line)
    return golden


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--readelf", required=True)
    parser.add_argument("--golden", required=True, type=pathlib.Path)
    parser.add_argument("--print", action="store_true")
    parser.add_argument("files", nargs="+", metavar="NAME=FILE")
    arguments = parser.parse_args()
    reader = Reader(arguments.readelf)
    found = {}
    for pair in arguments.files:
        name, file = pair.split("=", 1)
        found[name] = reader.exports(name, file)
    if arguments.print:
        for name, names in found.items():
            print(f"[{name}]", *names, "", sep="\n")
    else:
        golden = read_golden(arguments.golden)
        for name in sorted(found.keys() | golden.keys()):
            have, want = set(found.get(name, ())), set(golden.get(name, ()))
            reader.faults += [f"{name} gives {symbol}, which is not in the golden file" for symbol in sorted(have - want)]
            reader.faults += [f"{name} does not give {symbol}" for symbol in sorted(want - have)]
            if not have:
                reader.faults.append(f"{name} gives nothing")
    for fault in reader.faults:
        print(fault, file=sys.stderr)
    if reader.faults:
        print("when this is meant: exports.py ... --print, and see docs/abi.md", file=sys.stderr)
    return 1 if reader.faults else 0


if __name__ == "__main__":
    sys.exit(main())
