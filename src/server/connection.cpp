#include "server/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <utility>

namespace glimt {
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadBytes = std::size_t{16} << 10;
constexpr auto kNever = asio::steady_timer::time_point::max();

}  // namespace

Connection::Connection(Socket socket, std::shared_ptr<asio::ssl::context> tls, const std::shared_ptr<IoGate>& gate)
    : socket_(std::move(socket)),
      tls_context_(std::move(tls)),
      changed_(socket_.get_executor()),
      room_(socket_.get_executor()),
      work_(socket_.get_executor()),
      gate_(gate) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto peer = socket_.remote_endpoint(ignored);
  if (!ignored) client_ = peer.address().to_string();
  if (tls_context_) tls_ = std::make_unique<asio::ssl::stream<Socket&>>(socket_, *tls_context_);
}

void Connection::start() {
  waker_ = std::make_shared<Waker>(gate_, [weak = weak_from_this()] {
    if (const auto alive = weak.lock()) alive->wake();
  });
  asio::co_spawn(socket_.get_executor(), read_all(shared_from_this()), asio::detached);
}

asio::awaitable<void> Connection::changed(Clock::time_point deadline) {
  if (!woken_) {
    changed_.expires_at(deadline);
    co_await changed_.async_wait(kToken);
  }
  woken_ = false;
}

void Connection::wake() {
  woken_ = true;
  changed_.cancel();
}

void Connection::take(std::size_t bytes) {
  input_.erase(0, bytes);
  room_.cancel();
}

void Connection::discard_input() {
  discards_ = true;
  take(input_.size());
}

void Connection::write(std::string_view bytes) {
  if (broken_ || bytes.empty()) return;
  if (unsent() == 0) progress_ = Clock::now();
  output_.append(bytes);
  work_.cancel();
}

void Connection::end_output() {
  if (secured_) {
    asio::co_spawn(socket_.get_executor(), say_goodbye(shared_from_this()), asio::detached);
    return;
  }
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  ended_ = broken_ = true;
  output_.clear();
  room_.cancel();
  work_.cancel();
  wake();
}

asio::awaitable<bool> Connection::shake_hands() {
  if (!tls_) co_return true;
  const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::server, kToken);
  secured_ = !error;
  co_return !error;
}

// Without close_notify a client cannot know that nothing was cut off. Ends when the client has answered it or has gone,
// or with close().
asio::awaitable<void> Connection::say_goodbye([[maybe_unused]] std::shared_ptr<Connection> self) {
  const auto [ignored] = co_await tls_->async_shutdown(kToken);
  static_cast<void>(ignored);
}

asio::awaitable<bool> Connection::read_some() {
  std::array<char, kReadBytes> bytes;
  boost::system::error_code error;
  std::size_t n = 0;
  if (tls_) {
    std::tie(error, n) = co_await tls_->async_read_some(asio::buffer(bytes), kToken);
  } else {
    std::tie(error, n) = co_await socket_.async_read_some(asio::buffer(bytes), kToken);
  }
  if (!discards_) input_.append(bytes.data(), n);
  co_return !error;
}

asio::awaitable<void> Connection::read_all(std::shared_ptr<Connection> self) {
  const bool open = co_await shake_hands();
  if (open) {
    asio::co_spawn(socket_.get_executor(), write_all(self), asio::detached);
    while (co_await read_some()) {
      wake();
      while (input_.size() >= kInputBytes && !ended_) {
        room_.expires_at(kNever);
        co_await room_.async_wait(kToken);
      }
    }
  }
  ended_ = true;
  if (!open) broken_ = true;
  wake();
}

asio::awaitable<bool> Connection::write_some(std::string_view bytes, std::size_t& written) {
  boost::system::error_code error;
  if (tls_) {
    std::tie(error, written) = co_await tls_->async_write_some(asio::buffer(bytes), kToken);
  } else {
    std::tie(error, written) = co_await socket_.async_write_some(asio::buffer(bytes), kToken);
  }
  co_return !error;
}

asio::awaitable<void> Connection::write_all([[maybe_unused]] std::shared_ptr<Connection> self) {
  while (!broken_) {
    if (output_.empty()) {
      work_.expires_at(kNever);
      co_await work_.async_wait(kToken);
      continue;
    }
    sending_ = std::exchange(output_, {});
    std::string_view rest = sending_;
    while (!rest.empty() && !broken_) {
      std::size_t n = 0;
      if (!co_await write_some(rest, n)) broken_ = true;
      rest.remove_prefix(n);
      sent_ += n;
      progress_ = Clock::now();
    }
    sending_.clear();
    wake();
  }
  sending_.clear();
  output_.clear();
  wake();
}

}  // namespace glimt
