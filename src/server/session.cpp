#include "server/session.h"

#include "server/answering.h"
#include "server/embedding.h"
#include "server/request_reader.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

using Clock = Connection::Clock;

constexpr std::uint64_t kMostDiscarded = std::uint64_t{1} << 20;  // of a refused request's body, to keep the connection

// The bytes of a body count among those of all requests from when they are announced until they are answered.
class BodyShare {
 public:
  explicit BodyShare(std::atomic<std::size_t>& total) : total_(total) {}
  ~BodyShare() { total_ -= bytes_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  void grow_to(std::size_t bytes) {
    if (bytes <= bytes_) return;
    total_ += bytes - bytes_;
    bytes_ = bytes;
  }

 private:
  std::atomic<std::size_t>& total_;
  std::size_t bytes_ = 0;
};

class Session {
 public:
  Session(Connection& connection, Service& service) : connection_(connection), service_(service) {}

  asio::awaitable<void> run() {
    bool more = true;  // g++ 12 compiles `co_await` behind && or in ?: wrongly
    while (more && !service_.stopping) more = co_await serve_one();
    co_await flush();
    connection_.end_output();
    co_await linger();
  }

 private:
  const Timeouts& timeouts() const { return service_.options.timeouts; }

  // One request and its response. False: no other one can follow.
  asio::awaitable<bool> serve_one() {
    if (!co_await wait_for_bytes()) co_return false;
    RequestReader reader(service_.options.limits);
    BodyShare share(service_.body_bytes);
    co_await read_until(reader, RequestReader::State::body, Clock::now() + timeouts().header, share);
    if (reader.state() == RequestReader::State::header) co_return refuse_unread(reader);
    if (reader.state() == RequestReader::State::failed) co_return refuse(reader, reader.problem());
    Exchange exchange(connection_, service_, std::move(reader.request()));
    const std::optional<HttpResponse> refusal = admit(exchange);
    bool whole = false;
    if (refusal) {
      whole = co_await discard(reader, exchange, share);
    } else {
      whole = co_await read_body(reader, exchange, share);
    }
    if (!whole) exchange.close_afterwards();
    if (refusal) {
      exchange.respond(*refusal);
    } else if (whole) {
      co_await handle(exchange);
    }
    co_return exchange.keep_alive();
  }

  // Between two requests. True if one has begun. A client that does not read what it asked for gets no more.
  asio::awaitable<bool> wait_for_bytes() {
    while (connection_.unsent() > service_.options.limits.unsent_bytes && !connection_.broken()) {
      co_await connection_.changed(Clock::time_point::max());
    }
    const auto deadline = Clock::now() + timeouts().idle;
    while (connection_.input().empty()) {
      if (connection_.ended() || service_.stopping || Clock::now() >= deadline) co_return false;
      co_await connection_.changed(deadline);
    }
    co_return true;
  }

  // Until the reader has come to `state`, or failed, or the bytes or the time have ended.
  asio::awaitable<void> read_until(RequestReader& reader, RequestReader::State state, Clock::time_point deadline,
                                   BodyShare& share) {
    while (reader.state() < state) {
      const std::size_t taken = reader.feed(connection_.input());
      if (taken > 0) connection_.take(taken);
      share.grow_to(reader.request().body.size());
      if (too_many_bodies()) co_return;
      if (reader.state() >= state || taken > 0) continue;
      if (connection_.ended() || Clock::now() >= deadline || service_.stopped) co_return;
      co_await connection_.changed(deadline);
    }
  }

  bool too_many_bodies() const { return service_.body_bytes > service_.options.limits.all_bodies_bytes; }

  // The time or the bytes ended in the header: nobody waits for an answer who has said nothing or has gone.
  bool refuse_unread(RequestReader& reader) {
    if (connection_.ended()) return false;
    return refuse(reader, make_problem(408, "the header of the request did not come in time"));
  }

  bool refuse(RequestReader& reader, const Problem& problem) {
    Exchange exchange(connection_, service_, std::move(reader.request()));
    exchange.close_afterwards();
    exchange.respond(problem);
    return false;
  }

  // What can be said against a request before its body is read; nothing if it is let in. Finds its route.
  std::optional<HttpResponse> admit(Exchange& exchange);
  std::optional<HttpResponse> admit_to_route(Exchange& exchange);
  std::optional<HttpResponse> check_body(Exchange& exchange);

  // Both return whether the next request can be read behind the body.
  asio::awaitable<bool> read_body(RequestReader& reader, Exchange& exchange, BodyShare& share);
  asio::awaitable<bool> discard(RequestReader& reader, Exchange& exchange, BodyShare& share);

  asio::awaitable<void> handle(Exchange& exchange);

  // Waits until everything is sent, or cannot be.
  asio::awaitable<void> flush() {
    while (connection_.unsent() > 0 && !connection_.broken()) co_await connection_.changed(Clock::time_point::max());
  }

  // A connection that is closed with bytes unread is reset, and the client may lose the response with it.
  asio::awaitable<void> linger() {
    const auto deadline = Clock::now() + timeouts().linger;
    connection_.discard_input();
    while (!connection_.ended() && Clock::now() < deadline) co_await connection_.changed(deadline);
  }

