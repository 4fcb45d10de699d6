"""git gc, repack and fsck on this project's own repository, cloned: the same objects with and without the
library, in packs that several threads made, and the same bytes where one thread did."""

import hashlib
import os
import shutil

import harness

SECONDS = 300
CONFIG = """
[safe]
  directory = *
[user]
  name = Tester
  email = tester@example.invalid
[gc]
  auto = 0
[pack]
  threads = 4
"""
FOLDERS = ("src", "preload", "include", "tools", "tests", "docs", "cmake", "scripts")


def own_history(bench, root):
    """A repository to clone: the checkout's, or, in a tree without one, a commit for each folder."""
    if os.path.exists(os.path.join(root, ".git")):
        return root
    copy = bench.folder("history")
    run = lambda *words: bench.must_run(False, ["git", *words], cwd=copy)
    run("init", "-q", "-b", "main")
    for folder in FOLDERS:
        if os.path.isdir(os.path.join(root, folder)):
            shutil.copytree(os.path.join(root, folder), os.path.join(copy, folder))
            run("add", "-A")
            run("commit", "-q", "-m", folder)
    return copy


class Repository:
    """One clone, always worked on with or always without the library."""

    def __init__(self, bench, origin, served):
        self.bench, self.served = bench, served
        # The same path twice, one after the other: messages name it.
        self.path = os.path.join(bench.scratch, "clone")
        shutil.rmtree(self.path, ignore_errors=True)
        self._run(["git", "clone", "-q", "--no-local", "--mirror", "file://" + origin, self.path], bench.scratch)

    def _run(self, argv, cwd):
        return self.bench.must_run(self.served, argv, cwd=cwd, timeout=SECONDS)

    def git(self, *words):
        return self._run(["git", *words], self.path)

    def objects(self):
        """The contents of all objects, whatever pack they are in."""
        return digest(self.git("cat-file", "--batch-all-objects", "--batch"))

    def packs(self):
        return sorted(name for name in os.listdir(os.path.join(self.path, "objects", "pack"))
                      if name.endswith(".pack"))


def digest(data):
    return f"{len(data)} bytes, {hashlib.sha256(data).hexdigest()[:32]}"


def session(bench, origin, served):
    """Everything that must not differ, by name."""
    clone = Repository(bench, origin, served)
    found = {"objects cloned": clone.objects(), "references": digest(clone.git("show-ref"))}
    found["fsck"] = clone.git("fsck", "--full", "--strict", "--no-progress")
    clone.git("gc", "-q", "--aggressive", "--prune=now")
    if len(clone.packs()) != 1:
        raise harness.Failure(f"gc left the packs {clone.packs()}, not one")
    found["objects after gc"] = clone.objects()
    found["fsck after gc"] = clone.git("fsck", "--full", "--no-progress")
    found["log -p"] = digest(clone.git("log", "-p", "--stat", "-M", "-C", "--all"))
    found["blame"] = digest(clone.git("blame", "-w", "-C", "HEAD", "--", "CMakeLists.txt")
                            if origin_has(clone, "CMakeLists.txt") else b"")
    found["grep"] = digest(clone.git("grep", "-n", "--threads=4", "-e", "[Aa]lloc", "HEAD"))
    found["archive"] = digest(clone.git("archive", "HEAD"))
    clone.git("repack", "-q", "-a", "-d", "-F", "--threads=4", "--window-memory=4m", "--write-bitmap-index")
    found["objects after repack"] = clone.objects()
    # One thread finds the same deltas each time: the pack is named by its contents.
    clone.git("repack", "-q", "-a", "-d", "-F", "--threads=1", "--window=20", "--depth=60")
    found["pack by one thread"] = clone.packs()
    clone.git("commit-graph", "write", "--reachable", "--changed-paths", "--no-progress")
    found["fsck at last"] = clone.git("fsck", "--full", "--no-progress")
    return found


def origin_has(clone, path):
    return bool(clone.git("ls-tree", "HEAD", "--", path))


def test(bench):
    harness.need("git")
    bench.forks = True
    with open(os.path.join(bench.folder("home"), ".gitconfig"), "w", encoding="utf-8") as file:
        file.write(CONFIG)
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    origin = own_history(bench, root)
    plain, served = (session(bench, origin, served) for served in (False, True))
    for name, value in plain.items():
        if served[name] != value:
            raise harness.Failure(f"git: another result of {name}: {served[name]!r} with the library, {value!r} without")
    if not plain["objects cloned"] == plain["objects after gc"] == plain["objects after repack"]:
        raise harness.Failure("the objects changed on the way")
    harness.say(f"git: the same results; {bench.check_who('git')} processes, all served by the library; "
                f"{plain['objects cloned']}")


harness.main(test)
