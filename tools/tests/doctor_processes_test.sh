#!/bin/bash
# `ashlar doctor --pid` from end to end: real processes.
# Usage: the arguments of doctor_checks.sh.
set -u

# shellcheck source=tools/tests/doctor_checks.sh
. "$(dirname "$(realpath "$0")")/doctor_checks.sh"

build() { build_waiting; }

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

# What `ashlar run` runs is looked at, not the command.
test_process_of_run() {
  rm -f ready
  "$ashlar" run --lib "$library" -- ./waiting 2>err &
  local runner=$!
  what="ashlar run -- ./waiting"
  wait_for_file ready
  pid=$(pgrep -P "$runner")
  doctor --pid "$runner"; expect_status 0
  expect "process $pid (waiting), $scratch/waiting, child of \`ashlar run\` ($runner): Ashlar serves it"
  kill "$pid"
  expect_ends "$runner" 30
  # One that has no child, by a process that looks so.
  rm -f ready; mkfifo never; printf ': >ready; read -r _ <never\n' >run; cp "$(type -P bash)" ashlar
  ./ashlar run 2>err &
  what="a run without a child"; wait_for_file ready
  doctor --pid "$!"; expect_status 2; expect_in err "process $! is \`ashlar run\`, and has no child"
  kill "$!"; wait "$!" 2>/dev/null
  rm ashlar run never
}

test_strangers_process() {
  what="a process of another user"
  if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then skip "needs root and setpriv"; return; fi
  waiting
  cp "$ashlar" "$library" . && chmod 755 . ashlar
  setpriv --reuid=65534 --regid=65534 --clear-groups ./ashlar doctor --pid "$pid" >out 2>err; status=$?
  tr -s ' \n' '  ' <out >flat
  expect_status 1; expect "it belongs to user 0, and this command runs as user 65534"; expect "Run this as root"
  expect "process $pid: whether Ashlar serves it was not seen"
  setpriv --reuid=65534 --regid=65534 --clear-groups ./ashlar doctor --json --pid "$pid" >out 2>err
  expect_in out '"serves": null'
  kill "$pid"
}

run_tests beside running_process process_of_run strangers_process
