#include "base/pipe.h"

#include "base/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace glimt {

Pipe open_pipe(PipeMode mode) {
  int ends[2];
  if (::pipe(ends) != 0) fail(ErrorKind::internal, "pipe", "{}", std::strerror(errno));
  for (const int end : ends) {
    if (mode == PipeMode::not_blocking) ::fcntl(end, F_SETFL, O_NONBLOCK);
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
  return {ends[0], ends[1]};
}

}  // namespace glimt
