#include "server/requests.h"

#include "server/waiting.h"

#include <memory>
#include <utility>

namespace glimt {

json::object object_of(std::string_view body) {
  json::value value = parse_json(body, "body");
  if (!value.is_object()) fail(ErrorKind::invalid_request, "body", "a JSON object is wanted");
  return std::move(value.as_object());
}

asio::awaitable<ModelLease> acquire(Exchange& exchange, std::string name, KeepAlive keep_alive, Meanwhile meanwhile) {
  auto lease = std::make_shared<Awaited<ModelLease>>(exchange.connection().waker());
  exchange.service().models.acquire(name, keep_alive, [lease](ModelLease got, std::exception_ptr error) {
    if (error) {
      lease->bring(std::move(error));
    } else {
      lease->bring(std::move(got));
    }
  });
  co_return co_await wait_for(exchange, lease, std::move(meanwhile));
}

void check_engine(const ModelLease& lease) {
  if (!lease.model->health().ok) throw Error(ErrorKind::internal, "engine: does not go on");
}

void check_client(Exchange& exchange) {
  if (exchange.connection().ended()) throw ClientGone{};
  if (exchange.connection().unsent() <= exchange.service().options.limits.unsent_bytes) return;
  exchange.record().note = "client does not read";
  throw ClientGone{};
}

void log_failure(Exchange& exchange, const std::exception_ptr& error) {
  if (problem_of(error).status != 500) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    exchange.service().log.say(exchange.id() + ": " + known.what());
  } catch (...) {
    exchange.service().log.say(exchange.id() + ": an unknown exception");
  }
}

asio::awaitable<std::exception_ptr> failure_of(asio::awaitable<void> work) {
  std::exception_ptr error;
  try {
    co_await std::move(work);
  } catch (const ClientGone&) {
    throw;
  } catch (...) {
    error = std::current_exception();
  }
  co_return error;
}

asio::awaitable<void> respond_to_errors(Exchange& exchange, asio::awaitable<void> handling) {
  const std::exception_ptr error = co_await failure_of(std::move(handling));
  if (!error) co_return;
  log_failure(exchange, error);
  if (!exchange.started()) exchange.respond(problem_of(error));
}

}  // namespace glimt
