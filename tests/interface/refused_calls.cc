// See refused_calls.h.
#include "refused_calls.h"

#include "heap_use.h"
#include "support.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace interface_test {

namespace {

struct Name {
  const char* name;
  long number;
  bool for_threads;  // a thread can be made without it
};
constexpr Name kNames[] = {
    {"membarrier", SYS_membarrier, true},
    {"getrandom", SYS_getrandom, true},
    {"process_madvise", 440, true},
    {"mincore", SYS_mincore, true},
    {"mremap", SYS_mremap, true},
    {"madvise", SYS_madvise, true},
    {"munmap", SYS_munmap, true},
    {"prlimit64", SYS_prlimit64, true},
    {"openat", SYS_openat, true},
    {"sched_yield", SYS_sched_yield, true},
    {"brk", SYS_brk, true},
    {"mprotect", SYS_mprotect, false},
};

const Name& find_name(const char* name) {
  for (const Name& known : kNames) {
    if (std::strcmp(known.name, name) == 0) return known;
  }
  std::fprintf(stderr, "unknown system call %s\n", name);
  std::exit(2);
}

// The system calls of a malloc, and those of this program's end; for any other the kernel kills the process,
// as the sandboxes of sshd, file and many services do.
constexpr long kOfAMalloc[] = {SYS_mmap,  SYS_munmap,        SYS_mprotect, SYS_madvise,   SYS_mremap,
                               SYS_futex, SYS_clock_gettime, SYS_write,    SYS_exit_group};

void kill_at_others() {
  sock_filter filter[2 * std::size(kOfAMalloc) + 2];
  size_t count = 0;
  filter[count++] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
  for (const long number : kOfAMalloc) {
    filter[count++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1);
    filter[count++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  filter[count++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  const sock_fprog program{static_cast<unsigned short>(count), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) cannot("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) cannot("seccomp");
}

}  // namespace

void refuse(long number) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) cannot("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) cannot("seccomp");
  errno = 0;
  REQUIRE(syscall(number, -1, -1, -1, -1, -1, -1) == -1 && errno == EPERM);
}

void live_in_a_sandbox() {
  std::printf("went on\n");  // seen only when the rest ends well
  std::free(std::malloc(opaque<size_t>(100)));
  kill_at_others();
  use_heap();
  static char nobodys[64];
  std::free(opaque(static_cast<void*>(nobodys + 16)));  // named on stderr, and the program goes on
  for (int round = 0; round < 3; ++round) {             // grows, and gives back, in many steps
    void* list = nullptr;
    for (size_t i = 0; i < 100'000; ++i) {
      void** const p = static_cast<void**>(std::malloc(opaque(100 + i * 37 % 3000)));
      REQUIRE(p != nullptr);
      *p = list;
      list = p;
    }
    free_list(list);
    malloc_trim(0);
  }
  std::fflush(stdout);
  _exit(0);
}

void use_with_refusal(const char* name, bool before_start, char** argv) {
  const Name& call = find_name(name);
  if (before_start) {  // the heap of the new program starts with it refused
    refuse(call.number);
    char* const arguments[] = {argv[0], const_cast<char*>("plain"), nullptr};
    execv("/proc/self/exe", arguments);
    cannot("execv");
  }
  std::free(std::malloc(opaque<size_t>(100)));
  refuse(call.number);
  if (call.for_threads) {
    use_heap();
    use_threads(10);
    use_fork();
    use_heap();
  } else {  // the window can't be opened further: what there is serves
    size_t served = 0;
    for (size_t i = 0; i < 3000; ++i) {
      void* const p = std::malloc(opaque(1 + i * 7 % 3000));
      served += p != nullptr;
      if (p != nullptr) std::memset(p, 1, 1 + i * 7 % 3000);
    }
    REQUIRE(served == 3000);  // by mappings of their own where it must be
    REQUIRE(heap_faults() == 0);
  }
}

}  // namespace interface_test
