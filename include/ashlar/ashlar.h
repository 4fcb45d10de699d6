/* Ashlar's public interface beyond malloc(3): statistics and control.
 *
 * Every function here may be called from any thread, allocates nothing and keeps errno unless it
 * says otherwise. Sizes are bytes.
 *
 * A program that links or preloads Ashlar calls these directly; one that may run without Ashlar
 * declares them weak. */
#ifndef ASHLAR_ASHLAR_H
#define ASHLAR_ASHLAR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASHLAR_MAX_CLASSES 96
#define ASHLAR_MAX_ORDERS 20
#define ASHLAR_OCCUPANCY_STEPS 11

/* One size class. live + bins + holes*... add up: see each field. */
struct ashlar_class_stats {
  size_t size;       /* bytes of a slot */
  size_t slabs;      /* slabs that exist */
  size_t slots;      /* slots in these slabs */
  size_t live_slots; /* slots handed to the program */
  size_t bin_slots;  /* slots waiting in thread caches */
  size_t free_slots; /* slots free in their slab; live + bin + free = slots */
  size_t slab_bytes; /* address space of the slabs */
  size_t resident;   /* bytes of it that are resident */
  /* Requested bytes against slot bytes, sampled at refills of thread caches: the class's
   * internal fragmentation is 1 - requested / granted. Both 0 before the first sample. */
  size_t sampled_requested;
  size_t sampled_granted;
  /* occupancy[i]: slabs whose share of taken slots, live or in bins, is in [i/10, (i+1)/10); the last:
   * full slabs. */
  size_t occupancy[ASHLAR_OCCUPANCY_STEPS];
};

/* Free blocks of one order (2^order pages of 4 KiB). */
struct ashlar_order_stats {
  size_t free_dirty;          /* free blocks of which a page may be resident */
  size_t free_clean;          /* free blocks that are not resident */
  double unusable_free_space; /* share of free memory in blocks below this order, 0 to 1 */
};

struct ashlar_stats {
  size_t struct_size; /* set by the caller to sizeof(struct ashlar_stats) */

  /* The ledger: resident bytes, layer by layer. Their sum is `accounted`. */
  size_t resident_live;     /* blocks handed to the program (slots and large blocks) */
  size_t resident_holes;    /* free slots and tails of slabs */
  size_t resident_bins;     /* slots waiting in thread caches */
  size_t resident_dirty;    /* free pages not yet returned */
  size_t resident_metadata; /* Ashlar's own tables (its static data counts as foreign) */
  size_t resident_foreign;  /* program text, stacks, other mappings: from the kernel, minus ours */
  size_t accounted;         /* the sum of the six */
  size_t kernel_rss;        /* RSS as the kernel counts it (/proc/self/statm) */

  /* Address space. */
  size_t window_reserved; /* reserved for the window, opened or not */
  size_t window_opened;   /* made accessible so far: the sum of the next three */
  size_t live_bytes;      /* live slots and large blocks in the window */
  size_t free_bytes;      /* free pages in the window, resident or not */
  size_t cached_bytes;    /* free slots, tails and bins */
  size_t direct_bytes;    /* blocks mapped directly, outside the window */
  size_t direct_blocks;
  size_t large_blocks; /* page-layer blocks in the window */
  size_t peak_opened;  /* window_opened, which falls only with source sbrk or under RLIMIT_AS,
                          + the highest direct_bytes */

  /* Returning memory. */
  size_t dirty_bytes;       /* free pages that may be resident, as the page layer counts them */
  size_t dirty_budget;      /* what the page layer allows itself at present */
  size_t purged_bytes;      /* returned by madvise, in all */
  size_t purged_again;      /* of these, taken back within the regret window */
  size_t hole_purged_bytes; /* of purged_bytes: pages of live slabs */
  size_t purge_calls;
  size_t purge_failures;

  /* Threads and forks. */
  size_t thread_caches; /* thread caches that exist */
  size_t lost_in_fork;  /* slots and large blocks lost with other threads' caches in forked children */

  double slab_fragmentation;     /* 1 - live slot bytes / resident slab bytes */
  double external_fragmentation; /* 1 - largest free block / free bytes, in the window */

  uint32_t classes; /* entries used in size_class */
  uint32_t orders;  /* entries used in order */
  struct ashlar_class_stats size_class[ASHLAR_MAX_CLASSES];
  struct ashlar_order_stats order[ASHLAR_MAX_ORDERS];
};

#if defined(__GNUC__) && defined(__cplusplus)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wshadow" /* a function and a struct of one name, as stat(2) and struct stat */
#endif
/* Fills *stats. Returns 0, or EINVAL when struct_size is not one that this library knows. While
 * other threads allocate, the numbers are a near-simultaneous reading; with none, they are exact.
 * Costs some 10 ns a page of the heap; takes no lock that an allocation waits for for long. */
int ashlar_stats(struct ashlar_stats* stats);
#if defined(__GNUC__) && defined(__cplusplus)
#pragma GCC diagnostic pop
#endif

/* Writes the statistics to a file descriptor as text or as JSON. Returns 0 or an errno value. */
int ashlar_stats_print(int fd);
int ashlar_stats_print_json(int fd);

/* Writes the effective configuration, one `key:value` a line with its origin. 0 or errno value. */
int ashlar_options_print(int fd);

/* Walks the whole heap and checks it. Returns 0 when all is well, otherwise the number of faults
 * found, each described on fd (fd < 0: silently). Call it while no other thread allocates. */
int ashlar_verify(int fd);

/* Gives all free memory back: this thread's bins, free pages, free pages of live slabs. Returns
 * the bytes given back. */
size_t ashlar_purge(void);

/* 1 if p lies in memory of this allocator's, else 0. */
int ashlar_owns(const void* p);

/* "0.1.0" */
const char* ashlar_version(void);

#ifdef __cplusplus
}
#endif
#endif
