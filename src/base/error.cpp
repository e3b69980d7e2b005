#include "base/error.h"

namespace glimt {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_request:
    case ErrorKind::not_found:
    case ErrorKind::bad_file:
    case ErrorKind::unsupported: return 2;
    case ErrorKind::cancelled: return 130;
    case ErrorKind::out_of_memory:
    case ErrorKind::overloaded:
    case ErrorKind::timeout:
    case ErrorKind::internal: return 1;
  }
  return 1;
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_request: return "invalid_request";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::bad_file: return "bad_file";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::out_of_memory: return "out_of_memory";
    case ErrorKind::overloaded: return "overloaded";
    case ErrorKind::timeout: return "timeout";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

}  // namespace glimt
