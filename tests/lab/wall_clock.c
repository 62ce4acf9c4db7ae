// Preloaded into a program, moves its wall clock by the seconds in the file WALL_CLOCK (8 bytes, mapped: a step is seen at once), and
// nothing else. libfaketime 0.9.10 is not used: it shifts what timerfd_settime and pthread_cond_timedwait are given, also for the
// steady clock and for programs that read the time past it, so that timers of Boost.Asio and waits of chDB never end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* ahead_s;  // null: the clock of the machine

__attribute__((constructor)) static void map_clock(void) {
  const char* file = getenv("WALL_CLOCK");
  const char* program = getenv("WALL_CLOCK_OF");  // not who starts it, nor whom it starts
  if (file == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0) return;
  const int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  void* mapped = descriptor < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead_s, PROT_READ, MAP_SHARED, descriptor, 0);
  if (mapped == MAP_FAILED) abort();
  close(descriptor);
  ahead_s = mapped;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (failed == 0 && ahead_s != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead_s;
  return failed;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* copy) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (copy != NULL) *copy = now.tv_sec;
  return now.tv_sec;
}
