#!/usr/bin/env python3
"""The manual pages against the library: ashlar.conf(5) has every option with its default and its range,
ashlar(3) every function of the headers; each page is what mandoc or groff accepts, and of this version.

    man_pages_test.py --man DIR --include DIR --options FILE --version VERSION
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

faults = []


def plain(page):
    """The page's text without its markup, on one line."""
    lines = [line for line in page.splitlines() if not line.startswith('.\\"')]
    text = " ".join(re.sub(r"^\.[A-Z]+ ?", "", line) for line in lines)
    return re.sub(r"\s+", " ", re.sub(r'["\\]', "", text))


def size(text):
    """1 * kMiB -> 1m, as the page writes it; what is less than that, as it is."""
    value = eval(text.replace("kKiB", "1024").replace("kMiB", "1048576"), {"kAuto": None})  # our own file
    if value is None:
        return "auto"
    for unit, letter in ((1 << 30, "g"), (1 << 20, "m")):
        if value and value % unit == 0:
            return f"{value // unit}{letter}"
    return str(value)


def sections_of_options(page):
    """key -> its paragraph, of the page's .TP paragraphs."""
    found = {}
    for paragraph in page.split("\n.TP\n")[1:]:
        first, _, rest = paragraph.partition("\n")
        found[first.removeprefix(".B ")] = plain(re.split(r"\n\.(?:SH|PP)", rest)[0])
    return found


def check_options(page, definitions):
    documented = sections_of_options(page)
    declared = {}
    for match in re.finditer(r"^ASHLAR_OPTION_(SIZE|COUNT|CHOICE)\((.*?)\)$", definitions, re.S | re.M):
        kind, fields = match[1], [field.strip() for field in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', match[2])]
        declared[fields[0]] = (kind, fields)
    for key in sorted(declared.keys() ^ documented.keys()):
        faults.append(f"ashlar.conf(5) lacks {key}" if key in declared else f"ashlar.conf(5): there is no option {key}")
    for key in declared.keys() & documented.keys():
        kind, fields = declared[key]
        text = documented[key]
        if kind != "CHOICE":
            want = [f"Default {size(fields[1])}", f"rom {size(fields[2])} to {size(fields[3])}"]
        else:
            choices = fields[2].strip('"').split("|")
            listed = " or ".join([" , ".join(choices[:-1]), choices[-1]])
            want = [listed, f"default {choices[int(fields[1])]}"]
        for words in want:
            if words not in text and words not in text.replace(" ,", ","):
                faults.append(f"ashlar.conf(5), {key}: no '{words}' in: {text}")
    return len(declared)


def check_functions(page, headers):
    declared = {name for header in headers
                for name in re.findall(r"^[a-z][\w ]*\*? ?(ashlar_\w+)\(", header.read_text(), re.M)}
    synopsis = plain(page.split(".SH SYNOPSIS")[1].split(".SH DESCRIPTION")[0])
    documented = set(re.findall(r"(ashlar_\w+)\(", synopsis))
    for name in sorted(declared ^ documented):
        faults.append(f"ashlar(3) lacks {name}" if name in declared else f"ashlar(3): no header has {name}")
    return len(declared)


def check_form(path, version):
    if f'"ashlar {version}"' not in path.read_text():
        faults.append(f"{path.name}: not of version {version}")
    if shutil.which("mandoc"):
        command = ["mandoc", "-T", "lint", "-W", "warning", str(path)]
    elif shutil.which("groff"):
        command = ["groff", "-man", "-Tutf8", "-ww", "-z", str(path)]
    else:
        return
    result = subprocess.run(command, capture_output=True, text=True)
    complaints = [line for line in (result.stdout + result.stderr).splitlines() if "referenced manual not found" not in line]
    faults.extend(f"{command[0]}: {line}" for line in complaints)


def main():
    parser = argparse.ArgumentParser()
    for name in ("man", "include", "options"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    arguments = parser.parse_args()
    pages = sorted(arguments.man.glob("*.[1-8]"))
    for page in pages:
        check_form(page, arguments.version)
    options = check_options((arguments.man / "ashlar.conf.5").read_text(), arguments.options.read_text())
    functions = check_functions((arguments.man / "ashlar.3").read_text(), sorted(arguments.include.rglob("*.h")))
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(pages)} pages, {options} options, {functions} functions, {len(faults)} faults")
    return 1 if faults or len(pages) < 3 or options < 12 or functions < 27 else 0


if __name__ == "__main__":
    sys.exit(main())
