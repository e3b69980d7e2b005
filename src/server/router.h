// Which function answers which request: one table.
#pragma once

#include "api/embeddings_request.h"
#include "api/endpoint.h"
#include "api/ollama_embed.h"
#include "server/http_message.h"
#include "server/service.h"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace glimt {

class Exchange;

// One request for a handler that answers at once.
struct Call {
  const HttpRequest& request;
  std::string parameter;  // what stands in the path where the pattern has {…}
  Dialect dialect;
  Service& service;
  ApiOptions api;
  std::shared_ptr<const ApiKey> key;  // null where none is needed
};

using Handler = HttpResponse (*)(const Call&);  // may throw: problem_of

struct Quick {  // on the I/O thread: microseconds, and never waits
  Handler handle;
};
struct Worked {  // on the pool
  Handler handle;
};
struct Changed {  // on the thread that changes the store
  Handler handle;
};
struct Waited {  // on the I/O thread, where it waits for others; responds in any case, and throws ClientGone alone
  boost::asio::awaitable<void> (*respond)(Exchange& exchange);
};
struct Modelled {                            // on the pool, with a model that is loaded
  std::string (*model)(const HttpRequest&);  // its name as asked for
  HttpResponse (*handle)(const Call&, const ServedModel&);
};
struct Answered {  // an answer of the model, perhaps streamed
  ParseRequest parse;
};
struct Counted {  // the tokens of the prompt that `parse` gives, and no answer
  ParseRequest parse;
  json::object (*respond)(std::size_t tokens);
};
// A request for vectors, and its answer.
struct EmbeddingsCall {
  EmbeddingsRequest request;
  std::function<json::object(std::string_view model, Vectors vectors, std::size_t prompt_tokens,
                             const EmbeddingsTimes& times)>
      answer;
};
struct Embedded {
  EmbeddingsCall (*parse)(const json::object& body, const ApiOptions& options);
};

struct Route {
  std::string_view method;  // HEAD follows from GET
  std::string_view path;    // "/v1/models/{id}": one or more characters, also slashes. Wider ones come last
  Dialect dialect;
  std::variant<Quick, Worked, Changed, Waited, Modelled, Answered, Counted, Embedded> handler;
  bool needs_key = true;
};

std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;  // null: none has this path and method
  std::string parameter;
  std::string allow;  // the methods of the path, for 405; empty: no route has this path
};

// The table's paths also count without "/v1" in front: base URLs are often given without it.
Match find_route(std::span<const Route> routes, std::string_view method, std::string_view path);

// Of a path, also of an unknown one: what an error is told in.
Dialect dialect_of(const HttpRequest& request);

}  // namespace glimt