  Connection& connection_;
  Service& service_;
  Match match_;
};

std::optional<HttpResponse> Session::admit(Exchange& exchange) {
  const HttpRequest& request = exchange.request();
  const auto refused = [&](const Problem& problem) {
    return problem_response(exchange.dialect(), problem, exchange.id());
  };
  match_ = find_route(routes(), request.method, request.path);
  if (match_.route != nullptr) exchange.route = std::string(match_.route->path);
  if (const auto why = forbidden(service_.options.origins, request)) {
    return refused(make_problem(403, *why));
  }
  exchange.allow_origin();
  if (is_preflight(request)) return HttpResponse{204, {}, {}, preflight_fields(request)};
  const bool open = match_.route != nullptr && !match_.route->needs_key;
  if (service_.keys.required() && !open) {
    exchange.key = service_.keys.find(request);
    if (!exchange.key)
      return refused(make_problem(401, "a key is needed: Authorization: Bearer KEY", "invalid_api_key"));
  }
  return admit_to_route(exchange);
}

std::optional<HttpResponse> Session::admit_to_route(Exchange& exchange) {
  const HttpRequest& request = exchange.request();
  const auto refused = [&](const Problem& problem) {
    return problem_response(exchange.dialect(), problem, exchange.id());
  };
  if (match_.route == nullptr && match_.allow.empty()) {
    return refused(make_problem(404, "there is no " + printable(request.path) + " here"));
  }
  if (match_.route == nullptr) {
    HttpResponse response =
        refused(make_problem(405, printable(request.method) + " is not for " + printable(request.path)));
    response.fields.emplace_back("Allow", match_.allow);
    if (request.method == "OPTIONS") response = {204, {}, {}, {{"Allow", match_.allow}}};
    return response;
  }
  const auto& handler = match_.route->handler;
  const bool costs = std::holds_alternative<Answered>(handler) || std::holds_alternative<Embedded>(handler);
  if (exchange.key && costs) {
    if (const auto problem = exchange.key->admit()) return refused(*problem);
  }
  return check_body(exchange);
}

std::optional<HttpResponse> Session::check_body(Exchange& exchange) {
  const auto refused = [&](const Problem& problem) {
    return problem_response(exchange.dialect(), problem, exchange.id());
  };
  const std::string_view encoding = exchange.request().field_or("content-encoding", "identity");
  if (encoding != "identity") {
    return refused(
        make_problem(415, "Content-Encoding: bodies must come as they are, got '" + printable(encoding) + "'"));
  }
  if (too_many_bodies()) return refused(over_limit(service_.options.limits, "all_bodies_bytes"));
  return std::nullopt;
}

asio::awaitable<bool> Session::read_body(RequestReader& reader, Exchange& exchange, BodyShare& share) {
  if (reader.expects_continue()) connection_.write("HTTP/1.1 100 Continue\r\n\r\n");
  co_await read_until(reader, RequestReader::State::done, Clock::now() + timeouts().body, share);
  exchange.request().body = std::move(reader.request().body);
  if (reader.state() == RequestReader::State::done) co_return true;
  exchange.close_afterwards();
  if (reader.state() == RequestReader::State::failed) {
    exchange.respond(reader.problem());
  } else if (too_many_bodies()) {
    exchange.respond(over_limit(service_.options.limits, "all_bodies_bytes"));
  } else if (!connection_.ended()) {
    exchange.respond(make_problem(408, "the body of the request did not come in time"));
  }
  co_return false;
}

asio::awaitable<bool> Session::discard(RequestReader& reader, Exchange&, BodyShare& share) {
  if (reader.state() == RequestReader::State::done) co_return true;
  if (reader.expects_continue() || reader.announced().value_or(kMostDiscarded + 1) > kMostDiscarded) co_return false;
  reader.discard_body();
  co_await read_until(reader, RequestReader::State::done, Clock::now() + timeouts().linger, share);
  co_return reader.state() == RequestReader::State::done;
}

asio::awaitable<void> Session::handle(Exchange& exchange) {
  const Route& route = *match_.route;
  const std::string owner = exchange.key ? exchange.key->name() : std::string();
  const ApiOptions options{service_.options.unknown, owner, &service_.responses};
  const Call call{exchange.request(), match_.parameter, exchange.dialect(), service_, options, exchange.key};
  if (const auto* quick = std::get_if<Quick>(&route.handler)) {
    try {
      exchange.respond(quick->handle(call));
    } catch (...) {
      exchange.respond(problem_of(std::current_exception()));
    }
  } else if (const auto* worked = std::get_if<Worked>(&route.handler)) {
    co_await work(exchange, service_.pool, worked->handle, call);
  } else if (const auto* changed = std::get_if<Changed>(&route.handler)) {
    co_await work(exchange, service_.store_pool, changed->handle, call);
  } else if (const auto* waited = std::get_if<Waited>(&route.handler)) {
    co_await waited->respond(exchange);
  } else if (const auto* modelled = std::get_if<Modelled>(&route.handler)) {
    co_await work_with_model(exchange, *modelled, call);
  } else if (const auto* answered = std::get_if<Answered>(&route.handler)) {
    co_await answer(exchange, *answered, options);
  } else if (const auto* embedded = std::get_if<Embedded>(&route.handler)) {
    co_await embed(exchange, *embedded, options);
  } else {
    co_await count_tokens(exchange, std::get<Counted>(route.handler), options);
  }
}

}  // namespace

asio::awaitable<void> serve_connection(std::shared_ptr<Connection> connection, Service& service) {
  try {
    Session session(*connection, service);
    co_await session.run();
  } catch (const ClientGone&) {
  } catch (const std::exception& error) {
    service.log.say(std::string("a connection was given up: ") + error.what());
  }
  connection->close();
}

}  // namespace glimt
