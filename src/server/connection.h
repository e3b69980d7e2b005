// One connection of a client, plain or TLS: bytes that came, bytes that go, and the news about both.
#pragma once

#include "server/waker.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {

namespace asio = boost::asio;

// Reads all the time, also while an answer is written, so that a client that goes is seen at once. Used by the
// I/O thread alone; what waker() returns, by any.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  using Socket = asio::ip::tcp::socket;

  // `tls` is null for plain HTTP. Not read from before start().
  Connection(Socket socket, std::shared_ptr<asio::ssl::context> tls, const std::shared_ptr<IoGate>& gate);

  void start();                                          // REQUIRES a shared_ptr that owns it
  const std::string& client() const { return client_; }  // its address, without the port

  // Returns when something happened since the last call, or at `deadline`.
  asio::awaitable<void> changed(Clock::time_point deadline);
  void wake();  // something has happened
  const std::shared_ptr<Waker>& waker() const { return waker_; }

  // What came and was not taken; no more is read while it is kInputBytes.
  std::string_view input() const { return input_; }
  void take(std::size_t bytes);
  bool ended() const { return ended_; }    // the client has closed its side, or the connection is broken
  bool broken() const { return broken_; }  // nothing can be written any more
  void discard_input();                    // from now on; for the time before the end

  // Sends, behind what was not sent yet. The bytes wait in memory: look at unsent().
  void write(std::string_view bytes);
  std::size_t unsent() const { return output_.size() + sending_.size(); }
  std::size_t sent() const { return sent_; }

  // Whether bytes wait and the client has taken none since `then`.
  bool stuck_since(Clock::time_point then) const { return unsent() > 0 && progress_ < then; }

  void end_output();  // close_notify or FIN; call it once nothing is unsent
  void close();       // at once

  static constexpr std::size_t kInputBytes = std::size_t{64} << 10;

 private:
  asio::awaitable<void> read_all(std::shared_ptr<Connection> self);
  asio::awaitable<void> write_all(std::shared_ptr<Connection> self);
  asio::awaitable<void> say_goodbye(std::shared_ptr<Connection> self);
  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> read_some();
  asio::awaitable<bool> write_some(std::string_view bytes, std::size_t& written);

  Socket socket_;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::unique_ptr<asio::ssl::stream<Socket&>> tls_;
  asio::steady_timer changed_, room_, work_;
  bool woken_ = false, ended_ = false, broken_ = false, discards_ = false, secured_ = false;
  std::shared_ptr<IoGate> gate_;
  std::shared_ptr<Waker> waker_;
  std::string client_, input_, output_, sending_;
  std::size_t sent_ = 0;
  Clock::time_point progress_ = Clock::now();
};

}  // namespace glimt
