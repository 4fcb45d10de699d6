// Allocates and frees in everything that runs at a process's end. For exit_test; its argument says how it
// ends: return, exit, quick_exit, freeres (calls libc's own __libc_freeres as memory checkers do), or
// threads (others allocate while it exits).
#include "support.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using interface_test::opaque;

void* blocks[6][100];

void allocate_all() {
  for (auto& group : blocks) {
    for (size_t i = 0; i < 100; ++i) {
      group[i] = std::malloc(i * i * 20);
    }
  }
}

void release(int group) {
  for (void*& p : blocks[group]) {
    std::free(p);
    p = nullptr;
  }
  for (size_t i = 0; i < 100; ++i) {
    void* const p = std::malloc(opaque(i * 50));
    std::memset(opaque(p), 1, i * 50);
    std::free(p);
  }
}

struct FreesAtExit {
  int group;
  std::string text = "a text too long for the string itself";
  ~FreesAtExit() { release(group); }
};

FreesAtExit static_object{0};
thread_local FreesAtExit thread_object{1};
void at_exit() { release(2); }
void on_exit_hook(int, void*) { release(3); }
void at_quick_exit_hook() { release(4); }
__attribute__((destructor)) void destructor_function() {
  release(5);
  std::fputs("last\n", stdout);
  std::fflush(stdout);
}

void allocate_forever() {
  std::vector<void*> held(100, nullptr);
  for (size_t i = 0;; ++i) {
    std::free(held[i % 100]);
    held[i % 100] = std::malloc(opaque(i * 37 % 5000));
  }
}

}  // namespace

int main(int, char** argv) {
  const std::string how = argv[1] != nullptr ? argv[1] : "return";
  allocate_all();
  thread_object.text += how;
  std::atexit(at_exit);
  on_exit(on_exit_hook, nullptr);
  std::at_quick_exit(at_quick_exit_hook);
  if (how == "threads") {
    for (int i = 0; i < 3; ++i) {
      std::thread(allocate_forever).detach();
    }
    usleep(20000);
  }
  if (how == "quick_exit") {
    std::quick_exit(0);
  }
  if (how == "freeres") {
    // The same must hold after it: it is the last call before _exit in a memory checker.
    auto* const freeres = interface_test::find_function<void()>("__libc_freeres");
    std::atexit([] { static_cast<void>(0); });
    if (freeres != nullptr) {
      freeres();
    }
    release(0);
    release(2);
    _exit(0);
  }
  if (how == "exit") {
    std::exit(0);
  }
  return 0;
}
