#!/bin/bash
# `ashlar doctor` from end to end: real programs of every kind that it tells apart, real processes, its report.
# Usage: doctor_test.sh ASHLAR LIBRARY ARCHIVE C++-COMPILER
set -u

ashlar=$(realpath "$1")
library=$(realpath -s "$2")
archive=$(realpath "$3")
compiler=$4
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ashlar_doctor.XXXXXX")
trap 'jobs -p | xargs -r kill -KILL 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
unset LD_PRELOAD ASHLAR_CONF ASHLAR_PROBE GLIBC_TUNABLES
failures=0
checks=0

fail() {
  failures=$((failures + 1))
  echo "FAILED: $*"
  sed 's/^/    stdout: /' out
  sed 's/^/    stderr: /' err
}

# doctor ARGUMENTS...: runs it on the library under test; leaves out, flat (its text in one line) and status.
doctor() {
  what="ashlar doctor $*"
  timeout 60 "$ashlar" doctor --lib "$library" "$@" >out 2>err
  status=$?
  tr -s ' \n' '  ' <out >flat
}

expect_status() {
  checks=$((checks + 1))
  [ "$status" = "$1" ] || fail "$what: status $status, not $1"
}

# expect TEXT: the report says so, wherever its lines break.
expect() {
  checks=$((checks + 1))
  grep -qF -- "$1" flat || fail "$what: no \"$1\""
}

expect_not() {
  checks=$((checks + 1))
  if grep -qF -- "$1" flat; then fail "$what: \"$1\""; fi
}

# Each program would leave a file behind if its main function ran.
never_ran() {
  checks=$((checks + 1))
  if [ -e ran ]; then fail "$what: the program's main function ran"; rm -f ran; fi
}

cxx() { "$compiler" -fno-builtin "$@" || fail "cannot build: $*"; }

