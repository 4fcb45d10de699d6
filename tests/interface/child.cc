// Starts a program by fork and exec, reads its two streams to their end, and waits. See child.h.
#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "support/emulator.h"

namespace interface_test {
namespace {

struct Stream {
  int fd;
  std::string* text;
};

[[noreturn]] void become(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment, int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const std::string& setting : environment) {
    const size_t equals = setting.find('=');
    setenv(setting.substr(0, equals).c_str(), setting.substr(equals + 1).c_str(), 1);
  }
  const std::vector<std::string> command = ashlar::test::command_of(arguments);
  std::vector<char*> pointers;
  for (const std::string& argument : command) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(127);
}

// Reads until both streams are closed; false when the time is up first.
bool read_streams(Stream (&streams)[2], std::chrono::steady_clock::time_point deadline) {
  int open = 2;
  while (open > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd polled[2] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
    if (left.count() <= 0 || poll(polled, 2, static_cast<int>(left.count())) == 0) {
      return false;
    }
    for (int i = 0; i < 2; ++i) {
      if (polled[i].revents == 0) {
        continue;
      }
      char buffer[4096];
      const ssize_t got = read(streams[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        streams[i].text->append(buffer, static_cast<size_t>(got));
      } else {
        close(streams[i].fd);
        streams[i].fd = -1;
        --open;
      }
    }
  }
  return true;
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                      int seconds) {
  ChildResult result;
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    return result;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    become(arguments, environment, out[1], err[1]);
  }
  close(out[1]);
  close(err[1]);
  Stream streams[2] = {{out[0], &result.out}, {err[0], &result.err}};
  const int patience = ashlar::test::kEmulated ? 4 : 1;  // it is slow, above all at forks
  if (!read_streams(streams, std::chrono::steady_clock::now() + std::chrono::seconds(patience * seconds))) {
    result.hung = true;
    kill(pid, SIGKILL);
    for (const Stream& stream : streams) {
      if (stream.fd >= 0) {
        close(stream.fd);
      }
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
    result.err = ashlar::test::without_emulators_line(result.err);
  } else if (WIFEXITED(status)) {
    result.status = WEXITSTATUS(status);
  }
  return result;
}

int occurrences(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

}  // namespace interface_test
