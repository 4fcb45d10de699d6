/* malloc(3) under names of Ashlar's own, for use beside the process's malloc.
 *
 * Defined by libashlar_api.a and libashlar_dl.so, which define no other names than ashlar_...: the
 * process keeps its malloc, and what is allocated here comes from a heap of its own. A block belongs to
 * the functions that it came from: ashlar_free takes no block of malloc, nor free one of ashlar_malloc.
 *
 * libashlar.so.1, libashlar.a and ashlar.o are Ashlar as the process's malloc, under the usual names.
 *
 * Every function behaves as its namesake in glibc, errors and errno included. Any thread; sizes and
 * alignments are bytes; every block is aligned to 16 at least. See ashlar(3). */
#ifndef ASHLAR_MALLOC_H
#define ASHLAR_MALLOC_H

#include <malloc.h> /* struct mallinfo2 */
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the compiler may know of them. */
#ifndef ASHLAR_NOTHROW
#define ASHLAR_NOTHROW __attribute__((__nothrow__))
#endif
/* The numbers of the arguments that the size is the product of; C89 has no macros of any number of them. */
#define ASHLAR_ALLOCATES(size) \
  ASHLAR_NOTHROW __attribute__((__malloc__, __warn_unused_result__, __alloc_size__(size)))
#define ASHLAR_ALLOCATES_ARRAY(count, size) \
  ASHLAR_NOTHROW __attribute__((__malloc__, __warn_unused_result__, __alloc_size__(count, size)))
#define ASHLAR_RESIZES(size) ASHLAR_NOTHROW __attribute__((__warn_unused_result__, __alloc_size__(size)))
#define ASHLAR_RESIZES_ARRAY(count, size) \
  ASHLAR_NOTHROW __attribute__((__warn_unused_result__, __alloc_size__(count, size)))

void* ashlar_malloc(size_t size) ASHLAR_ALLOCATES(1);
void* ashlar_calloc(size_t count, size_t size) ASHLAR_ALLOCATES_ARRAY(1, 2);
void* ashlar_realloc(void* p, size_t size) ASHLAR_RESIZES(2);
void* ashlar_reallocarray(void* p, size_t count, size_t size) ASHLAR_RESIZES_ARRAY(2, 3);
void ashlar_free(void* p) ASHLAR_NOTHROW;
/* As in C23; a wrong size or alignment is harmless. */
void ashlar_free_sized(void* p, size_t size) ASHLAR_NOTHROW;
void ashlar_free_aligned_sized(void* p, size_t alignment, size_t size) ASHLAR_NOTHROW;

void* ashlar_aligned_alloc(size_t alignment, size_t size) ASHLAR_ALLOCATES(2);
int ashlar_posix_memalign(void** result, size_t alignment, size_t size) ASHLAR_NOTHROW;
void* ashlar_memalign(size_t alignment, size_t size) ASHLAR_ALLOCATES(2);
void* ashlar_valloc(size_t size) ASHLAR_ALLOCATES(1);
void* ashlar_pvalloc(size_t size) ASHLAR_NOTHROW;

char* ashlar_strdup(const char* text) ASHLAR_NOTHROW;
char* ashlar_strndup(const char* text, size_t length) ASHLAR_NOTHROW;

/* Bytes that the block may be written in, at least what was asked for. */
size_t ashlar_malloc_usable_size(void* p) ASHLAR_NOTHROW;

/* Gives free memory back to the system: 1 if some went back, else 0. */
int ashlar_malloc_trim(size_t pad) ASHLAR_NOTHROW;

/* glibc's reports of this heap; ashlar/ashlar.h tells more. */
struct mallinfo2 ashlar_mallinfo2(void) ASHLAR_NOTHROW;
int ashlar_malloc_info(int options, FILE* stream) ASHLAR_NOTHROW;
void ashlar_malloc_stats(void) ASHLAR_NOTHROW;

#ifdef __cplusplus
}
#endif
#endif