build() {
  : >out; : >err
  cat >main.cc <<'CODE'
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main() { return malloc(10) != nullptr && open("ran", O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 1; }
CODE
  cat >waiting.cc <<'CODE'
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// waiting [LIBRARY [deep]]: opens the library, says so by a file and waits until it is killed.
int main(int count, char** words) {
  if (count > 1 && dlopen(words[1], RTLD_NOW | (count > 2 ? RTLD_DEEPBIND : 0)) == nullptr) {
    fputs(dlerror(), stderr);
    return 1;
  }
  free(malloc(10));
  open("ready", O_CREAT | O_WRONLY, 0600);
  for (;;) pause();
}
CODE
  cat >plugin.cc <<'CODE'
#include <stdlib.h>
extern "C" void* plugin_allocate() { return malloc(10); }
extern "C" void plugin_free(void* block) { free(block); }
CODE
  # Blocks from an array: nobody else's malloc is behind it.
  cat >own.cc <<'CODE'
#include <stddef.h>
static char arena[1 << 22];
static size_t used;
extern "C" {
void* malloc(size_t size) {
  size = (size + 31) & ~size_t{15};
  if (size > sizeof arena - used) return nullptr;
  used += size;
  return arena + used - size;
}
void free(void*) {}
}
CODE
  cxx -o plain main.cc
  cxx -o waiting waiting.cc
  cxx -shared -fPIC -o libplugin.so plugin.cc
  cxx -shared -fPIC -o libown.so own.cc
  cxx -o own main.cc own.cc
  cxx -o linked main.cc -Wl,--no-as-needed "$library" -Wl,-rpath,"$(dirname "$library")"
  cxx -o archive main.cc "$archive"
}

# served PROGRAM HOW: nothing stands in the way, the library was asked, and main did not run.
served() {
  doctor -v -- "./$1"
  expect_status 0
  expect "asked inside the process, libashlar"
  expect "0 problems"
  expect "$2"
  never_ran
}

test_served() {
  served plain "by LD_PRELOAD, as \`ashlar run\` sets it"
  expect "malloc → $(basename "$(realpath "$library")") ("
  expect "posix_memalign → $(basename "$(realpath "$library")")"
  served linked "ok loaded $(realpath "$library")"
  served archive "linked into the program"
  what="none of it is shown without --verbose"; doctor -- ./plain; expect_not "ok loaded"
  doctor -v; expect_status 0; expect "a program of its own"; expect "asked inside the process"
  LD_PRELOAD=$library doctor -v --as-is -- ./plain; expect_status 0; expect "by LD_PRELOAD"
  printf '#!/bin/sh\n' >script; chmod +x script
  doctor -- ./script; expect_status 0; expect "run by /bin/sh"
}

test_static() {
  cxx -static -o static main.cc
  doctor -- ./static; expect_status 1; expect "statically linked"; expect "It was not started."; never_ran
  cxx -static -o static_served main.cc "$archive"
  served static_served "linked into the program"
  strip -o static_stripped static_served
  served static_stripped "linked into the program"
}

test_not_loaded() {
  doctor --as-is -- ./plain; expect_status 1; expect "Ashlar is not in the process"; never_ran
  LD_PRELOAD=/nonexistent/libashlar.so.1 doctor -- ./plain
  expect_status 1; expect "names /nonexistent/libashlar.so.1, which is not there"
  expect "cannot be preloaded"  # the loader's own words
  "$ashlar" doctor --lib /nonexistent/lib.so -- ./plain >out 2>err; status=$?
  tr -s ' \n' '  ' <out >flat
  what="no library"; expect_status 1; expect "no libashlar.so.1 beside this command"; never_ran
}

test_set_id() {
  what="set-user-ID"
  if [ "$(id -u)" != 0 ]; then echo "not tested: only root can make a set-user-ID program of another"; return; fi
  if findmnt -no OPTIONS -T . | grep -qw nosuid || grep -q '^NoNewPrivs:.*1' /proc/self/status; then
    echo "not tested: set-user-ID bits do nothing here"
    return
  fi
  cp plain setuid; chown 65534 setuid; chmod u+s setuid
  doctor -- ./setuid; expect_status 1; expect "set-user-ID"; expect "Link the program with Ashlar."; never_ran
  cp linked setuid; chown 65534 setuid; chmod u+s setuid
  doctor -- ./setuid; expect_status 0; expect "it is linked with Ashlar"; never_ran
}

test_another_malloc() {
  doctor -- ./own; expect_status 1
  expect "malloc is not Ashlar's"; expect "own defines them and comes before Ashlar"; never_ran
  LD_PRELOAD=$scratch/libown.so doctor -- ./plain; expect_status 1
  expect "libc.so.6, plain: free, malloc go to libown.so, not to Ashlar"
  expect "Put Ashlar before it in LD_PRELOAD"; never_ran
}

test_jemalloc() {
  what="jemalloc"
  local jemalloc
  jemalloc=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .* => //p' | head -n 1)
  if [ -z "$jemalloc" ]; then echo "not tested: there is no libjemalloc.so.2"; return; fi
  cat >je.cc <<'CODE'
#include <stddef.h>
extern "C" void* mallocx(size_t, int);
extern "C" void dallocx(void*, int);
int main() { dallocx(mallocx(10, 0), 0); }
CODE
  cxx -o je je.cc "$jemalloc"
  doctor -- ./je; expect_status 0
  expect "je calls jemalloc's own names: dallocx, mallocx"
  expect "jemalloc is in the process (libjemalloc.so.2)"
  LD_PRELOAD=$jemalloc doctor -- ./plain; expect_status 1; expect "go to libjemalloc.so.2, not to Ashlar"
}

test_sanitizer() {
  what="AddressSanitizer"
  if ! "$compiler" -fsanitize=address -o asan main.cc 2>err; then
    echo "not tested: no AddressSanitizer"
    return
  fi
  doctor -- ./asan; expect_status 1; expect "AddressSanitizer"; never_ran
}

# waiting ARGUMENTS...: starts it under what the environment says and waits until it is there; leaves pid.
waiting() {
  rm -f ready
  ./waiting "$@" 2>err &
  pid=$!
  for _ in $(seq 200); do
    [ -e ready ] && return
    sleep 0.1
  done
  fail "./waiting $* did not come up"
}

test_running_process() {
  export LD_PRELOAD=$library
  waiting ./libplugin.so
  doctor -v --pid "$pid"; expect_status 0; expect "by LD_PRELOAD"; expect "bound calls of malloc"
  kill "$pid"
  waiting ./libplugin.so deep
  doctor --pid "$pid"; expect_status 1
  expect "libplugin.so: free, malloc go to libc.so.6, not to Ashlar"; expect "RTLD_DEEPBIND"
  kill "$pid"
  unset LD_PRELOAD
  waiting
  doctor --pid "$pid"; expect_status 1; expect "Neither LD_PRELOAD nor"
  kill "$pid"
  doctor --pid "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  doctor --pid "$pid"; expect_status 2
  checks=$((checks + 1)); grep -qF "there is no process" err || fail "$what: not told that it is gone"
}

test_strangers_process() {
  what="a process of another user"
  if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then echo "not tested: needs root and setpriv"; return; fi
  waiting
  cp "$ashlar" "$library" . && chmod 755 . ashlar
  setpriv --reuid=65534 --regid=65534 --clear-groups ./ashlar doctor --pid "$pid" >out 2>err; status=$?
  tr -s ' \n' '  ' <out >flat
  expect_status 1; expect "cannot be looked into"
  kill "$pid"
}

# Settings reach the checks; what each means is tested without a machine.
test_environment_and_limits() {
  ASHLAR_CONF=nonsense:1 MALLOC_ARENA_MAX=2 doctor --conf purge_floor:x -- ./plain
  expect_status 0; expect "unknown option in 'nonsense:1'"; expect "bad value in 'purge_floor:x'"
  expect "MALLOC_ARENA_MAX=2"
  what="ulimit -v"
  (ulimit -v 400000; timeout 60 "$ashlar" doctor --lib "$library" -- ./plain) >out 2>err; status=$?
  tr -s ' \n' '  ' <out >flat
  expect_status 0; expect "RLIMIT_AS 390.6 MiB"; expect "reserves 1 MiB and grows in place"
  # ... and the library does what the report says.
  (ulimit -v 400000; timeout 60 env ASHLAR_CONF=stats_at_exit:json LD_PRELOAD="$library" ./plain) >out 2>err
  rm -f ran
  checks=$((checks + 1))
  /usr/bin/python3 -c 'import json, sys
reserved = json.load(open("err"))["window_reserved"]
sys.exit(0 if reserved == 2**20 else f"window_reserved {reserved}")' 2>>out ||
    fail "the window under ulimit -v is not what doctor says"
}

# What goes wrong with the report itself; --conf in pieces.
test_report_that_cannot_be_written() {
  (timeout 60 "$ashlar" doctor --lib "$library" >/dev/full) 2>err; status=$?
  expect_status 125; tr -s ' \n' '  ' <err >flat; expect "cannot write the report"
  doctor --conf nonsense:1 --conf purge_floor:x -- ./plain
  expect_status 0; expect "unknown option in 'nonsense:1'"; expect "bad value in 'purge_floor:x'"
}

test_json() {
  doctor --json -- ./plain; expect_status 0; cp out good.json
  doctor --json -- ./own; expect_status 1
  checks=$((checks + 1))
  /usr/bin/python3 -c 'import json
good = json.load(open("good.json"))
bad = json.load(open("out"))
assert good["count"]["problem"] == 0 and bad["count"]["problem"] > 0
assert {"loaded", "serving", "bindings"} <= {f["check"] for f in good["findings"] if f["severity"] == "ok"}
assert all("libashlar" in target for target in good["bindings"]["malloc"]), good["bindings"]
assert any(target.endswith("/own") for target in bad["bindings"]["malloc"]), bad["bindings"]
' 2>err || fail "$what: not the JSON expected"
}

# A program that needs a function that nobody has, but never calls it: it starts, if slowly bound.
test_a_missing_function() {
  printf 'extern "C" void nobody_has_this();\nextern "C" void never_called() { nobody_has_this(); }\n' >lazy.cc
  cxx -shared -fPIC -Wl,-z,lazy -o liblazy.so lazy.cc
  cxx -o lazy main.cc -Wl,--no-as-needed ./liblazy.so -Wl,--allow-shlib-undefined
  doctor -v -- ./lazy; expect_status 0; expect "asked inside the process"; never_ran
  printf 'extern "C" int nobody_has_this;\nint main() { return nobody_has_this; }\n' >missing.cc
  cxx -shared -fPIC -o libmissing.so missing.cc
  cxx -o missing main.cc -Wl,--no-as-needed ./libmissing.so -Wl,--unresolved-symbols=ignore-all
  doctor -- ./missing; expect_status 1; expect "before its main function"; expect "nobody_has_this"; never_ran
}

test_command_line() {
  doctor --help; expect_status 0; expect "--as-is"
  doctor --frob; expect_status 2
  doctor --; expect_status 2
  doctor --pid 1 -- true; expect_status 2
  doctor --pid x; expect_status 2
  doctor --pid 0; expect_status 2
  doctor -- no_such_program_here; expect_status 127
  doctor -- ./main.cc; expect_status 126
}

build
for part in served static not_loaded set_id another_malloc jemalloc sanitizer running_process strangers_process \
  environment_and_limits report_that_cannot_be_written json a_missing_function command_line; do
  echo "-- $part"
  "test_$part"
done
echo "$checks checks, $failures failures"
[ "$failures" = 0 ]
