"""gcc, g++ and clang++ compile sources of this project to the same object code with and without the
library: compared byte by byte, at -O2 -g0."""

import json
import os
import shlex
import shutil

import harness

WANTED = 15   # sources at least
AT_MOST = 20  # for the time's sake
GCC_ONLY = {"-fno-gnu-unique"}

# C for gcc: this project has none, so headers of libc and the public header stand in for it.
C_SOURCE = """
#include <ashlar/ashlar.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct tree { struct tree* child[2]; int key; };
static struct tree* grow(int depth) {
  struct tree* t = malloc(sizeof *t);
  t->key = depth * NUMBER;
  for (int i = 0; i < 2; i++) t->child[i] = depth > 0 ? grow(depth - 1) : NULL;
  return t;
}
double sum(const struct tree* t) { return t ? sin(t->key) + sum(t->child[0]) + sum(t->child[1]) : NUMBER; }
int print(FILE* f) { struct ashlar_stats s; return fprintf(f, "%zu %f\\n", sizeof s, sum(grow(NUMBER))); }
"""


def compile_commands(build):
    """(source, arguments that matter) of this project's own files, smallest first."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    commands = {}
    for entry in entries:
        source = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        words = shlex.split(entry["command"])
        kept = [word for word in words if word.startswith(("-I", "-D", "-std=", "-f"))]
        for first, second in zip(words, words[1:]):
            if first == "-isystem":
                kept += [first, second]
        commands.setdefault(source, kept)
    ordered = sorted(commands, key=lambda source: (rank(source), os.path.getsize(source), source))
    return [(source, commands[source]) for source in ordered[:AT_MOST]]


def rank(source):
    """The core first: it is what a user compiles; test and benchmark sources are slow to compile."""
    for place, room in enumerate(("/src/", "/preload/", "/tools/")):
        if room in source and "/tests/" not in source:
            return place
    return 9


def compile_both(bench, compiler, arguments, source):
    """Compiles with and without the library side by side, each into its own directory."""
    argv = [compiler, *arguments, "-O2", "-g0", "-w", "-c", source, "-o", "object.o"]
    name = f"{compiler} {os.path.basename(source)}"
    plain_folder, served_folder = bench.folder("plain"), bench.folder("served")
    plain = bench.start_plain(argv, cwd=plain_folder, **harness.pipes(None, {}))
    served = bench.start_served(argv, cwd=served_folder, **harness.pipes(None, {}))
    plain = bench.finish(plain, name, 120)
    done = bench.finish(served.process, name + " under the library", 120)
    bench.check_answer(served)
    if plain.returncode != 0:
        raise harness.Failure(f"{name}: does not compile:\n" + plain.stderr.decode(errors="replace")[-2000:])
    if done.returncode != 0 or done.stderr != plain.stderr:
        raise harness.Failure(f"{name}: status {done.returncode} under the library:\n"
                              + done.stderr.decode(errors="replace")[-2000:])
    with open(os.path.join(plain_folder, "object.o"), "rb") as before, \
            open(os.path.join(served_folder, "object.o"), "rb") as after:
        if before.read() != after.read():
            raise harness.Failure(f"{name}: another object file than without the library")


def test(bench):
    harness.need("gcc", "g++")
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    sources = compile_commands(bench.options.build)
    if len(sources) < WANTED:
        raise harness.Failure(f"only {len(sources)} sources in compile_commands.json, not {WANTED}")
    compilers = ["g++"] + (["clang++"] if shutil.which("clang++") else [])
    for place, compiler in enumerate(compilers):
        # The second compiler gets every third source: it is there for another program's sake.
        chosen = sources if place == 0 else sources[::3]
        for source, arguments in chosen:
            if place > 0:
                arguments = [argument for argument in arguments if argument not in GCC_ONLY]
            compile_both(bench, compiler, arguments, source)
        harness.say(f"{compiler}: {len(chosen)} object files are the same")
    for number in range(3):
        source = os.path.join(bench.scratch, f"tree{number}.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(C_SOURCE.replace("NUMBER", str(number + 2)))
        compile_both(bench, "gcc", ["-I" + os.path.join(root, "include")], source)
    harness.say("gcc: 3 object files are the same")
    served = bench.check_who("g++", "gcc", "cc1plus", "cc1", "as")
    harness.say(f"{served} processes, all served by the library")


harness.main(test)
