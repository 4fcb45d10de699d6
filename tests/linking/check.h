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

/* Far beyond what a loaded machine needs: a program that hangs dies of SIGALRM, its children too. */
static inline void start_watchdog(void) { alarm(240); }

#endif
