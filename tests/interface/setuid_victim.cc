// A program linked with Ashlar. With an argument, it gives up its privileges for that user and starts the
// program named next: see setuid_test.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc > 2) {
    const uid_t user = static_cast<uid_t>(std::atoi(argv[1]));
    if (setgid(user) != 0 || setuid(user) != 0) return 77;
    execv(argv[2], argv + 2);
    return 77;
  }
  void* volatile p = std::malloc(100);
  std::free(p);
  std::printf("user %u, effective %u\n", getuid(), geteuid());
  return 0;
}
