#include "engine/refusal_error.h"

namespace glimt {

std::exception_ptr error_of(ErrorKind kind, const char* message) {
  return std::make_exception_ptr(Error(kind, message));
}

std::exception_ptr error_of(Refusal why) {
  switch (why) {
    case Refusal::queue_full: return error_of(ErrorKind::overloaded, "engine: too many requests wait; try again later");
    case Refusal::too_large:
      return error_of(ErrorKind::out_of_memory, "prompt: does not fit the cache memory; give the engine more of it");
    case Refusal::expired: return error_of(ErrorKind::timeout, "request: its deadline has passed");
    case Refusal::out_of_blocks:
      return error_of(ErrorKind::out_of_memory, "answer: has filled the cache memory; give the engine more of it");
  }
  return error_of(ErrorKind::internal, "engine: refused");
}

}  // namespace glimt
