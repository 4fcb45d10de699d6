# shellcheck shell=bash
# What the end-to-end tests of `ashlar doctor` share; they source it, and take the arguments
#   ASHLAR LIBRARY ARCHIVE LIBRARY-FOR-DLOPEN C++-COMPILER

ashlar=$(realpath "$1")
library=$(realpath -s "$2")
# shellcheck disable=SC2034  # not every test needs them
archive=$(realpath "$3") beside=$(realpath -s "$4")
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

# --as-needed: clang names libgcc_s for programs that need nothing of it.
cxx() { "$compiler" -fno-builtin -Wl,--as-needed "$@" || fail "cannot build: $*"; }

# A program that allocates once.
build_plain() {
  cat >main.cc <<'CODE'
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main() { return malloc(10) != nullptr && open("ran", O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 1; }
CODE
  cxx -o plain main.cc
}

# The same with a malloc of its own.
build_own() {
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
  cxx -o own main.cc own.cc
}

# A program that waits, and a library for it to open.
build_waiting() {
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
  cxx -o waiting waiting.cc
  cxx -shared -fPIC -o libplugin.so plugin.cc
}

# shellcheck disable=SC2034  # pid is for the test
# waiting ARGUMENTS...: starts it under what the environment says and waits until it is there; leaves pid.
waiting() {
  rm -f ready
  ./waiting "$@" 2>err &
  pid=$!
  what="./waiting $*"
  wait_for_file ready
}
