#!/usr/bin/env python3
"""The JSON that the command prints against its documentation: every name in it stands in the page, and every
name that the page gives for it is there.

    json_docs_test.py --ashlar COMMAND --library LIBRARY --docs DIR
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

faults = []


def names(value):
    """The field names in a JSON value. Below `bindings` are functions and paths."""
    if isinstance(value, dict):
        return set(value).union(*(names(below) for name, below in value.items() if name != "bindings"))
    return set().union(*map(names, value)) if isinstance(value, list) else set()


def compare(page, found, text, others=frozenset()):
    """`text`: the part of the page that names fields, each in backticks; `others` stand there and are none."""
    documented = set(re.findall(r"`([a-z][a-z_]+)`", text)) - others
    faults.extend(f"{page} does not name the field {name}" for name in sorted(found - documented))
    faults.extend(f"{page} names {name}, which is no field" for name in sorted(documented - found))
    return len(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ashlar", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--docs", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    def output(*words, stream):
        result = subprocess.run([arguments.ashlar, words[0], "--lib", arguments.library, *words[1:], "--", "env"],
                                capture_output=True, text=True, timeout=60)
        return json.loads(getattr(result, stream))

    page = (arguments.docs / "statistics.md").read_text()
    lines = page.split("## Line by line")[1].split("## Why is my RSS")[0]
    # Options, struct names and commands that these sections mention.
    checks = compare("statistics.md", names(output("run", "--stats=json", stream="stderr")), lines,
                     {"mincore", "madvise", "malloc_trim", "ashlar_stats_print_json", "size_class"})
    page = (arguments.docs / "doctor.md").read_text()
    checks += compare("doctor.md", names(output("doctor", "--json", stream="stdout")),
                      page.split("## JSON")[1].split("## Rights")[0], {"true", "false", "null"})
    print("\n".join(faults) if faults else f"{checks} fields documented")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
