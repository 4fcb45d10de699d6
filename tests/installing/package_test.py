#!/usr/bin/env python3
"""Makes the Debian package as docs/linking.md says, and puts it into a root directory of its own: dpkg
installs it, what it holds works, dpkg removes it, and nothing stays. lintian has its say.

    package_test.py --source DIR --work DIR --version VERSION [--package FILE]

Exit status 77 where there is no dpkg. Needs root, or fakeroot, as dpkg does.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

faults = []


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1500,
                            stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        faults.append(f"{' '.join(map(str, command))}: status {result.returncode}\n"
                      f"{(result.stdout + result.stderr)[-3000:]}")
    return result.stdout + result.stderr


def make_package(source, build):
    """Configured, built and packed in a build tree beside the preset's own."""
    run("cmake", "--preset", "package", "-B", build, cwd=source)
    if not faults:
        run("cmake", "--build", build)
    if not faults:
        run("cpack", "--config", build / "CPackConfig.cmake", "-B", build / "packages")
    found = sorted((build / "packages").glob("*.deb"))
    if len(found) != 1:
        faults.append(f"cpack made {len(found)} packages")
    return found[0] if found else None


def files_below(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


class Root:
    """A directory that dpkg takes for the root of a machine; its scripts and triggers are not run in it."""

    def __init__(self, path):
        self.path = path
        for folder in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "usr"):
            (path / folder).mkdir(parents=True)
        (path / "var/lib/dpkg/status").touch()
        (path / "etc").mkdir()
        self.dpkg = ["dpkg", f"--root={path}", "--force-script-chrootless", "--force-depends",
                     "--no-triggers", f"--log={path}/dpkg.log"]
        if os.geteuid() != 0:
            self.dpkg.insert(0, "fakeroot")

    def install(self, package):
        run(*self.dpkg, "--install", package)

    def remove(self, name):
        run(*self.dpkg, "--purge", name)

    def own_files(self):
        return {path for path in files_below(self.path) if not path.startswith(("var/lib/dpkg", "dpkg.log"))}


def check_fields(package, version):
    fields = run("dpkg-deb", "--field", package)
    for pattern in (r"^Package: ashlar$", rf"^Version: {re.escape(version)}$", r"^Architecture: \w+$",
                    r"^Depends: .*libc6 \(>= 2\.\d+\)", r"^Maintainer: .+ <.+>$"):
        if not re.search(pattern, fields, re.M):
            faults.append(f"the package's fields lack {pattern}:\n{fields}")
    control = run("dpkg-deb", "--info", package)
    for name in ("md5sums", "shlibs", "triggers"):
        if not re.search(rf"\b{name}\b", control):
            faults.append(f"the package has no {name}:\n{control}")


def check_works(usr):
    """The command finds the library in the installed tree, and it serves."""
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_PRELOAD", "ASHLAR_CONF")}
    output = run(usr / "bin/ashlar", "run", "--strict", "--", "sort", "/dev/null", env=environment)
    if output:
        faults.append(f"ashlar run printed: {output}")


def check_lintian(package):
    if not shutil.which("lintian"):
        print("no lintian here: not checked")
        return
    options = ["--allow-root"] if os.geteuid() == 0 else []
    result = subprocess.run(["lintian", *options, "--fail-on", "error,warning", "--tag-display-limit", "0", package],
                            capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        faults.append(f"lintian:\n{result.stdout}{result.stderr}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--package", type=pathlib.Path, help="this one, and make none")
    arguments = parser.parse_args()
    if not shutil.which("dpkg"):
        print("no dpkg here")
        return 77
    arguments.work = arguments.work.resolve()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    package = arguments.package or make_package(arguments.source, arguments.work / "build")
    if package is not None:
        check_fields(package, arguments.version)
        root = Root(arguments.work / "root")
        before = root.own_files()
        root.install(package)
        installed = root.own_files() - before
        if len(installed) < 20:
            faults.append(f"dpkg installed {len(installed)} files: {sorted(installed)}")
        check_works(root.path / "usr")
        root.remove("ashlar")
        left = root.own_files() - before
        if left:
            faults.append(f"left behind by the removal: {sorted(left)}")
        check_lintian(package)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
