// Exit status 0 if Ashlar is this program's malloc and its operator new, and exhausted memory is an
// exception.
#include <ashlar/ashlar.h>

#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <thread>

int main() {
  bool good = true;
  std::thread([&good] {
    const auto block = std::make_unique<std::string>(1000, 'x');
    good = ashlar_owns(block.get()) && ashlar_owns(block->data());
  }).join();
  bool caught = false;
  volatile size_t impossible = static_cast<size_t>(-1) / 4;
  try {
    ::operator delete(::operator new(impossible));
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  if (!good || !caught) std::cerr << "served: " << good << ", bad_alloc: " << caught << '\n';
  return good && caught && ashlar_verify(2) == 0 ? 0 : 1;
}
