#!/bin/bash
# `ashlar run` from end to end: serving, refusing, exit status, signals, LD_PRELOAD.
# Usage: run_test.sh ASHLAR LIBRARY C++-COMPILER
# shellcheck disable=SC2016  # the scripts written here expand nothing on purpose
set -u

ashlar=$(realpath "$1")
library=$(realpath -s "$2")
compiler=$3
# shellcheck source=tools/tests/checks.sh
. "$(dirname "$(realpath "$0")")/checks.sh"

# run ARGUMENTS...: runs `ashlar run` on the library under test; leaves out, err and status.
run() {
  what="ashlar run $*"
  timeout 30 "$ashlar" run --lib "$library" "$@" >out 2>err
  status=$?
}

build() {
  printf '%s\n' 'int main() { return 3; }' >static.cc
  "$compiler" -static -o static static.cc 2>/dev/null || cp /usr/sbin/ldconfig static
  printf '%s\n' 'extern "C" int nothing_of_note() { return 1; }' >other.cc
  "$compiler" -shared -fPIC -o libother.so other.cc
  cat >malloc.cc <<'CODE'
#include <cstddef>
extern "C" {
void* __libc_malloc(std::size_t);
void __libc_free(void*);
void* malloc(std::size_t size) noexcept { return __libc_malloc(size); }
void free(void* p) noexcept { __libc_free(p); }
}
CODE
  "$compiler" -shared -fPIC -fno-builtin -o libsomebodys_malloc.so malloc.cc
  printf '%s\n' 'extern "C" void _exit(int); __attribute__((constructor)) void end() { _exit(4); }' >ends.cc
  "$compiler" -shared -fPIC -o libends.so ends.cc -Wl,-z,initfirst
  "$compiler" -o ends static.cc -Wl,--no-as-needed ./libends.so
}

test_serving() {
  run -- echo hello; expect_status 0; expect_output hello; expect_empty err
  run -v -- echo hello; expect_status 0; expect_output hello; expect_in err "serving"
  run echo hello -- there; expect_status 0; expect_output "hello -- there"
  what="stdin"; echo through | "$ashlar" run --lib "$library" -- cat >out 2>err; status=$?
  expect_status 0; expect_output through; expect_empty err
  what="closed stderr"; "$ashlar" run --lib "$library" -- echo hello >out 2>&-; status=$?
  expect_status 0; expect_output hello
}

test_scripts() {
  printf '#!/bin/sh\necho "script $1"\n' >script; chmod +x script
  run -v -- ./script one; expect_status 0; expect_output "script one"; expect_in err "run by /bin/sh"
  printf '#!/usr/bin/env perl\nprint "script $ARGV[0]\\n"\n' >script
  run -v -- ./script one; expect_status 0; expect_output "script one"; expect_in err "perl: version"
  printf 'echo "plain $1"\n' >script
  run -- ./script one; expect_status 0; expect_output "plain one"
  printf '#!%s\n' "$scratch/static" >script
  run -- ./script; expect_status 125; expect_in err "static"
}

test_refusals() {
  run -- ./static; expect_status 125; expect_in err "statically linked"; expect_in err "libashlar.a"
  run --anyway -- ./static; expect_in err "statically linked"
  cp "$(type -P true)" alien
  printf '\xf3\x00' | dd of=alien bs=1 seek=18 conv=notrunc status=none
  run -- ./alien; expect_status 125; expect_in err "another architecture (riscv, 64-bit)"
  printf 'MZ\0\0' >unknown; chmod +x unknown
  run -- ./unknown; expect_status 125; expect_in err "neither an ELF program nor a script"
  head -c 40 "$(type -P true)" >short; chmod +x short
  run -- ./short; expect_status 125; expect_in err "./short: a damaged ELF file: it has 40 B"; expect_in err "to do: copy or install"
  run -- no_such_program_here; expect_status 127; expect_in err "no_such_program_here: not found"
  run -- ./malloc.cc; expect_status 126; expect_in err "not executable"
  printf '#!/nonexistent/sh\n' >script
  run -- ./script; expect_status 127; expect_in err "interpreter of ./script"
}

# Started under Ashlar, such a program would stop or find nothing.
test_sanitizers() {
  printf '%s\n' 'int main() { return 3; }' >plain.cc
  local compiler_and_option
  for compiler_and_option in "$compiler -fsanitize=address" "$compiler -fsanitize=address -static-libasan" \
    "$compiler -fsanitize=thread" "clang++ -fsanitize=address" "clang++ -fsanitize=memory"; do
    what=$compiler_and_option
    # shellcheck disable=SC2086
    if ! $compiler_and_option -o sanitized plain.cc 2>err; then skip "$what does not build"; continue; fi
    "$ashlar" run --lib "$library" -- ./sanitized >out 2>err; status=$?
    expect_status 125; expect_in err "cannot serve ./sanitized: built with "; expect_in err "without -fsanitize"
    expect_in err "not started"
  done
  run --anyway -- ./sanitized; expect_status 3
  what="-fsanitize=undefined has no malloc"
  if "$compiler" -fsanitize=undefined -o sanitized plain.cc 2>err; then
    run -- ./sanitized; expect_status 3; expect_empty err
  fi
}

