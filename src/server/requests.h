// What every way of a request begins and ends with.
#pragma once

#include "server/exchange.h"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace glimt {

json::object object_of(std::string_view body);  // throws invalid_request for anything else

// What is done each time that a client has waited for so long.
struct Meanwhile {
  std::function<void()> act;
  std::chrono::milliseconds every{10'000};
};

// A model, loaded if it is not there. Throws what ModelManager::acquire tells, and what wait_for throws.
asio::awaitable<ModelLease> acquire(Exchange& exchange, std::string name, KeepAlive keep_alive,
                                    Meanwhile meanwhile = {});

// Of an engine that hangs no event would ever come: throws internal.
void check_engine(const ModelLease& lease);

// Throws ClientGone if the client has gone, or does not read what it is sent.
void check_client(Exchange& exchange);

// A client is not told what broke inside of the server; its log is.
void log_failure(Exchange& exchange, const std::exception_ptr& error);

// What `work` throws, or null. ClientGone alone goes on. (A coroutine cannot wait in a handler of exceptions.)
asio::awaitable<std::exception_ptr> failure_of(asio::awaitable<void> work);

// What `handling` throws becomes a response, if none has begun. ClientGone alone goes on.
asio::awaitable<void> respond_to_errors(Exchange& exchange, asio::awaitable<void> handling);

}  // namespace glimt
