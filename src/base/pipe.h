// A pipe of this process. Programs that it starts do not have the ends unless they are handed to them.
#pragma once

namespace glimt {

struct Pipe {
  int read = -1;
  int write = -1;
};

// Both ends are the caller's to close. Not blocking: neither a read nor a write waits. Throws internal.
enum class PipeMode { blocking, not_blocking };
Pipe open_pipe(PipeMode mode);

}  // namespace glimt
