# shellcheck shell=bash
# What the end-to-end tests of the `ashlar` command share; they source it. It makes a scratch directory, goes there,
# and removes it at the end, with every process that the test left behind. A command under test leaves `out`, `err`
# and $status, and $what says which one it was.

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ashlar_test.XXXXXX")
trap 'jobs -p | xargs -r kill -KILL 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
unset LD_PRELOAD ASHLAR_CONF ASHLAR_PROBE GLIBC_TUNABLES
failures=0
checks=0
skipped=0
status=0
what=

fail() {
  failures=$((failures + 1))
  echo "FAILED: $*"
  sed 's/^/    stdout: /' out
  sed 's/^/    stderr: /' err
}

# skip WHAT: what this machine does not let be tested.
skip() {
  skipped=$((skipped + 1))
  echo "skipped: $*"
}

expect_status() {
  checks=$((checks + 1))
  [ "$status" = "$1" ] || fail "$what: status $status, not $1"
}

# expect_in FILE TEXT
expect_in() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$1" || fail "$what: no \"$2\" in $1"
}

expect_not_in() {
  checks=$((checks + 1))
  if grep -qF -- "$2" "$1"; then fail "$what: \"$2\" in $1"; fi
}

expect_empty() {
  checks=$((checks + 1))
  [ ! -s "$1" ] || fail "$what: $1 is not empty"
}

# expect_output TEXT: standard output is exactly this line.
expect_output() {
  checks=$((checks + 1))
  [ "$(cat out)" = "$1" ] || fail "$what: output is not \"$1\""
}

# wait_for_file FILE: at most 20 s.
wait_for_file() {
  for _ in $(seq 200); do
    [ -e "$1" ] && return
    sleep 0.1
  done
  fail "$what: $1 did not appear"
}

# expect_ends PID SECONDS: a background process of this shell ends by itself; killed when it does not. Its status
# stays for `wait`.
expect_ends() {
  checks=$((checks + 1))
  timeout "$2" tail -s 0.1 --pid="$1" -f /dev/null && return
  fail "$what: process $1 still runs after $2 s"
  kill -KILL "$1"
}

# run_tests PART...: each is a function test_PART; the sum, and the exit status.
run_tests() {
  : >out
  : >err
  build
  local part
  for part in "$@"; do
    echo "-- $part"
    "test_$part"
  done
  echo "$checks checks, $failures failures, $skipped skipped"
  [ "$failures" = 0 ]
}
