// What gdb looks at in gdb_test.py: four threads that build lists and then wait, and a main thread that frees,
// forks and crashes last. The same in every run; no address is printed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kThreads = 4, kNodes = 500 };

struct node {
  struct node* next;
  int value;
  char text[40];
};

struct worker {
  pthread_t thread;
  int number;
  struct node* list;
};

static struct worker workers[kThreads];
static pthread_barrier_t built;
static pthread_barrier_t looked_at;
int watched = 0;

// 1 if Ashlar owns the block, or isn't here. For gdb to call.
int in_order(void* block) {
  int (*owns)(const void*) = (int (*)(const void*))dlsym(RTLD_DEFAULT, "ashlar_owns");
  return block != NULL && (owns == NULL || owns(block) == 1);
}

// For gdb to call: blocks of all sizes, each written in full.
long churn(int rounds) {
  char* kept[64] = {0};
  long sum = 0;
  for (int i = 0; i < rounds; i++) {
    const int place = i * 31 % 64;
    const size_t size = 1 + (size_t)i * 7919 % (i % 50 == 0 ? 3000000 : 3000);
    if (kept[place] != NULL) sum += kept[place][0];
    free(kept[place]);
    kept[place] = malloc(size);
    memset(kept[place], i % 100, size);
  }
  for (int i = 0; i < 64; i++) free(kept[i]);
  return sum;
}

static struct node* grow(struct node* list, int value) {
  struct node* node = calloc(1, sizeof *node);
  node->next = list;
  node->value = value;
  snprintf(node->text, sizeof node->text, "node %d", value);
  return node;
}

int length(const struct node* list) {
  int count = 0;
  for (; list != NULL; list = list->next) count++;
  return count;
}

// For gdb to call with a string, for which it allocates in the program.
int letters(const char* text) {
  return (int)strlen(text);
}

static void wait_here(void) {
  pthread_barrier_wait(&built);
  pthread_barrier_wait(&looked_at);
}

static void* work(void* argument) {
  struct worker* self = argument;
  for (int i = 0; i < kNodes; i++) self->list = grow(self->list, self->number * 1000 + i);
  wait_here();
  return self->list;
}

void all_built(void) {}

static int freed_by_main(void) {
  int count = 0;
  for (int i = 0; i < kThreads; i++) {
    for (struct node* node = workers[i].list; node != NULL; count++) {
      struct node* next = node->next;
      free(node);
      node = next;
    }
  }
  watched = count;
  return count;
}

int main(void) {
  pthread_barrier_init(&built, NULL, kThreads + 1);
  pthread_barrier_init(&looked_at, NULL, kThreads + 1);
  for (int i = 0; i < kThreads; i++) {
    workers[i].number = i;
    pthread_create(&workers[i].thread, NULL, work, &workers[i]);
  }
  pthread_barrier_wait(&built);
  all_built();
  pthread_barrier_wait(&looked_at);
  for (int i = 0; i < kThreads; i++) pthread_join(workers[i].thread, NULL);
  const int count = freed_by_main();
  if (fork() == 0) _exit((int)(churn(1000) % 50));
  int status = 0;
  wait(&status);
  printf("freed %d, the child ended with %d\n", count, WEXITSTATUS(status));
  fflush(stdout);
  raise(SIGSEGV);
}
