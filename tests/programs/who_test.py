"""The witness itself: python asks by ctypes, and must see what libashlar_who and the probe say.

/usr/bin/python3 is not position-independent and refers to malloc: dlsym finds the stub in its
procedure linkage table first, so for such a symbol python calls it and asks whose the block is.

Also shows that the witness can say no: with another malloc in front it has to."""

import os
import subprocess

import harness

ASK = """
import ctypes

class Info(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p),
                ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]

import os, sys
process = ctypes.CDLL(None)
process.dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(Info)]
process.malloc.restype = ctypes.c_void_p
for symbol in ("malloc", "malloc_usable_size"):
    info = Info()
    assert process.dladdr(ctypes.cast(getattr(process, symbol), ctypes.c_void_p), ctypes.byref(info))
    if os.path.realpath(info.file) != os.path.realpath(sys.executable.encode()):
        print(info.file.decode())
if hasattr(process, "ashlar_owns"):
    process.ashlar_owns.argtypes = [ctypes.c_void_p]
    assert process.ashlar_owns(process.malloc(100)) == 1, "malloc's block is not Ashlar's"
"""


FORKS = "(:); :"


def asks_inside(bench):
    done = bench.run_served(["/usr/bin/python3", "-c", ASK])
    if done.returncode != 0:
        raise harness.Failure("python could not ask: " + done.stderr.decode())
    library = os.path.realpath(bench.options.library)
    for file in done.stdout.decode().split():
        if os.path.realpath(file) != library:
            raise harness.Failure(f"dladdr inside python says {file}")
    bench.check_who("python3")


def says_no_when_it_must(bench):
    """The library under test comes last, behind glibc's own: nobody may believe that it serves."""
    glibc = next(line.split()[-1] for line in open("/proc/self/maps", encoding="utf-8") if "/libc.so.6" in line)
    env = bench.environment({"LD_PRELOAD": f"{glibc}:{bench.options.library}:{bench.options.who}",
                             "ASHLAR_WHO": bench.who, "ASHLAR_WHO_FORKS": "1"})
    subprocess.run(["/bin/sh", "-c", FORKS], env=env, check=True)
    for check in (lambda: bench.check_who("sh"), bench.check_forks):
        try:
            check()
        except harness.Failure as refusal:
            harness.say(f"as it should, with glibc's malloc in front: {refusal}")
        else:
            raise harness.Failure("the witness took glibc's malloc for the library's")


def hears_of_forks(bench):
    """A subshell is a child that is only forked."""
    bench.forks = True
    bench.must_run(True, ["/bin/sh", "-c", FORKS])
    if bench.check_forks() != 1:
        raise harness.Failure(f"{bench.check_forks()} forked children said who serves them, not 1")


def test(bench):
    asks_inside(bench)
    hears_of_forks(bench)
    says_no_when_it_must(bench)


harness.main(test)
