// Ollama's endpoints that change which models there are.
#pragma once

#include "server/exchange.h"

#include <boost/asio/awaitable.hpp>

namespace glimt {

// POST /api/pull: of a model that is here, there is nothing to do, and everybody may ask for it. Else the model is got
// from the hub as long as a client waits for it. Responds in any case; throws ClientGone alone.
asio::awaitable<void> pull_model(Exchange& exchange);

// Both on the thread that changes the store. Not for everybody: forbidden (403) unless the key's line says
// models=change, or no key is needed and the request comes from this machine.
HttpResponse copy_stored_model(const Call& call);    // POST /api/copy
HttpResponse delete_stored_model(const Call& call);  // DELETE /api/delete

}  // namespace glimt