test_setuid() {
  what="set-user-ID"
  local program=./setuid
  if [ "$(id -u)" = 0 ]; then
    cp "$(type -P true)" setuid && chown 65534 setuid && chmod u+s setuid
  else
    program=$(command -v su)
  fi
  if findmnt -no OPTIONS -T "$program" | grep -qw nosuid || grep -q '^NoNewPrivs:.*1' /proc/self/status; then
    skip "set-user-ID bits do nothing here"
    return
  fi
  run -- "$program"; expect_status 125; expect_in err "set-user-ID"; expect_in err "LD_PRELOAD"
}

test_status_and_signals() {
  run -- sh -c 'exit 7'; expect_status 7
  run -- sh -c 'kill -TERM $$'; expect_status 143; expect_not_in err "was ended by"
  run -- sh -c 'kill -SEGV $$'; expect_status 139; expect_in err "was ended by signal 11 (Segmentation fault)"
  local signal
  for signal in TERM HUP USR1 INT; do
    rm -f ready
    what="passing on SIG$signal"
    # Not exec: the handler must run while sleep is the shell's child. setsid, so that the test's own
    # shell, which has its background jobs ignore SIGINT, is out of the way.
    setsid env --default-signal="$signal" "$ashlar" run --lib "$library" -- \
      sh -c "trap 'echo got >got; exit 9' $signal; touch ready; while :; do sleep 0.05; done" >out 2>err &
    local pid=$!
    wait_for_file ready
    kill -"$signal" "$pid"
    expect_ends "$pid" 30
    kill -KILL -- -"$pid" 2>/dev/null # the session: the program, where the runner died without it
    wait "$pid"; status=$?
    expect_status 9
  done
}

# Ctrl-C at a terminal reaches the program once, not twice, and does not end the runner before it.
test_terminal() {
  what="ctrl-C at a terminal"
  /usr/bin/python3 - "$ashlar" "$library" >out 2>err <<'CODE'
import os, pty, sys, time
PROGRAM = """
import signal, sys, time
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, handler)
print("ready", flush=True)
end = time.monotonic() + 1.5
while time.monotonic() < end: time.sleep(0.05)
print(f"interrupts={count}", flush=True)
sys.exit(5)
"""
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "run", "--lib", sys.argv[2], "--", "/usr/bin/python3", "-c", PROGRAM])
text = b""
sent = False
while True:
    try:
        data = os.read(terminal, 1000)
    except OSError:
        break
    if not data:
        break
    text += data
    if not sent and b"ready" in text:
        os.write(terminal, b"\x03")
        sent = True
_, status = os.waitpid(pid, 0)
print(text.decode(errors="replace"), "exit", os.waitstatus_to_exitcode(status))
CODE
  status=$?
  expect_status 0; expect_in out "interrupts=1"; expect_in out "exit 5"
}

test_preload() {
  what="an LD_PRELOAD that is there"
  LD_PRELOAD="$scratch/libother.so" "$ashlar" run --lib "$library" -v -- printenv LD_PRELOAD >out 2>err; status=$?
  expect_status 0; expect_output "$scratch/libother.so:$library"; expect_in err "serving"
  what="Ashlar listed already"
  LD_PRELOAD="$library" "$ashlar" run --lib "$library" -- printenv LD_PRELOAD >out 2>err; status=$?
  expect_status 0; expect_output "$library"
  what="an Ashlar listed that is gone"
  LD_PRELOAD="/nonexistent/libashlar.so.1:$scratch/libother.so" "$ashlar" run --lib "$library" -- printenv LD_PRELOAD \
    >out 2>err; status=$?
  expect_status 0; expect_output "$library:$scratch/libother.so"; expect_not_in err "takes its place"
  what="another Ashlar listed"
  cp "$library" libashlar.so.9
  LD_PRELOAD="$scratch/libashlar.so.9" "$ashlar" run --lib "$library" -- printenv LD_PRELOAD >out 2>err; status=$?
  expect_status 0; expect_output "$library"; expect_in err "another Ashlar, $scratch/libashlar.so.9: $library takes its place"
  what="a library of another name"
  cp "$library" another_name.so
  timeout 30 "$ashlar" run --strict --lib "$scratch/another_name.so" -v -- printenv LD_PRELOAD >out 2>err; status=$?
  expect_status 0; expect_output "$scratch/another_name.so"; expect_in err "serving"
  what="ashlar run in ashlar run"
  run -- "$ashlar" run --lib "$library" -v -- printenv LD_PRELOAD
  expect_status 0; expect_output "$library"; expect_in err "serving"
  mkdir "with blank"; cp "$library" "with blank/libashlar.so.1"
  what="a path LD_PRELOAD cannot name"
  "$ashlar" run --lib "with blank/libashlar.so.1" -- true >out 2>err; status=$?
  expect_status 125; expect_in err "cannot name"
}

