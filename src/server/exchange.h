// One request and its response on a connection.
#pragma once

#include "server/access_log.h"
#include "server/connection.h"
#include "server/problem_response.h"
#include "server/router.h"

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// Thrown through a handler whose client has gone: there is nobody to answer.
struct ClientGone {};

// Used by the I/O thread alone.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  Exchange(Connection& connection, Service& service, HttpRequest request);
  ~Exchange();  // counts and logs it
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Connection& connection() { return connection_; }
  Service& service() { return service_; }
  HttpRequest& request() { return request_; }
  const std::string& id() const { return id_; }
  Dialect dialect() const { return dialect_; }
  Clock::time_point came() const { return came_; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - came_).count(); }
  AccessRecord& record() { return record_; }

  // A whole response, or an error as one.
  void respond(const HttpResponse& response);
  void respond(const Problem& problem);

  // A response in pieces.
  void begin(std::string_view content_type, const HttpFields& fields);
  void send(std::string_view bytes);
  void end();

  bool started() const { return started_; }  // its status has gone out
  bool complete() const { return complete_; }
  bool keep_alive() const { return keep_alive_ && complete_; }
  void close_afterwards() { keep_alive_ = false; }  // before it starts
  void allow_origin() { origin_allowed_ = true; }   // the page that asks may read the response

  std::string route;  // its pattern, for the metrics
  std::shared_ptr<ApiKey> key;

 private:
  HttpFields common_fields() const;

  Connection& connection_;
  Service& service_;
  HttpRequest request_;
  std::string id_;
  Dialect dialect_;
  Clock::time_point came_ = Clock::now();
  AccessRecord record_;
  bool started_ = false, complete_ = false, keep_alive_, chunked_ = false, origin_allowed_ = false;
};

}  // namespace glimt
