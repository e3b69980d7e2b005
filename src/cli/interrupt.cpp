#include "cli/interrupt.h"

#include "base/pipe.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace glimt {
namespace {

constexpr int kPatience = 3;
constexpr int kInterruptStatus = 130;

// Only lock-free atomics and write() are allowed in a signal handler.
std::atomic<int> presses{0};
std::atomic<int> write_end{-1};
int read_end = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void on_interrupt(int) {
  const int saved_errno = errno;
  if (++presses >= kPatience) ::_exit(kInterruptStatus);
  const char byte = 0;
  if (::write(write_end, &byte, 1) < 0) errno = saved_errno;  // a full pipe is readable already
  errno = saved_errno;
}

}  // namespace

void catch_interrupts() {
  if (read_end >= 0) return;
  const Pipe pipe = open_pipe(PipeMode::not_blocking);
  read_end = pipe.read;
  write_end = pipe.write;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;  // a read or write in progress goes on; loops ask interrupted()
  ::sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return presses > 0; }

void clear_interrupt() {
  presses = 0;
  char bytes[16];
  while (read_end >= 0 && ::read(read_end, bytes, sizeof bytes) > 0) {
  }
}

int interrupt_fd() { return read_end; }

}  // namespace glimt
