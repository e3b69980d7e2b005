// Bytes of a connection to HTTP requests, strictly: whatever two servers could read as different requests is an error.
#pragma once

#include "server/http_message.h"
#include "server/limits.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// One request. Knows no socket; not thread-safe.
class RequestReader {
 public:
  explicit RequestReader(const ServerLimits& limits);
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;

  enum class State {
    header,  // is not complete
    body,    // the header is complete, the body not yet
    done,
    failed,  // by problem(); nothing more can be read from this connection
  };

  // Takes bytes from the front of `bytes` and returns how many; what is left comes again with more behind it. Takes
  // none of the next request's. From header to body it stops in between, so that a request may be refused first.
  std::size_t feed(std::string_view bytes);

  State state() const;
  const Problem& problem() const;  // of State::failed

  // Complete but for its body in State::body.
  HttpRequest& request();

  bool expects_continue() const;                   // 100 (Continue) is waited for
  std::optional<std::uint64_t> announced() const;  // Content-Length
  void discard_body();                             // reads it and keeps nothing

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace glimt
