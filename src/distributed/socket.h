// TCP connections of which no call waits for ever.
#pragma once

#include "distributed/place.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace glimt {

using SocketClock = std::chrono::steady_clock;

// A connection or a listening socket, closed with it. Movable.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd);  // takes it, and makes it non-blocking
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Throw invalid_request where the address cannot be used, internal for what the system says otherwise.
  static Socket listen(const Address& address);
  // One attempt; an empty socket when nobody answers yet.
  static Socket connect(const Address& address, SocketClock::time_point deadline);
  // An empty socket when nobody has come until the deadline.
  Socket accept(SocketClock::time_point deadline) const;

  bool empty() const { return fd_ < 0; }
  std::string peer() const;  // "10.0.0.2:41234"

  // Whether the call may go on waiting: asked every 100 ms.
  using Goes = std::function<bool()>;

  enum class Result {
    done,
    closed,   // by the other side, or the network says that it is gone
    stopped,  // `goes` said no
  };
  Result send_all(std::span<const std::byte> bytes, const Goes& goes) const;
  Result send_all(std::span<const std::byte> first, std::span<const std::byte> second, const Goes& goes) const;
  Result receive_all(std::span<std::byte> bytes, const Goes& goes) const;

  // As far as there is room at once: all of it, or nothing (stopped). Closed if the system took a part.
  Result send_now(std::span<const std::byte> bytes) const;

  // The other side has closed, and nothing is left to read.
  bool is_closed() const;

  void finish_sending() const;  // the other side reads to the end of what was sent

 private:
  int fd_ = -1;
};

// For Goes: until then.
Socket::Goes until(SocketClock::time_point deadline);

}  // namespace glimt
