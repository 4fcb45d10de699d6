/* What the programs of tests/linking share: a check that names what failed and ends the program with 1, and
 * a watchdog. */
#ifndef ASHLAR_TESTS_LINKING_CHECK_H
#define ASHLAR_TESTS_LINKING_CHECK_H

#include <stdio.h>
#include <unistd.h>

#define CHECK(condition)                                                                              \
  do {                                                                                                \
    if (!(condition)) {                                                                               \
      fprintf(stderr, "%s:%d: process %d: not true: %s\n", __FILE__, __LINE__, getpid(), #condition); \
      _exit(1);                                                                                       \
    }                                                                                                 \
  } while (0)

/* In qemu-user 7.2 (preset `aarch64`) the forked child of a process with threads dies of an assertion of the
 * emulator's when it starts one; RLIMIT_DATA is kept from the program's memory; what /proc/self/statm tells
 * is the emulator's own; and all is slow. */
enum { kEmulated = ASHLAR_TEST_EMULATED };

/* Far beyond what a loaded machine needs: a program that hangs dies of SIGALRM, its children too. */
static inline void start_watchdog(void) { alarm(240); }

#endif
