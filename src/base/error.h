// Errors that a user or a caller can act on. The library throws them at its edges and never prints or aborts.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace glimt {

enum class ErrorKind {
  invalid_request,  // the caller asked for something impossible: a bad flag, a bad field, a bad prompt
  not_found,        // a file, model or tensor that is not there
  bad_file,         // a file that is there and cannot be used: truncated, malformed, of another model
  unsupported,      // well-formed, but glimt does not do it
  out_of_memory,    // over a memory or context budget
  overloaded,       // too much to do: the same may work later
  timeout,          // a deadline has passed
  cancelled,        // the caller gave up
  internal,         // the model or the engine broke: NaN logits, a failed self-test
};

// What `glimt` exits with: 2 for everything that the user can mend by changing the command line or the files,
// 1 for failures at run time, 130 for an interrupt.
int exit_code(ErrorKind kind);

// The word used in messages and in JSON, e.g. "bad_file".
std::string_view to_string(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws Error(kind, "where: message"). `where` is what the reader must look at: a file, a field, a flag.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, std::string_view where, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format("{}: {}", where, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace glimt
