#include "fibre.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

// Saves the registers that a call keeps, *save = stack pointer, and goes on at `to`.
extern "C" void ashlar_model_switch(void** save, void* to);
__asm__(R"(
  .text
  .globl ashlar_model_switch
  .type ashlar_model_switch, @function
ashlar_model_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size ashlar_model_switch, .-ashlar_model_switch
)");

namespace ashlar::model {

namespace {

constexpr unsigned long kFsgsbase = 2;  // of AT_HWCAP2: the program may write the register itself

Fibre* g_running = nullptr;
void* g_explorer_stack = nullptr;
uintptr_t g_explorer_thread = 0;

uintptr_t thread_pointer() {
  uintptr_t value;
  __asm__("movq %%fs:0, %0" : "=r"(value));
  return value;
}

void set_thread_pointer(uintptr_t value) {
  static const bool direct = (getauxval(AT_HWCAP2) & kFsgsbase) != 0;
  if (direct) {
    __asm__ volatile("wrfsbase %0" : : "r"(value) : "memory");
  } else {
    syscall(SYS_arch_prctl, ARCH_SET_FS, value);
  }
}

struct Sleeper {
  sem_t ready;
  uintptr_t thread_pointer;
};

// Lends its thread-local storage and sleeps as long as the process lives.
void* sleep_for_ever(void* argument) {
  Sleeper* const self = static_cast<Sleeper*>(argument);
  self->thread_pointer = thread_pointer();
  sem_post(&self->ready);
  for (;;)
    pause();
}

uintptr_t start_sleeper() {
  Sleeper sleeper{};
  sem_init(&sleeper.ready, 0, 0);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, sleep_for_ever, &sleeper) != 0) {
    std::perror("model: no thread for a fibre's storage");
    std::exit(2);
  }
  pthread_detach(thread);
  while (sem_wait(&sleeper.ready) != 0) {
  }
  return sleeper.thread_pointer;
}

}  // namespace

Fibre::~Fibre() {
  if (stack_ != 0) munmap(reinterpret_cast<void*>(stack_), kStackBytes);
}

void Fibre::make() {
  void* const stack =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) {
    std::perror("model: no stack for a fibre");
    std::exit(2);
  }
  stack_ = reinterpret_cast<uintptr_t>(stack);
  thread_pointer_ = start_sleeper();
}

void Fibre::begin() {
  g_running->body_();
  g_running->finished_ = true;
  g_running->suspend();
  std::abort();  // nobody resumes a fibre that has finished
}

void Fibre::prepare(void (*body)()) {
  if (stack_ == 0) make();
  body_ = body;
  finished_ = false;
  // As if `begin` had been called: six registers, its address, and a frame aligned as the ABI wants it.
  void** top = reinterpret_cast<void**>(stack_ + kStackBytes) - 1;
  *--top = reinterpret_cast<void*>(&Fibre::begin);
  for (int i = 0; i < 6; ++i)
    *--top = nullptr;
  stack_pointer_ = top;
}

bool Fibre::resume() {
  g_running = this;
  g_explorer_thread = thread_pointer();
  set_thread_pointer(thread_pointer_);
  ashlar_model_switch(&g_explorer_stack, stack_pointer_);
  set_thread_pointer(g_explorer_thread);
  return !finished_;
}

void Fibre::suspend() { ashlar_model_switch(&stack_pointer_, g_explorer_stack); }

}  // namespace ashlar::model