test_not_serving() {
  what="another malloc in front"
  LD_PRELOAD="$scratch/libsomebodys_malloc.so" "$ashlar" run --lib "$library" -- sh -c 'exit 6' >out 2>err; status=$?
  expect_status 6; expect_in err "does NOT serve"
  expect_in err "to do: take $scratch/libsomebodys_malloc.so out of LD_PRELOAD, or put Ashlar before it"
  what="another malloc in front, --strict"
  LD_PRELOAD="$scratch/libsomebodys_malloc.so" timeout 20 "$ashlar" run --lib "$library" --strict -- sleep 60 \
    >out 2>err; status=$?
  expect_status 125; expect_in err "does NOT serve"
  what="a program that ends at once"
  run -- ./ends; expect_status 4; expect_in err "does NOT serve"; expect_in err "to do: \`ashlar doctor -- PROGRAM\`"
  what="a library that is not Ashlar"
  "$ashlar" run --lib ./libother.so -- sh -c 'exit 6' >out 2>err; status=$?
  expect_status 125; expect_in err "a library, but not Ashlar's"; expect_in err "not started"
}

test_stats_and_conf() {
  run --stats -- bash -c 'echo hello'; expect_status 0; expect_output hello
  checks=$((checks + 1)); [ -s err ] || fail "$what: no statistics"
  run --stats=json -- bash -c 'echo hello'; expect_status 0; expect_output hello
  checks=$((checks + 1)); /usr/bin/python3 -m json.tool err >/dev/null || fail "$what: no JSON"
  # coreutils close stderr on their way out; the statistics come all the same.
  run --stats -- ls -d /; expect_status 0; expect_output /
  checks=$((checks + 1)); [ -s err ] || fail "$what: no statistics from a program that closes stderr"
  run --stats=xml -- true; expect_status 125; expect_in err "xml"
  what="ASHLAR_CONF and --conf"
  ASHLAR_CONF=purge_share:9 "$ashlar" run --lib "$library" --conf purge_floor:2m --stats=text -- \
    printenv ASHLAR_CONF >out 2>err; status=$?
  expect_status 0; expect_output "purge_share:9,purge_floor:2m,stats_at_exit:text"
}

test_command_line() {
  what="--version"; "$ashlar" --version >out 2>err; status=$?; expect_status 0; expect_in out "ashlar "
  what="--help"; "$ashlar" --help >out 2>err; status=$?; expect_status 0; expect_in out "127"
  what="run --help"; "$ashlar" run --help >out 2>err; status=$?; expect_status 0; expect_in out "--strict"
  expect_in out "ashlar run [OPTIONS] [--] PROGRAM [ARGUMENTS...]"; expect_in out "--stats[=text|json]"
  what="options --help"; "$ashlar" options --help >out 2>err; status=$?; expect_status 0; expect_in out "--conf"
  what="no subcommand"; "$ashlar" >out 2>err; status=$?; expect_status 2; expect_in err "subcommand"
  what="unknown subcommand"; "$ashlar" frob >out 2>err; status=$?; expect_status 2; expect_in err "unknown subcommand frob;"
  expect_in err "there are run, doctor and options"
  "$ashlar" rn -- true >out 2>err; status=$?; expect_status 2; expect_in err "did you mean run?"
  "$ashlar" option >out 2>err; status=$?; expect_status 2; expect_in err "did you mean options?"
  what="unknown option"; "$ashlar" --frob >out 2>err; status=$?; expect_status 2; expect_in err "--frob"
  what="a wrong library to ask"; "$ashlar" options --lib /nonexistent/lib.so >out 2>err; status=$?
  expect_status 2; expect_in err "there is no such file"
  run --stats text -- true; expect_status 125; expect_in err "--stats=text"
  run --stats xml -- true; expect_status 125; expect_in err "--stats=text or --stats=json"
  run --frob -- true; expect_status 125; expect_in err "--frob"
  run --strict; expect_status 125; expect_in err "no program"
  what="options"; "$ashlar" options --lib "$library" --conf stats_at_exit:none >out 2>err; status=$?
  expect_status 0; expect_empty err; expect_in out "stats_at_exit:none"
  expect_in out "one of none|text|json"; expect_in out "libashlar "
}

run_tests serving scripts refusals sanitizers setuid status_and_signals terminal preload not_serving stats_and_conf command_line
