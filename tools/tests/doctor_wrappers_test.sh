#!/bin/bash
# `ashlar doctor` from end to end: programs that lead to others, and --follow.
# Usage: the arguments of doctor_checks.sh.
set -u

# shellcheck source=tools/tests/doctor_checks.sh
. "$(dirname "$(realpath "$0")")/doctor_checks.sh"

build() {
  build_plain
  build_own
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
  expect "shim, run by"; expect "whether Ashlar serves it was not seen"; expect "Written by the wrapper, to stdout or stderr"
  printf '#!/usr/bin/env -S perl -w\n' >shim
  doctor -- ./shim; expect_status 0; expect "/perl, stopped before main"; expect_not "wrapper"
}

# Valgrind runs the program inside a process of its own: nothing there can be stopped before main.
test_valgrind() {
  what=valgrind
  if ! command -v valgrind >/dev/null; then skip "there is no valgrind"; return; fi
  doctor -- valgrind ./plain; expect_status 1; expect "problem valgrind valgrind (tool memcheck) runs the program"; never_ran
  doctor --follow -- valgrind ./plain; expect_status 1; expect "(tool memcheck)"; never_ran
  doctor --follow -- env valgrind -q --tool=none ./plain; expect_status 0; expect "/usr/bin/env, followed to"
  expect "whether Ashlar serves it was not seen"; expect "note valgrind valgrind (tool none) runs the program"; never_ran
  VALGRIND_OPTS=--tool=none doctor -- valgrind ./plain; expect_status 0; expect "(tool none)"; never_ran
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
  for signal in TERM INT QUIT HUP; do
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

run_tests wrappers valgrind wrappers_children
