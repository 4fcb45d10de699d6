#!/usr/bin/env python3
"""Installs a build tree, moves what was installed, and builds and runs tests/consumer against it: by
find_package, by pkg-config, with the archive, with the override objects.

    consumer_test.py --build DIR --consumer DIR --work DIR --cc CC --cxx CXX --libdir lib [--tools]
"""
import argparse
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

INSTALLED = """
include/ashlar/ashlar.h include/ashlar/malloc.h
{lib}/libashlar.a {lib}/libashlar.so {lib}/libashlar.so.1 {lib}/libashlar.so.{version}
{lib}/libashlar_api.a {lib}/libashlar_dl.so {lib}/libashlar_dl.so.1 {lib}/libashlar_dl.so.{version}
{lib}/ashlar/ashlar.o {lib}/ashlar/ashlar_cxx.o
{lib}/pkgconfig/ashlar.pc {lib}/pkgconfig/ashlar_api.pc
{lib}/cmake/ashlar/ashlarConfig.cmake {lib}/cmake/ashlar/ashlarConfigVersion.cmake
share/man/man3/ashlar.3 share/man/man5/ashlar.conf.5
"""
OF_TOOLS = "bin/ashlar share/man/man1/ashlar.1"

ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name not in ("LD_PRELOAD", "LD_LIBRARY_PATH", "ASHLAR_CONF", "PKG_CONFIG_PATH", "CC", "CXX")}
faults = []
checks = 0


def run(*command, **environment):
    """The command's output; a fault and None if it fails."""
    global checks
    checks += 1
    result = subprocess.run([str(word) for word in command], env={**ENVIRONMENT, **environment},
                            input="one line\n", capture_output=True, text=True, timeout=300)
    if result.returncode == 0:
        return result.stdout
    faults.append(f"{shlex.join(map(str, command))}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return None


def check_files(prefix, expected):
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    for path in sorted(found ^ set(expected.split())):
        faults.append(f"installed, but not expected: {path}" if path in found else f"not installed: {path}")


def check_project(name, prefix, source, work, compiler):
    """The project configures, builds, and each of its programs says that it is well."""
    build = work / f"build-{name}"
    variable = "CMAKE_CXX_COMPILER" if name == "cxx" else "CMAKE_C_COMPILER"
    if run("cmake", "-G", "Ninja", "-S", source / name, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
           f"-D{variable}={compiler}") is None or run("cmake", "--build", build) is None:
        return
    programs = [path for path in sorted(build.iterdir()) if path.is_file() and path.name.startswith(("serves", "beside", "unaware"))]
    if len(programs) < 6:
        faults.append(f"{name}: only {len(programs)} programs were built")
    for program in programs:
        run(program)
        needed = run("readelf", "--dynamic", program) or ""
        if name == "c" and "libstdc++" in needed:
            faults.append(f"{program.name}, a C program, needs libstdc++")
        for way, library in (("shared", "libashlar.so.1"), ("dl", "libashlar_dl.so.1")):
            if (library in needed) != program.name.endswith("_" + way):
                faults.append(f"{program.name} needs {library}, or ought to")


def check_pkg_config(prefix, libdir, source, work, compilers):
    pc = {"PKG_CONFIG_PATH": str(prefix / libdir / "pkgconfig")}

    def flags(*arguments):
        return shlex.split(run("pkg-config", *arguments, **pc) or "")

    cflags, archive = flags("--cflags", "ashlar"), flags("--variable=archive", "ashlar")
    override = flags("--variable=override", "ashlar")
    override_cxx = flags("--variable=override_cxx", "ashlar")
    static = ["-static", *flags("--static", "--libs", "ashlar")]
    ways = {"shared": flags("--libs", "ashlar"), "archive": archive, "static": static,
            "override": override, "override_static": ["-static", *override]}
    for language, file in (("c", "serves.c"), ("cxx", "serves.cc")):
        for way, link in ways.items():
            program = work / f"pc-{language}-{way}"
            extra = override_cxx if language == "cxx" and way.startswith("override") else []
            if run(compilers[language], source / file, *cflags, *link, *extra, "-pthread", "-o", program) is not None:
                run(program, LD_LIBRARY_PATH=str(prefix / libdir) if way == "shared" else "")
    unaware = work / "pc-unaware"
    if run(compilers["c"], source / "unaware.c", *static, "-o", unaware) is not None:
        run(unaware)
    beside = work / "pc-beside"
    if run(compilers["c"], source / "beside.c", *flags("--cflags", "--libs", "ashlar_api"), "-o", beside) is not None:
        run(beside)


def check_command(prefix, version):
    """The installed command finds the installed library, wherever both lie, and it serves."""
    output = run(prefix / "bin/ashlar", "run", "--strict", "--", "sort", "/dev/null")
    if output not in (None, ""):
        faults.append(f"ashlar run printed {output!r}")
    if version not in (run(prefix / "bin/ashlar", "--version") or ""):
        faults.append("ashlar --version does not say the library's version")


def main():
    parser = argparse.ArgumentParser()
    for name in ("build", "consumer", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name in ("cc", "cxx", "libdir", "version"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--tools", action="store_true")
    arguments = parser.parse_args()
    work = arguments.work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run("cmake", "--install", arguments.build, "--prefix", work / "first")
    prefix = (work / "first").rename(work / "moved")
    check_files(prefix, (INSTALLED + (OF_TOOLS if arguments.tools else "")).format(lib=arguments.libdir, version=arguments.version))
    source = shutil.copytree(arguments.consumer, work / "consumer")
    compilers = {"c": arguments.cc, "cxx": arguments.cxx}
    for name, compiler in compilers.items():
        check_project(name, prefix, source, work, compiler)
    check_pkg_config(prefix, arguments.libdir, source, work, compilers)
    if arguments.tools:
        check_command(prefix, arguments.version)
    if not faults:
        shutil.rmtree(work)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{checks} commands, {len(faults)} faults")
    return 1 if faults or checks < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
