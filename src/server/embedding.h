// Texts to vectors: the way of a request from its body to its answer.
#pragma once

#include "server/exchange.h"

#include <boost/asio/awaitable.hpp>

namespace glimt {

// Responds in any case; throws ClientGone alone.
asio::awaitable<void> embed(Exchange& exchange, const Embedded& route, const ApiOptions& options);

}  // namespace glimt
