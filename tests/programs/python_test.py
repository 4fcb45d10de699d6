"""`python3 -m test` for more than forty modules under the library, as it is and with
PYTHONMALLOC=malloc: Python's own small-block allocator would otherwise keep most blocks from us.

One process a module (not regrtest's -j: its workers ignore PYTHONMALLOC). Some modules mostly wait, so
several run at once. A module that fails is run once more by itself, then without the library: what
fails there too is no fault of the library's and doesn't count among the forty.
"""

import argparse
import collections
import concurrent.futures
import os
import subprocess

import harness

PYTHON = "/usr/bin/python3"
MODULES_WANTED = 40
AT_ONCE = 4
SECONDS = 400
HUNG = "hung"

# The longest first. test_ssl and test_threading mostly sleep.
MODULES = """
    test_ssl test_sqlite3 test_threading test_queue test_fork1 test_lzma test_weakref test_pickle test_bz2 test_gc test_ast
    test_itertools test_ctypes test_argparse test_set test_asyncgen test_bytes test_long test_json test_unicode
    test_thread test_zlib test_hashlib test_deque test_heapq test_int test_re test_tuple test_array test_dict
    test_coroutines test_functools test_collections test_struct test_list test_generators test_contextlib
    test_threadedtempfile test_float test_bisect test_xml_etree test_xml_etree_c test_pyexpat test_minidom
    test_memoryview test_codecs test_csv test_copy test_random test_marshal test_dis test_unicodedata
    test_mmap test_memoryio test_fileio test_tempfile test_select test_decimal test_configparser
""".split()
# Slow: for scripts/test-long.
MORE_MODULES = """
    test_signal test_io test_subprocess test_logging test_faulthandler test_selectors test_concurrent_futures
    test_email test_zipfile test_compile test_tarfile test_statistics test_wait3 test_wait4
    test_exceptions test_descr test_typing test_enum test_datetime test_asyncio
""".split()
# Debian leaves CPython's own test_sqlite3 out; ours always runs.
OUR_MODULES = ["test_ashlar_sqlite3"]
REQUIRED = ["test_ssl", "test_threading", "test_fork1", "test_ctypes", "test_ashlar_sqlite3"]
HERE = os.path.dirname(os.path.abspath(__file__))

Job = collections.namedtuple("Job", "module allocator")  # allocator: None or "malloc"


def modules_installed(wanted):
    code = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec('test.' + m)))"
    done = subprocess.run([PYTHON, "-c", code, *wanted], capture_output=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise harness.Skip("Python's tests are not installed (libpython3-testsuite)")
    return OUR_MODULES + done.stdout.decode().split()


def command(job):
    argv = [PYTHON, "-B", "-m", "test", "-u", "none"]
    if job.module in OUR_MODULES:
        argv += ["--testdir", os.path.join(HERE, "python")]
    return argv + [job.module]


def environment(job):
    return {"PYTHONMALLOC": job.allocator} if job.allocator else {}


def run_job(bench, job, served=True):
    """Returns (passed, text). Each in a directory of its own: some tests write where they stand."""
    folder = bench.folder(f"python/{job.module}.{job.allocator}.{served}")
    given = harness.pipes(None, {"cwd": folder, "stderr": subprocess.STDOUT})
    name = f"{job.module} ({job.allocator or 'own allocator'})"
    started = bench.start_served(command(job), environment(job), **given) if served else None
    process = started.process if started else bench.start_plain(command(job), environment(job), **given)
    try:
        done = bench.finish(process, name, SECONDS)
    except harness.Failure as hung:
        return False, f"{HUNG}: {hung}"
    if started:
        bench.check_answer(started)
    text = done.stdout.decode(errors="replace")
    return done.returncode == 0 and "1 test OK." in text, f"status {done.returncode}\n{text[-3000:]}"


def ran_nothing(text):
    """Skipped by its own judgement: neither passed nor failed."""
    return "1 test skipped" in text or "No tests ran" in text or "NO TESTS RAN" in text


def verdict(bench, job):
    """One of passed, skipped, again, environment, failed, with the text to show."""
    passed, text = run_job(bench, job)
    if passed:
        return "passed", text
    if ran_nothing(text):
        return "skipped", text
    # A hang isn't waited for twice: without the library it is either there as well, or ours.
    passed_again = not text.startswith(HUNG) and run_job(bench, job)[0]
    if passed_again:
        # A crash is a crash, even if it comes only now and then; regrtest itself ends with 2.
        return ("again" if text.startswith("status 2\n") else "failed"), text
    passed_plain, _ = run_job(bench, job, served=False)
    return ("failed" if passed_plain else "environment"), text


def run_all(bench, jobs):
    results = collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(verdict, bench, job): job for job in jobs}
        for count, future in enumerate(concurrent.futures.as_completed(running), 1):
            job = running[future]
            try:
                kind, text = future.result()
            except harness.Failure as reason:
                kind, text = "failed", str(reason)
            results[kind].append((job, text))
            harness.say(f"[{count}/{len(jobs)}] {job.module} ({job.allocator or 'own allocator'}): {kind}")
    return results


def check_allocator_reaches(bench):
    """PYTHONMALLOC=malloc is in force in a process that is started as the modules are."""
    code = "import _testcapi; print(_testcapi.pymem_getallocatorsname())"
    for allocator, name in ((None, "pymalloc"), ("malloc", "malloc")):
        started = bench.start_served([PYTHON, "-c", code], environment(Job("", allocator)),
                                     **harness.pipes(None, {}))
        done = bench.finish(started.process, "python3", 60)
        bench.check_answer(started)
        if done.stdout.decode().strip() != name:
            raise harness.Failure(f"Python's allocator is {done.stdout!r}, not {name}: {done.stderr.decode()}")


def report(results, allocator):
    passed = [job for job, _ in results["passed"] + results["again"] if job.allocator == allocator]
    harness.say(f"{allocator or 'own allocator'}: {len(passed)} modules passed")
    missing = [module for module in REQUIRED if module not in (job.module for job in passed)]
    if missing:
        raise harness.Failure("among those that passed must be " + ", ".join(missing))
    if len(passed) < MODULES_WANTED:
        raise harness.Failure(f"fewer than {MODULES_WANTED} modules passed")


def test(bench):
    modules = modules_installed(MORE_MODULES + MODULES if bench.options.more else MODULES)
    check_allocator_reaches(bench)
    allocators = {"own": [None], "malloc": ["malloc"], "both": [None, "malloc"]}[bench.options.allocator]
    results = run_all(bench, [Job(module, allocator) for module in modules for allocator in allocators])
    for job, _ in results["again"]:
        harness.say(f"note: {job.module} ({job.allocator}) failed at first and passed when run again alone")
    for job, _ in results["environment"]:
        harness.say(f"note: {job.module} ({job.allocator}) fails here without the library, too")
    for job, text in results["failed"]:
        harness.say(f"---- {job.module} ({job.allocator or 'own allocator'}) fails under the library:\n{text}")
    if results["failed"]:
        raise harness.Failure(", ".join(job.module for job, _ in results["failed"]))
    for allocator in allocators:
        report(results, allocator)
    harness.say(f"{bench.check_who('python3')} processes, all served by the library")


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--allocator", choices=("own", "malloc", "both"), default="both")
PARSER.add_argument("--more", action="store_true", help="slow modules, too")
harness.main(test, PARSER)
