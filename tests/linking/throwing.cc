// A C++ program with Ashlar linked in, by whatever way: the operators are Ashlar's, exhausted memory is
// std::bad_alloc, after the new_handler, in threads and in forked children too.
#include <ashlar/ashlar.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace {

struct alignas(256) Wide {
  char bytes[256];
};

void check_who_serves() {
  std::unique_ptr<int> one(new int(7));
  CHECK(ashlar_owns(one.get()));
  std::unique_ptr<char[]> many(new char[5000]);
  CHECK(ashlar_owns(many.get()));
  std::unique_ptr<Wide> wide(new Wide);
  CHECK(ashlar_owns(wide.get()) && reinterpret_cast<uintptr_t>(wide.get()) % 256 == 0);
  std::string text(1000, 'x');
  CHECK(ashlar_owns(text.data()));
  std::unique_ptr<int> quiet(new (std::nothrow) int(7));
  CHECK(ashlar_owns(quiet.get()));
}

void work() {
  for (int round = 0; round < (kEmulated ? 4 : 20); ++round) {
    std::map<int, std::string> map;
    for (int i = 0; i < 500; ++i)
      map[i * 37 % 501] = std::string(static_cast<size_t>(i), 'y');
    for (int i = 0; i < 500; i += 2)
      map.erase(i);
    for (const auto& [key, text] : map)
      CHECK(text.find_first_not_of('y') == std::string::npos);
  }
}

std::atomic<int> g_handler_calls{0};
void count_and_give_up() {
  if (++g_handler_calls % 3 == 0) std::set_new_handler(nullptr);
}

// The biggest size that is possible, and one that is refused by a limit.
void exhaust_memory() {
  const size_t impossible = static_cast<size_t>(PTRDIFF_MAX) - 4096;
  g_handler_calls = 0;
  std::set_new_handler(count_and_give_up);
  bool caught = false;
  try {
    ::operator delete(::operator new(impossible));
  } catch (const std::bad_alloc& error) {
    caught = error.what() != nullptr;
  }
  CHECK(caught && g_handler_calls == 3);
  CHECK(::operator new(impossible, std::nothrow) == nullptr);
  caught = false;
  try {
    ::operator delete (::operator new (impossible, std::align_val_t{64}), std::align_val_t{64});
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught);
  if (kEmulated) return;

  rlimit before{};
  CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
  const rlimit tight = {64 << 20, before.rlim_max};
  CHECK(setrlimit(RLIMIT_DATA, &tight) == 0);
  caught = false;
  size_t blocks = 0;
  try {
    std::vector<std::unique_ptr<std::string>> all;
    for (; blocks < 64; ++blocks)
      all.push_back(std::make_unique<std::string>(1 << 20, 'z'));
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught && blocks > 16);
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
  CHECK(std::string(16 << 20, 'a').size() == 16 << 20);
}

void in_a_child(void (*what)()) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(240);
    what();
    if (kEmulated) {
      work();
    } else {
      std::thread(work).join();
    }
    CHECK(ashlar_verify(2) == 0);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

}  // namespace

int main() {
  start_watchdog();
  check_who_serves();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(work);
  for (int i = 0; i < 10; ++i)
    in_a_child(work);
  for (std::thread& thread : threads)
    thread.join();
  std::thread(exhaust_memory).join();
  in_a_child(exhaust_memory);
  exhaust_memory();
  return 0;
}
