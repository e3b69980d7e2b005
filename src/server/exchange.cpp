#include "server/exchange.h"

#include <utility>

namespace glimt {

Exchange::Exchange(Connection& connection, Service& service, HttpRequest request)
    : connection_(connection),
      service_(service),
      request_(std::move(request)),
      id_(service.ids.next("req_")),
      dialect_(dialect_of(request_)),
      keep_alive_(request_.keep_alive && !service.stopping) {
  record_.request_id = id_;
  record_.client = connection.client();
  record_.method = request_.method;
  record_.path = request_.path;
}

Exchange::~Exchange() {
  record_.seconds = seconds();
  if (!complete_ && record_.note.empty()) record_.note = "client went away";
  if (key) record_.key = key->name();
  service_.metrics.count_request(route.empty() ? "none" : route, record_.status, record_.seconds);
  service_.log.write(record_);
}

HttpFields Exchange::common_fields() const {
  HttpFields fields = origin_allowed_ ? cors_fields(request_) : HttpFields();
  fields.emplace_back("x-request-id", id_);
  fields.emplace_back("request-id", id_);
  return fields;
}

void Exchange::respond(const HttpResponse& response) {
  HttpFields fields = common_fields();
  fields.insert(fields.end(), response.fields.begin(), response.fields.end());
  const std::size_t size = response.body.size();
  ResponseHead head{response.status, request_.version, keep_alive_, response.content_type, &size};
  if (response.status == 204) head.body_size = nullptr;
  std::string bytes = response_header(head, fields);
  started_ = complete_ = true;
  record_.status = response.status;
  if (request_.method != "HEAD") {
    bytes += response.body;
    record_.bytes += size;
  }
  connection_.write(bytes);
}

void Exchange::respond(const Problem& problem) {
  if (problem.status >= 500) service_.outcomes.add_error(problem.status, request_.path, problem.message);
  respond(problem_response(dialect_, problem, id_));
}

void Exchange::begin(std::string_view content_type, const HttpFields& more) {
  HttpFields fields = common_fields();
  fields.emplace_back("Cache-Control", "no-cache");
  fields.emplace_back("X-Accel-Buffering", "no");
  fields.insert(fields.end(), more.begin(), more.end());
  chunked_ = request_.version == 11;
  if (!chunked_) keep_alive_ = false;
  const std::string header = response_header({200, request_.version, keep_alive_, content_type, nullptr}, fields);
  started_ = true;
  record_.status = 200;
  connection_.write(header);
}

void Exchange::send(std::string_view bytes) {
  record_.bytes += bytes.size();
  connection_.write(chunked_ ? chunk(bytes) : std::string(bytes));
}

void Exchange::end() {
  if (chunked_) connection_.write(kLastChunk);
  complete_ = true;
}

}  // namespace glimt
