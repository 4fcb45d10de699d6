#!/bin/bash
# `ashlar doctor` from end to end: settings that reach its checks, the report, the command line.
# Usage: the arguments of doctor_checks.sh.
set -u

# shellcheck source=tools/tests/doctor_checks.sh
. "$(dirname "$(realpath "$0")")/doctor_checks.sh"

build() {
  build_plain
  build_own
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

test_command_line() {
  doctor --help; expect_status 0; expect "--as-is"; expect "PROGRAM [ARGUMENTS...]"; expect " --pid PID Look"
  doctor --frob; expect_status 2
  doctor --; expect_status 2
  doctor --pid 1 -- true; expect_status 2
  local word
  for word in x 0 -3 1.5 12x 99999999999; do
    doctor --pid "$word"; expect_status 2; expect_in err "--pid: $word is no process's number, which is 1 to 2147483647"
  done
  doctor --follow --pid 1; expect_status 2; expect_in err "doctor: --follow is for a program that doctor starts"
  doctor --as-is --pid 1; expect_status 2; expect_in err "doctor: --as-is is for a program"
  doctor --conf x:1 --pid 1; expect_status 2; expect_in err "doctor: --conf is for a program"; expect_empty out
  doctor -- no_such_program_here; expect_status 127
  doctor -- ./main.cc; expect_status 126
}

run_tests environment_and_limits report_that_cannot_be_written json command_line
