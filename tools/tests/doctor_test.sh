#!/bin/bash
# `ashlar doctor` from end to end: real programs of every kind that it tells apart, real processes, its report.
# Usage: doctor_test.sh ASHLAR LIBRARY ARCHIVE LIBRARY-FOR-DLOPEN C++-COMPILER
set -u

ashlar=$(realpath "$1")
library=$(realpath -s "$2")
archive=$(realpath "$3")
beside=$(realpath -s "$4")
compiler=$5
# shellcheck source=tools/tests/checks.sh
. "$(dirname "$(realpath "$0")")/checks.sh"

# doctor ARGUMENTS...: runs it on the library under test; leaves out, flat (its text in one line) and status.
doctor() {
  what="ashlar doctor $*"
  timeout 60 "$ashlar" doctor --lib "$library" "$@" >out 2>err
  status=$?
  tr -s ' \n' '  ' <out >flat
}

# expect TEXT: the report says so, wherever its lines break.
expect() { expect_in flat "$1"; }
expect_not() { expect_not_in flat "$1"; }

# Each program would leave a file behind if its main function ran.
never_ran() {
  checks=$((checks + 1))
  if [ -e ran ]; then fail "$what: the program's main function ran"; rm -f ran; fi
}

cxx() { "$compiler" -fno-builtin "$@" || fail "cannot build: $*"; }

build() {
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
  doctor -- ./script; expect_status 0; expect "run by /bin/sh"; expect "which runs the script ./script"
}

test_static() {
  cxx -static -o static main.cc
  doctor -- ./static; expect_status 1; expect "statically linked"; expect "It was not started."
  expect "To do: Link libashlar.a into the program instead."; never_ran
  cxx -static -o static_served main.cc "$archive"
  served static_served "linked into the program"
  strip -o static_stripped static_served
  served static_stripped "linked into the program"
}

test_not_loaded() {
  doctor --as-is -- ./plain; expect_status 1; expect "Ashlar is not in the process"; never_ran
  LD_PRELOAD=/nonexistent/libashlar.so.1 doctor --as-is -- ./plain
  expect_status 1; expect "names /nonexistent/libashlar.so.1, which is not there"
  expect "cannot be preloaded"; never_ran  # the loader's own words
}

# What LD_PRELOAD names already, as `ashlar run` treats it.
test_replaced_preload() {
  LD_PRELOAD=/nonexistent/libashlar.so.1 doctor -- ./plain
  expect_status 0; expect "names /nonexistent/libashlar.so.1, which is not there"; expect "takes its place"
  cp "$library" libashlar.so.9
  LD_PRELOAD=$scratch/libashlar.so.9 doctor -- ./plain
  expect_status 0; expect "names another Ashlar, $scratch/libashlar.so.9"
  expect "Started otherwise, the program runs under the other one."
  LD_PRELOAD=$library doctor -- ./plain; expect_status 0; expect_not "takes its place"; never_ran
}

# wrong_library PATH TEXT: refused at once, with what is wrong.
wrong_library() {
  what="--lib $1"
  "$ashlar" doctor --lib "$1" -- ./plain >out 2>err; status=$?
  expect_status 2; expect_in err "$1"; expect_in err "$2"; expect_empty out; never_ran
}

test_wrong_library() {
  wrong_library /nonexistent/lib.so "there is no such file"
  mkdir -p with without && cp "$library" with/libashlar.so.1
  wrong_library "$scratch/with" "the library in it is $scratch/with/libashlar.so.1"
  wrong_library "$scratch/without" "without a libashlar.so.1 in it"
  wrong_library "$scratch/main.cc" "not a shared library"
  wrong_library "$archive" "an archive, which is linked into programs"
  wrong_library "$scratch/plain" "a program, not a library"
  wrong_library "$scratch/libplugin.so" "not Ashlar's"
  wrong_library "$beside" "beside another malloc"
  head -c 3000 "$library" >cut.so
  wrong_library "$scratch/cut.so" "damaged: segment"
  cp "$library" alien.so; printf '\xf3\x00' | dd of=alien.so bs=1 seek=18 conv=notrunc status=none
  wrong_library "$scratch/alien.so" "another machine (riscv, 64-bit)"
}

# Ashlar under its own names only.
test_beside() {
  waiting "$beside"
  doctor --pid "$pid"; expect_status 1
  expect "Ashlar is in the process, but not as its malloc ($(basename "$(realpath "$beside")"))"
  expect "no malloc on purpose"; expect "malloc → libc.so.6"; expect_not "not in the process"
  kill "$pid"
  export LD_PRELOAD=$library
  waiting "$beside"
  doctor --pid "$pid"; expect_status 0; expect "a second heap beside it"
  kill "$pid"
  unset LD_PRELOAD
}

