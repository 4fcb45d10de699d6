// A library that start_test and thread_test open by dlopen: it allocates in its constructor, frees in its
// destructor, and has thread-local storage that is allocated on first use in each thread.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

void* from_constructor = nullptr;
std::vector<std::string> words(100, "a text too long for the string itself");
thread_local std::vector<int> numbers(1000, 7);
thread_local char plain_storage[4096];

__attribute__((constructor)) void construct() {
  from_constructor = std::malloc(1000);
  std::memset(from_constructor, 1, 1000);
}

__attribute__((destructor)) void destroy() { std::free(from_constructor); }

}  // namespace

// Allocates in this thread; gives a block that the caller frees.
extern "C" void* module_work() {
  numbers.push_back(8);
  plain_storage[numbers.size() % sizeof plain_storage] = 1;
  words.push_back("another");
  words.pop_back();
  return std::malloc(numbers.size());
}
