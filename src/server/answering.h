// The way of a request that wants an answer of the model: read, model, prompt, place in the queue, events.
#pragma once

#include "server/exchange.h"

#include <boost/asio/awaitable.hpp>

namespace glimt {

// All of them respond to the exchange in any case, and throw ClientGone alone.
asio::awaitable<void> answer(Exchange& exchange, const Answered& route, const ApiOptions& options);
asio::awaitable<void> count_tokens(Exchange& exchange, const Counted& route, const ApiOptions& options);

// The responses of handlers that run on a pool.
asio::awaitable<void> work(Exchange& exchange, WorkerPool& pool, Handler handle, const Call& call);
asio::awaitable<void> work_with_model(Exchange& exchange, const Modelled& route, const Call& call);

}  // namespace glimt