# The program's own options, in the variable ashlar_conf.
test_built_in_options() {
  printf 'const char* ashlar_conf = "purge_floor:8m,stats_at_exit:none,purge_flor:1m";\n' >conf.cc
  cxx -o conf_linked main.cc conf.cc -Wl,--no-as-needed "$library" -Wl,-rpath,"$(dirname "$library")"
  cxx -o conf_archive main.cc conf.cc "$archive"
  cxx -static -o conf_static main.cc conf.cc "$archive"
  local program
  for program in linked archive static; do
    ASHLAR_CONF=stats_at_exit:none doctor -- "./conf_$program"; expect_status 0; never_ran
    expect "\"purge_floor:8m,stats_at_exit:none,purge_flor:1m\" in conf_$program"
    expect "brings these options: purge_floor 8 MiB, stats_at_exit none."
    expect "ASHLAR_CONF comes after it and sets stats_at_exit again."
    expect "ashlar_conf unknown option in 'purge_flor:1m'"; expect "Write purge_floor:1m."
  done
  cxx -o conf_exported main.cc conf.cc -rdynamic
  doctor -- ./conf_exported; expect_status 0; expect "brings these options: purge_floor 8 MiB"; never_ran
  cxx -o conf_hidden main.cc conf.cc
  doctor -- ./conf_hidden; expect_status 0; expect "is not seen by the library"; expect "-rdynamic"; never_ran
}

test_set_id() {
  what="set-user-ID"
  if [ "$(id -u)" != 0 ]; then skip "only root can make a set-user-ID program of another"; return; fi
  if findmnt -no OPTIONS -T . | grep -qw nosuid || grep -q '^NoNewPrivs:.*1' /proc/self/status; then
    skip "set-user-ID bits do nothing here"
    return
  fi
  cp plain setuid; chown 65534 setuid; chmod u+s setuid
  doctor -- ./setuid; expect_status 1; expect "set-user-ID"; expect "Link the program with Ashlar, or"; expect_not "stopped before main"; never_ran
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
  if [ -z "$jemalloc" ]; then skip "there is no libjemalloc.so.2"; return; fi
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
  local kind
  for kind in address thread leak; do
    what="-fsanitize=$kind"
    if ! "$compiler" "-fsanitize=$kind" -o sanitized main.cc 2>err; then skip "$what does not build"; continue; fi
    doctor -- ./sanitized; expect_status 1; expect "Sanitizer, which brings a malloc of its own"
    expect "It was not started."; never_ran
  done
}

# waiting ARGUMENTS...: starts it under what the environment says and waits until it is there; leaves pid.
waiting() {
  rm -f ready
  ./waiting "$@" 2>err &
  pid=$!
  what="./waiting $*"
  wait_for_file ready
}

test_running_process() {
  export LD_PRELOAD=$library
  waiting ./libplugin.so
  doctor -v --pid "$pid"; expect_status 0; expect "by LD_PRELOAD"; expect "bound calls of malloc"
  kill "$pid"
  waiting ./libplugin.so deep
  doctor --pid "$pid"; expect_status 0
  kill "$pid"
  ASHLAR_CONF=deepbind:keep waiting ./libplugin.so deep
  doctor --pid "$pid"; expect_status 1
  expect "libplugin.so: free, malloc go to libc.so.6, not to Ashlar"; expect "RTLD_DEEPBIND"
  kill "$pid"
  unset LD_PRELOAD
  waiting
  doctor --pid "$pid"; expect_status 1; expect "Neither LD_PRELOAD nor"
  kill "$pid"
  doctor --pid "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  doctor --pid "$pid"; expect_status 2; expect_in err "there is no process $pid"
  # A child that nobody asks for its status; it is there until its parent ends.
  rm -f ready
  /usr/bin/python3 -c 'import os, time
child = os.fork()
if child == 0:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
open("zombie", "w").write(str(child))
os.rename("zombie", "ready")
time.sleep(60)' &
  what="a zombie"; wait_for_file ready
  doctor --pid "$(cat ready)"; expect_status 2; expect_in err "has ended and waits for its parent, process $!"
  kill "$!"
  if [ -e /proc/2/status ] && ! readlink /proc/2/exe >/dev/null && [ "$(cat /proc/2/comm)" = kthreadd ]; then
    doctor --pid 2; expect_status 2; expect_in err "(kthreadd) is a thread of the kernel"
  fi
}

test_strangers_process() {
  what="a process of another user"
  if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then skip "needs root and setpriv"; return; fi
  waiting
  cp "$ashlar" "$library" . && chmod 755 . ashlar
  setpriv --reuid=65534 --regid=65534 --clear-groups ./ashlar doctor --pid "$pid" >out 2>err; status=$?
  tr -s ' \n' '  ' <out >flat
  expect_status 1; expect "it belongs to user 0, and this command runs as user 65534"; expect "Run this as root"
  kill "$pid"
}

