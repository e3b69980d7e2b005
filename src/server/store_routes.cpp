#include "server/store_routes.h"

#include "api/ollama_models.h"
#include "api/wire.h"
#include "hub/store.h"
#include "hub/store_changes.h"
#include "server/requests.h"
#include "server/waiting.h"
#include "serving/model_names.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace glimt {
namespace {

// ---- who may ----

void check_may_change(const Service& service, const ApiKey* key, bool from_here) {
  const char* why = nullptr;
  if (service.options.fixed_models || !service.options.pulling) {
    why = "the models of this server are fixed";
  } else if (service.keys.required()) {
    if (key == nullptr || !key->changes_models())
      why = "this key may not change the models; models=change behind it in the file of keys lets it";
  } else if (!from_here) {
    why = "without a key only requests from this machine, to a loopback Host, may change the models";
  }
  if (why != nullptr)
    throw ApiError(ErrorKind::invalid_request, {.status = 403, .message = why, .param = {}, .code = {}});
}

void check_may_change(const Call& call) {
  check_may_change(call.service, call.key.get(), asks_from_here(call.request));
}

// ---- names ----

// Here names mean what they say: what a vendor's name stands for is not removed by it.
std::optional<StoredModel> stored(const Service& service, std::string_view name) {
  name = without_latest(name);
  for (StoredModel& model : service.models.list()) {
    if (model.name == name) return std::move(model);
  }
  return std::nullopt;
}

bool is_here(Service& service, const std::string& name) {
  try {
    return service.catalog.facts(service.models.find(name))->problem.empty();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return false;
  }
}

// ---- pulls ----

struct BegunPull {
  OllamaModelRequest request;
  std::unique_ptr<Pulls::Watch> watch;  // null: the model is here
};

// What the I/O thread cannot wait for: files, and the hub's settings.
struct PullStart {
  std::string body;
  Service& service;
  std::shared_ptr<const ApiKey> key;
  bool from_here;
  std::shared_ptr<Waker> waker;

  BegunPull operator()() const {
    BegunPull begun{parse_ollama_pull(object_of(body)), nullptr};
    if (is_here(service, begun.request.model)) return begun;
    check_may_change(service, key.get(), from_here);
    begun.watch = service.pulls.join(begun.request.model, service.options.pulling(), waker);
    return begun;
  }
};

// Of a pull, what was wrong with the hub or the disk is for the client too.
Problem pull_problem(const std::exception_ptr& error) {
  Problem problem = problem_of(error);
  try {
    std::rethrow_exception(error);
  } catch (const ApiError&) {
  } catch (const Error& known) {
    problem.message = known.what();
    if (known.kind() == ErrorKind::out_of_memory)
      problem = {.status = 507, .message = known.what(), .param = {}, .code = {}};
  } catch (...) {
  }
  return problem;
}

std::string line_of(const PullEvent& event) { return json_line(pull_event_json(event)); }

// Until the pull has ended. A stream that has nothing to say repeats what it said last.
asio::awaitable<void> follow(Exchange& exchange, Pulls::Watch& watch, bool streamed) {
  const auto patience = exchange.service().options.timeouts.keep_alive;
  auto next_sign = Connection::Clock::now() + patience;
  std::string last;
  for (bool ended = false; !ended;) {
    ended = watch.ended();
    std::string lines;
    for (const PullEvent& event : watch.news()) lines += last = line_of(event);
    if (lines.empty() && !ended && Connection::Clock::now() >= next_sign) lines = last;
    if (!lines.empty()) next_sign = Connection::Clock::now() + patience;
    if (streamed) exchange.send(lines);
    check_client(exchange);
    if (exchange.service().stopping) throw Error(ErrorKind::overloaded, "the server stops; what has arrived is kept");
    if (!ended) co_await exchange.connection().changed(next_sign);
  }
  watch.rethrow();
}

asio::awaitable<void> follow_whole(Exchange& exchange, const BegunPull& pull) {
  if (pull.watch) co_await follow(exchange, *pull.watch, false);
  exchange.respond({200, std::string(kJsonType), dump_json(ollama_pull_done()), ignored_fields(pull.request.ignored)});
}

asio::awaitable<void> follow_streamed(Exchange& exchange, const BegunPull& pull) {
  exchange.begin(kJsonLinesType, ignored_fields(pull.request.ignored));
  if (pull.watch) {
    co_await follow(exchange, *pull.watch, true);
  } else {
    exchange.send(line_of({.status = "pulling manifest"}) + json_line(ollama_pull_done()));
  }
  exchange.end();
}

asio::awaitable<void> pull_or_throw(Exchange& exchange) {
  PullStart start{std::move(exchange.request().body), exchange.service(), exchange.key,
                  asks_from_here(exchange.request()), exchange.connection().waker()};
  const BegunPull pull = co_await in_pool(exchange, std::move(start));
  exchange.record().model = pull.request.model;
  if (pull.request.stream) {
    co_await follow_streamed(exchange, pull);
  } else {
    co_await follow_whole(exchange, pull);
  }
}

}  // namespace

asio::awaitable<void> pull_model(Exchange& exchange) {
  const std::exception_ptr error = co_await failure_of(pull_or_throw(exchange));
  if (!error) co_return;
  log_failure(exchange, error);
  const Problem problem = pull_problem(error);
  if (!exchange.started()) {
    exchange.respond(problem);
    co_return;
  }
  exchange.service().outcomes.add_error(problem.status, exchange.request().path, problem.message);
  exchange.send(json_line(problem_body(Dialect::ollama, problem, exchange.id())));
  exchange.end();
}

HttpResponse copy_stored_model(const Call& call) {
  check_may_change(call);
  const OllamaCopyRequest asked = parse_ollama_copy(object_of(call.request.body));
  const std::optional<StoredModel> source = stored(call.service, asked.source);
  if (!source) throw ApiError(ErrorKind::not_found, model_not_found(asked.source));
  copy_model(source->folder.string(), asked.destination, store_folder(), model_places());
  return {200, {}, {}, ignored_fields(asked.ignored)};
}

HttpResponse delete_stored_model(const Call& call) {
  check_may_change(call);
  const OllamaModelRequest asked = parse_ollama_delete(object_of(call.request.body));
  const std::optional<StoredModel> model = stored(call.service, asked.model);
  try {
    remove_model(asked.model, store_folder(), model_places());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    throw ApiError(ErrorKind::not_found, model_not_found(asked.model));  // without the folders that were looked in
  }
  if (model) call.service.models.forget(model->folder);
  return {200, {}, {}, ignored_fields(asked.ignored)};
}

}  // namespace glimt
