"""A Java program, compiled and run: the same class files and the same output, with the usual collector, with
others, and with the virtual machine's own accounting of its native memory (a header before each block)."""

import os

import harness

SECONDS = 300
RUNS = (["-Xmx300m"], ["-Xmx120m", "-XX:+UseParallelGC", "-XX:MaxDirectMemorySize=150m"],
        ["-Xmx120m", "-XX:+UseSerialGC", "-XX:NativeMemoryTracking=detail", "-XX:TieredStopAtLevel=1"])


def classes(bench, served):
    folder = bench.folder("served_classes" if served else "plain_classes")
    bench.must_run(served, ["javac", "-encoding", "UTF-8", "-d", folder, harness.source("Work.java")], timeout=SECONDS,
                   cwd=folder)  # where it would leave its report of a crash
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return folder, found


def test(bench):
    harness.need("java", "javac")
    folder, plain = classes(bench, False)
    _, served = classes(bench, True)
    if not plain or plain != served:
        raise harness.Failure(f"javac: other class files than without the library: {sorted(plain)}, {sorted(served)}")
    outputs = set()
    for options in RUNS:
        done = bench.compare(["java", *options, "-cp", folder, "Work"], timeout=SECONDS, cwd=bench.scratch)
        if done.returncode != 0 or done.stderr or b"a child says 42" not in done.stdout:
            raise harness.Failure(f"java: status {done.returncode}:\n{done.stderr.decode()[-2000:]}")
        outputs.add(done.stdout)
    if len(outputs) != 1:
        raise harness.Failure("java: another output with another collector")
    harness.say(f"java: the same output {len(RUNS)} times, the same {len(plain)} class files; "
                f"{bench.check_who('java', 'javac')} processes, all served by the library")


harness.main(test)
