// How a coroutine of the I/O thread waits for what other threads do.
#pragma once

#include "server/exchange.h"
#include "server/requests.h"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace glimt {

// A result that another thread brings, once. It may outlive the one that waits for it.
template <typename T>
class Awaited {
 public:
  explicit Awaited(std::shared_ptr<Waker> waiter) : waiter_(std::move(waiter)) {}

  void bring(T value) {
    value_.emplace(std::move(value));
    tell();
  }
  void bring(std::exception_ptr error) {
    error_ = std::move(error);
    tell();
  }

  bool there() const { return there_.load(std::memory_order_acquire); }
  T take() {
    if (error_) std::rethrow_exception(error_);
    return std::move(*value_);
  }

 private:
  void tell() {
    there_.store(true, std::memory_order_release);
    waiter_->post();
  }

  std::shared_ptr<Waker> waiter_;
  std::optional<T> value_;
  std::exception_ptr error_;
  std::atomic<bool> there_ = false;
};

// Throws ClientGone if the client goes meanwhile, overloaded if the server's time is up, and what was brought. Does
// what is to be done meanwhile as often as it says.
template <typename T>
asio::awaitable<T> wait_for(Exchange& exchange, std::shared_ptr<Awaited<T>> result, Meanwhile meanwhile = {}) {
  const auto patience = meanwhile.every;
  auto next = Connection::Clock::now() + patience;
  while (!result->there()) {
    if (exchange.connection().ended()) throw ClientGone{};
    if (exchange.service().stopped) throw Error(ErrorKind::overloaded, "the server stops");
    co_await exchange.connection().changed(next);
    if (result->there() || Connection::Clock::now() < next) continue;
    if (meanwhile.act) meanwhile.act();
    next = Connection::Clock::now() + patience;
  }
  co_return result->take();
}

// What `work` returns, computed on a pool. It must own what it uses. Throws overloaded if too many wait for the pool.
template <typename Work>
asio::awaitable<std::invoke_result_t<Work&>> in_pool(Exchange& exchange, WorkerPool& pool, Work work) {
  using Result = std::invoke_result_t<Work&>;
  auto result = std::make_shared<Awaited<Result>>(exchange.connection().waker());
  const bool taken = pool.post([result, work = std::move(work)]() mutable {
    try {
      result->bring(work());
    } catch (...) {
      result->bring(std::current_exception());
    }
  });
  if (!taken) {
    throw ApiError(ErrorKind::overloaded, over_limit(exchange.service().options.limits, "queued_jobs"));
  }
  co_return co_await wait_for(exchange, result);
}

template <typename Work>
asio::awaitable<std::invoke_result_t<Work&>> in_pool(Exchange& exchange, Work work) {
  return in_pool(exchange, exchange.service().pool, std::move(work));
}

}  // namespace glimt
