#!/usr/bin/python3
"""Counts the test cases of a JUnit file by ctest and prints `passed failed skipped`.

A test that ctest could not start is a failure; one that skipped itself is not. A file that is
missing, broken or empty is an error (exit status 1), never nothing to count.
"""
import sys
import xml.etree.ElementTree as ElementTree


def verdict(case):
    status = case.get("status", "")
    if case.find("failure") is not None or status == "fail":
        return "failed"
    if status == "disabled":
        return "skipped"
    if status == "notrun":
        skip = case.find("skipped")
        message = "" if skip is None else skip.get("message", "")
        return "skipped" if message.startswith("SKIP_") else "failed"
    return "passed"


def main():
    try:
        cases = list(ElementTree.parse(sys.argv[1]).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"count.py: {error}", file=sys.stderr)
        return 1
    if not cases:
        print("count.py: no test case in " + sys.argv[1], file=sys.stderr)
        return 1
    verdicts = [verdict(case) for case in cases]
    print(*(verdicts.count(word) for word in ("passed", "failed", "skipped")))
    return 0


sys.exit(main())
