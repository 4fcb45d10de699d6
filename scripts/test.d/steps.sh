# Sourced by scripts/test and scripts/test-long: runs steps with their output in a log, shows that
# something moves, counts the tests of every step, and prints the summary.
#
# INVARIANT: every step adds to `passed` or `failed`, so that nothing that broke goes uncounted.

jobs=$(nproc)
logs=build/logs
passed=0
failed=0
skipped=0
summary=()
SECONDS=0
trap 'kill $(jobs -p) 2>/dev/null' EXIT
trap 'exit 130' INT TERM

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# run_logged LABEL COMMAND...: a line at the start, one every 15 s, one at the end; the log's tail when
# it failed. Returns the command's status.
run_logged() {
  local label=$1 log start pid status shown=0
  shift
  mkdir -p "$logs"
  log=$logs/${label//[^A-Za-z0-9]/-}.log
  start=$SECONDS
  say "$label …"
  # The shell starts background commands with SIGINT ignored, and tests of signals would inherit that.
  env --default-signal=INT,QUIT "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $(((SECONDS - start) / 15)) -gt "$shown" ]; then
      shown=$(((SECONDS - start) / 15))
      say "$label: $(tail -n 1 "$log" | cut -c 1-100)"
    fi
  done
  status=0
  wait "$pid" || status=$?
  if [ "$status" = 0 ]; then
    say "$label: done in $((SECONDS - start)) s"
  else
    say "$label: FAILED (status $status) after $((SECONDS - start)) s; the end of $log:"
    tail -n "${tail_lines:-60}" "$log" | sed 's/^/    /'
  fi
  return "$status"
}

# check LABEL COMMAND...: a step that counts as one test.
check() {
  local label=$1
  if run_logged "$@"; then
    passed=$((passed + 1))
    summary+=("ok      $label")
  else
    failed=$((failed + 1))
    summary+=("FAILED  $label")
    return 1
  fi
}

# build_tree LABEL CONFIGURE_ARGS... -- BUILD_ARGS...: configures and builds; counts a failure alone.
build_tree() {
  local label=$1 configure=()
  shift
  while [ "$1" != -- ]; do
    configure+=("$1")
    shift
  done
  shift
  if run_logged "$label: configure" cmake "${configure[@]}" -DASHLAR_WERROR=ON &&
    run_logged "$label: build" cmake --build "$@" -j "$jobs"; then
    return 0
  fi
  failed=$((failed + 1))
  summary+=("FAILED  $label: does not build")
  return 1
}

# run_ctest LABEL CTEST_ARGS...: runs ctest and adds what its JUnit file says.
run_ctest() {
  local label=$1 report counts p f s status=0
  shift
  mkdir -p "$logs"
  report=$PWD/$logs/${label//[^A-Za-z0-9]/-}.xml
  rm -f "$report"
  tail_lines=150 run_logged "$label" ctest "$@" --output-on-failure --timeout 300 --output-junit "$report" ||
    status=$?
  counts=$(/usr/bin/python3 scripts/test.d/count.py "$report") || counts="0 1 0"
  read -r p f s <<<"$counts"
  # ctest found fault with something that no test case shows.
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
  passed=$((passed + p))
  failed=$((failed + f))
  skipped=$((skipped + s))
  summary+=("$([ "$f" = 0 ] && echo 'ok     ' || echo "FAILED ") $label: $p passed, $f failed, $s skipped")
  [ "$f" = 0 ]
}

# One preset, from nothing to its tests. test_preset NAME CTEST_ARGS...
test_preset() {
  local name=$1
  shift
  build_tree "$name" --preset "$name" -- --preset "$name" || return 1
  run_ctest "$name: tests" --preset "$name" -j "$jobs" "$@"
}

# Prints the summary; the last line is the contract. Returns 1 if anything failed.
finish() {
  echo
  echo "Summary, after $SECONDS s (logs in $logs):"
  if [ "${#summary[@]}" -gt 0 ]; then printf '  %s\n' "${summary[@]}"; fi
  if [ "$skipped" -gt 0 ]; then echo "  $skipped skipped: they need what this machine lacks"; fi
  if [ $((passed + failed)) -eq 0 ]; then failed=1; fi
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