# A script that executes another program; what it does before, and by children, is its own.
# shellcheck disable=SC2016  # what is written there is for the wrappers to expand
test_wrappers() {
  printf '#!/bin/sh\ntouch wrapped\nvalue=$(echo 5)\nexec env FOLLOWED=$value ./plain\n' >wrapper; chmod +x wrapper
  printf '#!/usr/bin/env bash\nexec ./wrapper "$@"\n' >shim; chmod +x shim
  doctor -- ./shim; expect_status 0; expect "./shim, run by"; expect "which runs the script ./shim"; expect "use --follow"
  checks=$((checks + 1)); [ ! -e wrapped ] || fail "$what: the wrapper ran"
  doctor -v --follow -- ./shim; expect_status 0
  expect "followed to $scratch/plain, stopped before main"; expect "bound calls of malloc and its family lead to Ashlar"
  expect "by LD_PRELOAD, as \`ashlar run\` sets it"; expect_not "wrapper"; never_ran
  checks=$((checks + 1)); [ -e wrapped ] || fail "$what: the wrapper did not run"
  doctor --follow -- nice ./plain; expect_status 0; expect "followed to $scratch/plain"; never_ran
  doctor --follow -- ./own; expect_status 1; expect "malloc is not Ashlar's"; never_ran  # no wrapper: as without it
  printf '#!/bin/sh\nread -r line; echo "read: $line"\nexit 0\n' >wrapper
  doctor --follow -- ./shim; expect_status 1; expect "ended without executing a program in its place"; expect "read:"
  printf '#!/usr/bin/env -S perl -w\n' >shim
  doctor -- ./shim; expect_status 0; expect "/perl, stopped before main"; expect_not "wrapper"
}

# expect_gone FILE: the process whose number is there, a ./lingering, is gone, or goes within 20 s.
expect_gone() {
  checks=$((checks + 1))
  [ -s "$1" ] || { fail "$what: nothing was started beside"; return; }
  for _ in $(seq 200); do
    [ "$(readlink "/proc/$(cat "$1")/exe")" = "$scratch/lingering" ] || return
    sleep 0.1
  done
  fail "$what: what the wrapper started beside still runs"
  kill -KILL "$(cat "$1")"
}

# What a wrapper started beside, or before, ends with doctor.
# shellcheck disable=SC2016  # what is written there is for the wrappers to expand
test_wrappers_children() {
  cp "$(type -P sleep)" lingering
  printf '#!/bin/sh\nrm -f started\n./lingering 300 &\necho $! >starting; mv starting started\n' >beginning
  (cat beginning; echo 'exec ./plain') >wrapper; chmod +x wrapper
  doctor --follow -- ./wrapper; expect_status 0; expect "followed to $scratch/plain"; never_ran; expect_gone started
  cp beginning wrapper
  doctor --follow -- ./wrapper; expect_status 1; expect "ended without executing a program"; expect_gone started
  (cat beginning; echo 'wait') >wrapper
  local signal
  for signal in TERM INT HUP; do
    rm -f started
    what="ashlar doctor --follow, ended by SIG$signal"
    env --default-signal="$signal" "$ashlar" doctor --lib "$library" --follow -- ./wrapper >out 2>err &
    local pid=$!
    wait_for_file started
    kill -"$signal" "$pid"
    expect_ends "$pid" 30
    wait "$pid"; status=$?
    expect_status "$((128 + $(kill -l "$signal")))"; expect_gone started
  done
}

# Settings reach the checks; what each means is tested without a machine.
test_environment_and_limits() {
  ASHLAR_CONF=nonsense:1 MALLOC_ARENA_MAX=2 doctor --conf purge_floor:x -- ./plain
  expect_status 0; expect "unknown option in 'nonsense:1'"; expect "bad value in 'purge_floor:x'"
  expect "MALLOC_ARENA_MAX=2"; expect "purge_floor is a size from 0 B to 1 TiB; k, m or g"
  doctor --conf purge_floor=8m -- ./plain; expect_status 0
  expect "unknown option in 'purge_floor=8m'"; expect "Write purge_floor:8m, with a colon between key and value"
  doctor -v --conf purge_floor:8m,purge_share:9 -- ./plain; expect_status 0
  expect "is understood: purge_floor 8 MiB, purge_share 9"
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

test_damaged() {
  head -c 20 plain >short; chmod +x short
  doctor -- ./short; expect_status 1; expect "./short"; expect "it has 20 B, and the ELF header alone takes 64 B"
  expect "Copy or install it again."
  head -c 4000 plain >short
  doctor -- ./short; expect_status 1; expect "lies outside the 3.9 KiB that the file has"
  cxx -c -o main.o main.cc; chmod +x main.o
  doctor -- ./main.o; expect_status 1; expect "an object file, not a program"; expect "Link it first."
}

test_command_line() {
  doctor --help; expect_status 0; expect "--as-is"; expect "PROGRAM [ARGUMENTS...]"
  doctor --frob; expect_status 2
  doctor --; expect_status 2
  doctor --pid 1 -- true; expect_status 2
  doctor --pid x; expect_status 2
  doctor --pid 0; expect_status 2
  doctor -- no_such_program_here; expect_status 127
  doctor -- ./main.cc; expect_status 126
}

run_tests served static not_loaded replaced_preload wrong_library beside built_in_options set_id another_malloc jemalloc sanitizer running_process strangers_process wrappers wrappers_children environment_and_limits report_that_cannot_be_written json a_missing_function damaged command_line
