// A second thread that does what it is told while the first one waits: which thread does what is up to the
// input, and the same each time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace ashlar::fuzz {

class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  // The thread ends, and what it had cached goes back.
  ~Worker() {
    run(nullptr);
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs the task in the thread; returns when it is done.
  void run(std::function<void()> task) {
    std::unique_lock guard(mutex_);
    last_ = task == nullptr;
    task_ = std::move(task);
    given_ = true;
    changed_.notify_all();
    changed_.wait(guard, [this] { return !given_; });
  }

 private:
  void work() {
    std::unique_lock guard(mutex_);
    for (bool last = false; !last;) {
      changed_.wait(guard, [this] { return given_; });
      last = last_;
      if (!last) task_();
      given_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  bool given_ = false;
  bool last_ = false;
  std::thread thread_;
};

}  // namespace ashlar::fuzz
