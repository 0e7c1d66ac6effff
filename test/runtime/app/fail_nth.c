/* Preloaded: the FAIL_NTH-th request for memory of the process (from 0) fails, all others work. FAIL_REPORT: a
 * file descriptor that gets the number of requests when the process ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long nth = -1, requests;

__attribute__((constructor)) static void start(void) {
  const char *n = getenv("FAIL_NTH");
  nth = n ? atol(n) : -1;
}

static int fails(void) {
  if (__atomic_fetch_add(&requests, 1, __ATOMIC_RELAXED) != nth)
    return 0;
  errno = ENOMEM;
  return 1;
}

__attribute__((destructor)) static void stop(void) {
  const char *report = getenv("FAIL_REPORT");
  if (report)
    dprintf(atoi(report), "%ld", requests);
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails() ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return fails() ? NULL : __libc_memalign(a, n); }

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t offset) {
  static void *(*real)(void *, size_t, int, int, int, off_t);
  if (!real)
    real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
  return fails() ? MAP_FAILED : real(at, n, protection, flags, file, offset);
}
