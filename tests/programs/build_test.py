"""A build of this project in which compiler, assembler, linker, cmake and ninja all run under the library:
every file is the same, byte for byte, as from a build without, and the library that was built serves."""

import hashlib
import os
import shutil

import harness

SECONDS = 1500
OPTIONS = ["-DASHLAR_TESTS=OFF", "-DASHLAR_BENCH=OFF", "-DASHLAR_TOOLS=OFF", "-DASHLAR_WERROR=ON"]
BUILT = (".o", ".a", ".ninja", ".pc")
LIBRARY = "libashlar.so.1"
PROCESSES = ("cmake", "ninja", "c++", "cc1plus", "as", "collect2", "ld", "ar")


def build(bench, served, root, folder):
    """Configures and builds in `folder`; returns a digest of each file that matters, by name."""
    shutil.rmtree(folder, ignore_errors=True)
    bench.must_run(served, ["cmake", "--preset", "release", "-S", root, "-B", folder, *OPTIONS], cwd=root,
                   timeout=SECONDS)
    bench.must_run(served, ["cmake", "--build", folder, "-j", str(os.cpu_count())], timeout=SECONDS)
    found = {}
    for place, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(place, name)
            if not os.path.islink(path) and (name.endswith(BUILT) or ".so." in name) \
                    and "CompilerId" not in path:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def serves(bench, library):
    """The new library, in place of the one under test: preloaded, it must serve, and be told apart."""
    other = bench.options.library
    bench.options.library, bench.who = library, bench.folder("who_of_the_new")
    try:
        bench.compare(["sh", "-c", "seq 3000 | sort -r | md5sum"])
        bench.check_who("sort", "md5sum")
    finally:
        bench.options.library, bench.who = other, bench.folder("who")


def test(bench):
    harness.need("cmake", "ninja", "c++")
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    folder = os.path.join(bench.scratch, "tree")
    plain = build(bench, False, root, folder)
    served = build(bench, True, root, folder)
    objects = sum(name.endswith(".o") for name in plain)
    if objects < 30 or not any(LIBRARY[:-2] in name for name in plain):
        raise harness.Failure(f"{objects} object files, no build of this project: {sorted(plain)[:20]}")
    other = [name for name in sorted(plain.keys() | served.keys()) if plain.get(name) != served.get(name)]
    if other:
        raise harness.Failure("not the same as in a build without the library: " + ", ".join(other[:20]))
    if not bench.options.no_probe:
        serves(bench, os.path.join(folder, LIBRARY))
    harness.say(f"build: {len(plain)} files are the same, {objects} of them object files; "
                f"{bench.check_who(*PROCESSES)} processes, all served by the library")


harness.main(test)
