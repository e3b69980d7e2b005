#include "server/server.h"

#include "server/listener.h"
#include "server/problem_response.h"
#include "server/session.h"
#include "server/signals.h"
#include "server/tls.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace glimt {
namespace {

using asio::ip::tcp;
using Clock = Connection::Clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kSweep = std::chrono::milliseconds(500);
constexpr auto kAcceptPause = std::chrono::milliseconds(50);  // where the process has no descriptor left
constexpr auto kLastWords = std::chrono::seconds(2);          // for streams to say that the server stops

ServerOptions checked(ServerOptions options) {
  options.origins.bound_host = options.host;
  options.limits.connections = allowed_connections(options.limits.connections);
  if (options.api_key_file.empty() && !is_loopback(options.host)) {
    fail(ErrorKind::invalid_request, "--host",
         "{} can be reached from other machines, so a key is needed: --api-key-file FILE", options.host);
  }
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    fail(ErrorKind::invalid_request, options.tls_key.empty() ? "--tls-key" : "--tls-cert",
         "certificate and key are wanted both");
  }
  return options;
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, ModelManager& models)
      : service(checked(options), models),
        acceptors_(listen_on(io_, service.options.host, service.options.port)),
        gate_(std::make_shared<IoGate>([this](std::function<void()> work) { asio::post(io_, std::move(work)); })),
        sweep_(io_) {
    read_certificate();
  }

  ~Impl() { gate_->close(); }

  void run(bool with_signals) {
    if (with_signals)
      signals_.emplace(
          io_, [this] { begin_stop(); }, [this] { reload(); });
    for (tcp::acceptor& acceptor : acceptors_) asio::co_spawn(io_, accept_all(acceptor), asio::detached);
    asio::co_spawn(io_, watch(), asio::detached);
    io_.run();
  }

  std::function<void()> stopper() {
    return [gate = gate_, this] { gate->post([this] { begin_stop(); }); };  // the gate is closed when this goes
  }

  std::uint16_t port() const { return acceptors_.front().local_endpoint().port(); }
  bool secure() const { return tls_ != nullptr; }

 private:
  void read_certificate() {
    if (!service.options.tls_certificate.empty()) {
      tls_ = tls_context(service.options.tls_certificate, service.options.tls_key);
    }
  }

  // Connections that are open keep the certificate that they began with.
  void reload() {
    try {
      read_certificate();
      service.log.say(secure() ? "the certificate was read again" : "SIGHUP: there is no certificate to read again");
    } catch (const std::exception& error) {
      service.log.say(std::string("the certificate stays as it was: ") + error.what());
    }
  }

  asio::awaitable<void> accept_all(tcp::acceptor& acceptor) {
    while (!service.stopping) {
      auto [error, socket] = co_await acceptor.async_accept(kToken);
      if (!acceptor.is_open()) co_return;
      if (!error) {
        accept(std::move(socket));
      } else if (error != asio::error::connection_aborted) {
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(kToken);
      }
    }
  }

  void accept(tcp::socket socket) {
    if (connections_.size() >= service.options.limits.connections) return turn_away(socket);
    auto connection = std::make_shared<Connection>(std::move(socket), tls_, gate_);
    connections_.insert(connection);
    connection->start();
    asio::co_spawn(io_, serve(std::move(connection)), asio::detached);
  }

  // The socket's buffer takes these few bytes, or nobody waits for them.
  void turn_away(tcp::socket& socket) {
    if (secure()) return;
    const HttpResponse response =
        problem_response(Dialect::openai, over_limit(service.options.limits, "connections"), "");
    const std::size_t size = response.body.size();
    const std::string bytes =
        response_header({response.status, 11, false, response.content_type, &size}, response.fields) + response.body;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(bytes), 0, ignored);
  }

  asio::awaitable<void> serve(std::shared_ptr<Connection> connection) {
    co_await serve_connection(connection, service);
    connections_.erase(connection);
    if (service.stopping && connections_.empty()) sweep_.cancel();
  }

  // Closes connections whose client reads nothing, and leads the server to its end.
  asio::awaitable<void> watch() {
    while (!service.stopping || !connections_.empty()) {
      sweep_.expires_after(kSweep);
      co_await sweep_.async_wait(kToken);
      service.metrics.connections(connections_.size());
      const auto now = Clock::now();
      // A stall of an engine, too, is what changes between two looks.
      service.tokens.note(service.models.status().models, now);
      close_if([&](const Connection& c) { return c.stuck_since(now - service.options.timeouts.write); });
      if (!service.stopping) continue;
      if (now >= drained_by_ && !service.stopped) end_answers();
      if (now >= drained_by_ + kLastWords) close_if([](const Connection&) { return true; });
    }
    if (signals_) signals_->cancel();
  }

  template <typename Condition>
  void close_if(const Condition& condition) {
    for (const auto& connection : connections_) {
      if (condition(*connection)) connection->close();
    }
  }

  void wake_all() {
    for (const auto& connection : connections_) connection->wake();
  }

  void begin_stop() {
    if (service.stopping) return;
    service.log.say("stopping: running answers may end");
    service.stopping = true;
    drained_by_ = Clock::now() + service.options.timeouts.drain;
    boost::system::error_code ignored;
    for (tcp::acceptor& acceptor : acceptors_) acceptor.close(ignored);
    wake_all();
    sweep_.cancel();
  }

  void end_answers() {
    service.stopped = true;
    wake_all();
  }

  asio::io_context io_;  // first: sockets and timers of coroutines need it to the end

 public:
  Service service;

 private:
  std::vector<tcp::acceptor> acceptors_;
  std::shared_ptr<IoGate> gate_;
  asio::steady_timer sweep_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::optional<Signals> signals_;
  Clock::time_point drained_by_;
};

Server::Server(const ServerOptions& options, ModelManager& models) : impl_(std::make_unique<Impl>(options, models)) {}
Server::~Server() = default;

void Server::run(bool signals) { impl_->run(signals); }
std::function<void()> Server::stopper() { return impl_->stopper(); }
std::uint16_t Server::port() const { return impl_->port(); }
Service& Server::service() { return impl_->service; }

std::string Server::url() const {
  const std::string& host = impl_->service.options.host;
  const std::string name = host.find(':') == host.npos ? host : "[" + host + "]";
  return fmt::format("{}://{}:{}", impl_->secure() ? "https" : "http", name, port());
}

}  // namespace glimt
