// A program that limits itself and then goes on using the heap. For process_limits_test; the arguments are
// the limit and, for some, its value. Ends with `went on` and status 0; status 77 when the limit can't be set
// here.
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace {

using interface_test::kKiB;
using interface_test::kMiB;
using interface_test::opaque;

[[noreturn]] void cannot(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  _exit(77);
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  _exit(1);
}
#define REQUIRE(condition) require(condition, #condition)

void limit(int resource, rlim_t bytes) {
  rlimit both{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) cannot("getrlimit");
  both.rlim_cur = bytes;
  if (both.rlim_max < bytes) both.rlim_max = bytes;
  if (setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) cannot("setrlimit");
}

// Every path of the heap, with contents checked.
void use_heap() {
  constexpr size_t kBlocks = 2000;
  static void* blocks[kBlocks];
  static size_t sizes[kBlocks];
  for (unsigned round = 0; round < 4; ++round) {
    for (size_t i = 0; i < kBlocks; ++i) {
      sizes[i] = i % 40 == 0 ? 20'000 + i * 97 : 1 + i * 31 % 3000;
      blocks[i] = i % 3 == 0 ? std::calloc(1, sizes[i]) : std::malloc(sizes[i]);
      REQUIRE(blocks[i] != nullptr);
      if (i % 3 == 0) REQUIRE(interface_test::all_zero(blocks[i], sizes[i]));
      interface_test::fill(blocks[i], sizes[i], static_cast<unsigned>(i));
    }
    for (size_t i = 0; i < kBlocks; i += 7) {
      void* const p = std::realloc(blocks[i], sizes[i] * 2 + 1);
      REQUIRE(p != nullptr);
      REQUIRE(interface_test::filled(p, sizes[i], static_cast<unsigned>(i)));
      blocks[i] = p;
    }
    for (size_t i = 0; i < kBlocks; ++i) {
      REQUIRE(interface_test::filled(blocks[i], sizes[i], static_cast<unsigned>(i)));
      std::free(blocks[i]);
    }
    malloc_trim(0);
  }
  void* p = std::malloc(33 * kMiB);  // a mapping of its own, moved and shrunk
  REQUIRE(p != nullptr);
  interface_test::fill(p, kMiB, 5);
  p = std::realloc(p, 50 * kMiB);
  REQUIRE(p != nullptr && interface_test::filled(p, kMiB, 5));
  p = std::realloc(p, kMiB);
  REQUIRE(p != nullptr && interface_test::filled(p, kMiB, 5));
  std::free(p);
  REQUIRE(interface_test::heap_faults() == 0);
}

void use_threads(int count) {
  pthread_t threads[64];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * kKiB);
  for (int i = 0; i < count; ++i) {
    const auto work = [](void*) -> void* {
      for (size_t j = 0; j < 2000; ++j)
        std::free(std::malloc(opaque(j * 17 % 40'000)));
      return nullptr;
    };
    REQUIRE(pthread_create(&threads[i], &attributes, work, nullptr) == 0);
  }
  for (int i = 0; i < count; ++i)
    pthread_join(threads[i], nullptr);
  pthread_attr_destroy(&attributes);
}

void use_fork() {
  const pid_t pid = fork();
  if (pid == 0) {
    for (size_t i = 0; i < 2000; ++i)
      std::free(std::malloc(opaque(i * 13 % 50'000)));
    _exit(interface_test::heap_faults() == 0 ? 0 : 3);
  }
  int status = 1;
  REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

// All blocks of one size that can be had, linked through themselves. Their number.
size_t take_all(size_t size, void** list) {
  size_t count = 0;
  *list = nullptr;
  errno = 0;
  while (void* const p = std::malloc(size)) {
    require(++count * size < 512 * kMiB, "the limit limits");
    std::memset(p, 1, size < 4096 ? size : 4096);
    *static_cast<void**>(p) = *list;
    *list = p;
  }
  REQUIRE(errno == ENOMEM);
  return count;
}

void free_all(void* list) {
  while (list != nullptr) {
    void* const next = *static_cast<void**>(list);
    std::free(list);
    list = next;
  }
}

// Uses up what the limit leaves, in small blocks and large ones, and has all of it again; threads can be
// made.
void exhaust(size_t least) {
  size_t first[3] = {};
  for (int round = 0; round < 2; ++round) {
    const size_t sizes[3] = {100, 5000, 300 * kKiB};
    for (int i = 0; i < 3; ++i) {
      void* list = nullptr;
      const size_t count = take_all(sizes[i], &list);
      std::printf("%zu blocks of %zu B\n", count, sizes[i]);
      REQUIRE(count * sizes[i] >= least);
      if (round == 0) first[i] = count;
      REQUIRE(count >= first[i] - first[i] / 10);
      REQUIRE(interface_test::heap_faults() == 0);
      free_all(list);
      use_threads(20);  // 5 MiB of stacks: what was freed is there for them
    }
  }
  use_fork();
}

void start_again_with(int resource, rlim_t bytes, char** argv, const char* how) {
  limit(resource, bytes);
  char* const arguments[] = {argv[0], const_cast<char*>(how), nullptr};
  execv("/proc/self/exe", arguments);
  cannot("execv");
}

void lose_privilege() {
  // Capabilities alone: the files of this program stay readable.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) cannot("capset");
}

// A daemon that locks its memory as root and gives the privilege up: from then on RLIMIT_MEMLOCK counts every
// address that is mapped. Others can map memory and make threads.
void lock_as_a_daemon() {
  use_heap();
  limit(RLIMIT_MEMLOCK, 64 * kMiB);
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) cannot("mlockall");
  lose_privilege();
  static void* blocks[8000];
  for (void*& p : blocks) {
    p = std::malloc(1000);
    REQUIRE(p != nullptr);
  }
  void* const theirs = mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(theirs != MAP_FAILED);
  munmap(theirs, kMiB);
  use_threads(4);
  for (void* p : blocks)
    std::free(p);
  REQUIRE(interface_test::heap_faults() == 0);
}

void lock_memory(bool privileged, size_t memlock) {
  use_heap();
  if (!privileged) {
    limit(RLIMIT_MEMLOCK, memlock);
    lose_privilege();
  }
  if (mlockall(privileged ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) != 0) {
    if (privileged) cannot("mlockall");
    std::printf("mlockall: %s\n", std::strerror(errno));
    _exit(3);
  }
  const size_t before = interface_test::resident_bytes();
  static void* blocks[20'000];
  for (void*& p : blocks) {
    p = std::malloc(500);
    REQUIRE(p != nullptr);
  }
  const size_t grown = interface_test::resident_bytes() - before;
  std::printf("10 MB allocated, %zu KiB grown\n", grown / kKiB);
  REQUIRE(grown < 16 * kMiB);
  for (void* p : blocks)
    std::free(p);
  use_heap();
  munlockall();
  use_heap();
}

// All mappings but `left` are taken; the heap was small until then.
void use_up_mappings(int left) {
  static void* taken[200'000];
  size_t count = 0;
  while (count < 200'000) {
    void* const p =
        mmap(nullptr, 4096, count % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
    taken[count++] = p;
  }
  REQUIRE(count > 1000);
  if (count == 200'000) cannot("vm.max_map_count is more than this test expects");
  for (int i = 0; i < left; ++i)
    munmap(taken[--count], 4096);
  use_heap();
  use_fork();
  while (count > 0)
    munmap(taken[--count], 4096);
  use_heap();
  use_threads(10);
}

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

// From now on the kernel answers this system call with EPERM.
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

[[noreturn]] void live_in_a_sandbox() {
  std::printf("went on\n");  // seen only when the rest ends well
  std::free(std::malloc(opaque<size_t>(100)));
  kill_at_others();
  use_heap();
  for (int round = 0; round < 3; ++round) {  // grows, and gives back, in many steps
    void* list = nullptr;
    for (size_t i = 0; i < 100'000; ++i) {
      void** const p = static_cast<void**>(std::malloc(opaque(100 + i * 37 % 3000)));
      REQUIRE(p != nullptr);
      *p = list;
      list = p;
    }
    free_all(list);
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
    REQUIRE(interface_test::heap_faults() == 0);
  }
}

// Child processes of a threaded program that has its own limits, too.
int run(int argc, char** argv) {
  const char* const how = argc > 1 ? argv[1] : "";
  const auto is = [how](const char* name) { return std::strcmp(how, name) == 0; };
  const rlim_t limit_bytes = 200 * kMiB;
  if (is("as_start")) start_again_with(RLIMIT_AS, limit_bytes, argv, "exhaust");
  if (is("data_start")) start_again_with(RLIMIT_DATA, limit_bytes, argv, "exhaust");
  if (is("as_unreadable")) start_again_with(RLIMIT_AS, limit_bytes, argv, "exhaust_unreadable");
  if (is("exhaust")) {
    exhaust(120 * kMiB);
  } else if (is("exhaust_unreadable")) {  // prlimit is refused from now on
    std::free(std::malloc(opaque<size_t>(100)));
    refuse(SYS_prlimit64);
    exhaust(120 * kMiB);
  } else if (is("mlock_daemon")) {
    lock_as_a_daemon();
  } else if (is("as_later") || is("data_later")) {
    use_heap();
    limit(is("as_later") ? RLIMIT_AS : RLIMIT_DATA, limit_bytes);
    exhaust(120 * kMiB);
  } else if (is("mappings")) {
    use_up_mappings(argc > 2 ? std::atoi(argv[2]) : 20);
  } else if (is("mlock")) {
    lock_memory(true, 0);
  } else if (is("mlock_unprivileged")) {
    lock_memory(false, argc > 2 ? std::strtoull(argv[2], nullptr, 10) * kMiB : 0);
  } else if (is("seccomp") && argc > 2) {
    use_with_refusal(argv[2], false, argv);
  } else if (is("seccomp_start") && argc > 2) {
    use_with_refusal(argv[2], true, argv);
  } else if (is("sandbox")) {
    live_in_a_sandbox();
  } else if (is("plain")) {
    use_heap();
    use_threads(10);
    use_fork();
  } else {
    std::fprintf(stderr, "usage: limits_victim LIMIT [VALUE]; unknown limit '%s'\n", how);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  alarm(300);
  const int status = run(argc, argv);
  if (status == 0) std::printf("went on\n");
  std::fflush(stdout);
  return status;
}
