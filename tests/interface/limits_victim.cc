// A program that limits itself and then goes on using the heap. For process_limits_test; the arguments are
// the limit and, for some, its value. Ends with `went on` and status 0; status 77 when the limit can't be set
// here.
#include "heap_use.h"
#include "refused_calls.h"
#include "support.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using interface_test::cannot;
using interface_test::exhaust;
using interface_test::kKiB;
using interface_test::kMiB;
using interface_test::opaque;
using interface_test::use_fork;
using interface_test::use_heap;
using interface_test::use_threads;

void limit(int resource, rlim_t bytes) {
  rlimit both{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) cannot("getrlimit");
  both.rlim_cur = bytes;
  if (both.rlim_max < bytes) both.rlim_max = bytes;
  if (setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) cannot("setrlimit");
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
    interface_test::refuse(SYS_prlimit64);
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
    interface_test::use_with_refusal(argv[2], false, argv);
  } else if (is("seccomp_start") && argc > 2) {
    interface_test::use_with_refusal(argv[2], true, argv);
  } else if (is("sandbox")) {
    interface_test::live_in_a_sandbox();
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
