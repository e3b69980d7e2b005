// Signals as bytes of a pipe, so that one poll() waits for them and for everything else.
#pragma once

#include <vector>

namespace glimt::launch {

struct Signal {
  int number;          // SIGINT, SIGTERM, SIGHUP or SIGCHLD
  bool from_terminal;  // a key or a hangup, which every process of the foreground's group has got
};

// Catches SIGINT, SIGTERM, SIGHUP and SIGCHLD of this process while it lives, then restores what was there. At most one
// at a time. Throws internal.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const;              // becomes readable when there are any
  std::vector<Signal> take();  // those that have come since the last call; does not wait
};

}  // namespace glimt::launch
