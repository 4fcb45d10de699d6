#!/bin/bash
# `ashlar doctor -- PROGRAM` from end to end: real programs of every kind that it tells apart.
# Usage: the arguments of doctor_checks.sh.
set -u

# shellcheck source=tools/tests/doctor_checks.sh
. "$(dirname "$(realpath "$0")")/doctor_checks.sh"

build() {
  version=$("$ashlar" --version | cut -d" " -f2)
  build_plain
  build_own
  build_waiting
  cxx -shared -fPIC -o libown.so own.cc
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
  served linked "ok loaded Ashlar $version, $(realpath "$library"), by"
  served archive "ok loaded Ashlar $version, linked into the program (libashlar.a)"
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
  expect "To do: See \`LD_PRELOAD\`. problem LD_PRELOAD"
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
  chown 0 setuid; chmod u+s setuid
  doctor -- ./setuid; expect_status 0; expect "note program set-user-ID to user 0"; expect "For other users it drops it"; never_ran
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
  expect "whether Ashlar serves it was not seen"
  mv libmissing.so elsewhere.so
  doctor --as-is -- ./missing; expect_status 1; expect "missing: whether Ashlar serves it was not seen"
  expect "To do: See \`messages\`:"; expect "ldd ./missing"; expect "Written to stderr before main."; never_ran
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

run_tests served static not_loaded replaced_preload wrong_library built_in_options set_id another_malloc jemalloc sanitizer a_missing_function damaged
