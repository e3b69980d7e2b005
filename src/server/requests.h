// What every way of a request begins and ends with.
#pragma once

#include "server/exchange.h"

#include <boost/asio/awaitable.hpp>

#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace glimt {

json::object object_of(std::string_view body);  // throws invalid_request for anything else

// A model, loaded if it is not there. Throws what ModelManager::acquire tells, and what wait_for throws, which calls
// `while_waiting`.
asio::awaitable<ModelLease> acquire(Exchange& exchange, std::string name, KeepAlive keep_alive,
                                    std::function<void()> while_waiting = {});

// A client is not told what broke inside of the server; its log is.
void log_failure(Exchange& exchange, const std::exception_ptr& error);

// What `work` throws, or null. ClientGone alone goes on. (A coroutine cannot wait in a handler of exceptions.)
asio::awaitable<std::exception_ptr> failure_of(asio::awaitable<void> work);

// What `handling` throws becomes a response, if none has begun. ClientGone alone goes on.
asio::awaitable<void> respond_to_errors(Exchange& exchange, asio::awaitable<void> handling);

}  // namespace glimt
