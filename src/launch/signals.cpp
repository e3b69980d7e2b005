#include "launch/signals.h"

#include "base/pipe.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace glimt::launch {
namespace {

constexpr std::array kCaught = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
constexpr unsigned char kFromTerminal = 0x80;

std::atomic<int> write_end{-1};
int read_end = -1;
std::array<struct sigaction, kCaught.size()> previous;

// Only lock-free atomics and write() are allowed in a signal handler.
void on_signal(int number, siginfo_t* info, void*) {
  const int saved_errno = errno;
#ifdef SI_KERNEL
  const bool from_terminal = info != nullptr && info->si_code == SI_KERNEL;
#else
  const bool from_terminal = info != nullptr && info->si_pid == 0;
#endif
  const auto byte = static_cast<unsigned char>(number | (from_terminal ? kFromTerminal : 0));
  if (::write(write_end, &byte, 1) < 0) errno = saved_errno;  // a full pipe is readable already
  errno = saved_errno;
}

}  // namespace

Signals::Signals() {
  const Pipe pipe = open_pipe(PipeMode::not_blocking);
  read_end = pipe.read;
  write_end = pipe.write;
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (std::size_t i = 0; i < kCaught.size(); ++i) ::sigaction(kCaught[i], &action, &previous[i]);
}

Signals::~Signals() {
  for (std::size_t i = 0; i < kCaught.size(); ++i) ::sigaction(kCaught[i], &previous[i], nullptr);
  ::close(write_end.exchange(-1));
  ::close(read_end);
}

int Signals::fd() const { return read_end; }

std::vector<Signal> Signals::take() {
  std::vector<Signal> signals;
  unsigned char bytes[64];
  for (ssize_t count = 1; count > 0;) {
    count = ::read(read_end, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; ++i) {
      signals.push_back({bytes[i] & ~kFromTerminal, (bytes[i] & kFromTerminal) != 0});
    }
  }
  return signals;
}

}  // namespace glimt::launch
