// One HTTP request at a time, over libcurl. Redirects are answers like others: whoever asks decides where a token may
// go.
#pragma once

#include "base/error.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace glimt {

// The network's fault, which may be gone the next time: no connection, a cut, nothing for some seconds.
class NetworkError : public Error {
 public:
  explicit NetworkError(const std::string& message) : Error(ErrorKind::overloaded, message) {}
};

struct HttpGet {
  std::string url;
  std::string token;                                                            // sent as a bearer's; empty: none
  std::optional<std::pair<std::uint64_t, std::uint64_t>> range = std::nullopt;  // first and last byte
};

struct HttpHead {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const;  // empty if it is not there
  bool is_redirect() const;                           // to where `location` says
};

struct HttpLimits {
  std::chrono::seconds connect{10};
  std::chrono::seconds silence{10};  // without a byte
};

// Keeps its connections open for the next request. Used by one thread.
class HttpConnection {
 public:
  // Requests end with Error(cancelled) soon after `cancelled` is true, which outlives this.
  HttpConnection(HttpLimits limits, const std::atomic<bool>& cancelled);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // GET. `body` gets the answer's content in pieces, after the head is known; what it throws ends the request and comes
  // out. Throws NetworkError, also if the body is shorter than the head says.
  using Body = std::function<void(const HttpHead&, std::span<const std::byte>)>;
  HttpHead get(const HttpGet& request, const Body& body);

  struct State;  // what libcurl's callbacks see

 private:
  std::unique_ptr<State> state_;
};

// "https://host:443", for comparisons. Throws invalid_request for a URL without http or https, or with a user in it.
std::string origin_of(const std::string& url);

// An absolute URL from `location`, which may be relative to `base`. Throws as origin_of does.
std::string resolve_url(const std::string& base, const std::string& location);

// The same path and query at another origin.
std::string at_origin(const std::string& url, const std::string& origin);

// As a part of a path or query: what is not a letter, digit, '-', '.', '_' or '~' as %XX.
std::string url_quoted(std::string_view text);

}  // namespace glimt
