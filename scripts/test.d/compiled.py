#!/usr/bin/python3
"""compiled.py BUILD FILE...: prints those of the files that BUILD/compile_commands.json compiles."""
import json
import os
import sys

build, files = sys.argv[1], sys.argv[2:]
with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
    compiled = {os.path.realpath(os.path.join(e["directory"], e["file"])) for e in json.load(commands)}
for name in files:
    if os.path.realpath(name) in compiled:
        print(name)
