// The only file that knows Boost.Beast.
#include "server/request_reader.h"

#include <fmt/format.h>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

// A chunk's line with its extensions must be there as a whole to be read.
constexpr std::size_t kMostChunkLine = std::size_t{16} << 10;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Problem unreadable(int status, std::string message) {
  Problem problem;
  problem.status = status;
  problem.message = std::move(message);
  problem.may_retry = false;
  return problem;
}

bool is_decimal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

class RequestReader::Parser : public http::basic_parser<true> {
 public:
  explicit Parser(const ServerLimits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    body_limit(boost::none);  // counted here, so that the message names the limit
    eager(false);
  }

  std::size_t feed(std::string_view bytes);
  void refuse(Problem problem);

  HttpRequest request;
  State state = State::header;
  Problem failure;
  bool expects_continue = false;
  bool discards = false;

 private:
  std::size_t skip_empty_line(std::string_view bytes);
  void end_header();
  void read_target();
  void check_framing();
  void check_host();
  std::size_t count(std::string_view name) const;
  std::size_t take_body(std::string_view bytes, error_code& error);

  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) override {
    request.method = std::string(method);
    request.target = std::string(target);
    request.version = version;
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code& error) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view bytes, error_code& error) override { return take_body(bytes, error); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& error) override {
    return take_body(bytes, error);
  }
  void on_finish_impl(error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}

  const ServerLimits& limits_;
  std::size_t body_bytes_ = 0;
  bool started_ = false;
};

void RequestReader::Parser::refuse(Problem problem) {
  if (state == State::failed) return;
  state = State::failed;
  failure = std::move(problem);
}

void RequestReader::Parser::on_field_impl(http::field, string_view name, string_view value, error_code& error) {
  if (is_header_done()) return;  // trailers say nothing that a request would need
  if (request.fields.size() == limits_.header_fields) {
    refuse(over_limit(limits_, "header_fields"));
    error = http::error::header_limit;
    return;
  }
  request.fields.emplace_back(lower(name), std::string(value));
}

std::size_t RequestReader::Parser::take_body(std::string_view bytes, error_code& error) {
  body_bytes_ += bytes.size();
  if (body_bytes_ > limits_.body_bytes) {
    refuse(over_limit(limits_, "body_bytes"));
    error = http::error::body_limit;
    return 0;
  }
  if (!discards) request.body.append(bytes);
  return bytes.size();
}

// One is allowed in front of a request (RFC 9112, 2.2): old clients send one behind a body.
std::size_t RequestReader::Parser::skip_empty_line(std::string_view bytes) {
  if (started_ || !bytes.starts_with("\r\n")) return 0;
  started_ = true;
  return 2;
}

std::size_t RequestReader::Parser::feed(std::string_view bytes) {
  if (!started_ && bytes == "\r") return 0;
  std::size_t taken = skip_empty_line(bytes);
  while (state != State::failed && state != State::done && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    started_ = true;
    error_code error;
    const std::size_t n = put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    taken += n;
    if (error == http::error::need_more) {
      if (state == State::body && rest.size() - n > kMostChunkLine)
        refuse(unreadable(400, "a chunk's line is too long"));
      break;
    }
    if (error == http::error::header_limit) refuse(over_limit(limits_, "header_bytes"));
    if (error) refuse(unreadable(400, fmt::format("this is not an HTTP/1.1 request: {}", error.message())));
    if (state == State::header && is_header_done()) {
      end_header();
      break;
    }
    if (state == State::body && is_done()) state = State::done;
  }
  return taken;
}

std::size_t RequestReader::Parser::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(request.fields.begin(), request.fields.end(), [&](const auto& f) { return f.first == name; }));
}

void RequestReader::Parser::end_header() {
  state = State::body;
  request.keep_alive = keep_alive();
  read_target();
  check_framing();
  check_host();
  if (const std::string* expect = request.field("expect"); expect != nullptr && request.version == 11) {
    if (lower(*expect) != "100-continue") refuse(unreadable(417, "Expect: only 100-continue is known"));
    expects_continue = true;
  }
  if (const auto length = content_length(); length && *length > limits_.body_bytes) {
    refuse(over_limit(limits_, "body_bytes"));
  }
  if (state == State::body && is_done()) state = State::done;
}

// "/path?query", "http://host/path?query" as a proxy writes it, or "*".
void RequestReader::Parser::read_target() {
  std::string_view target = request.target;
  if (target.find_first_of("\"<>\\^`{|}#") != target.npos) refuse(unreadable(400, "the target is not a URL"));
  if (target.starts_with("http://") || target.starts_with("https://")) {
    target.remove_prefix(target.find("//") + 2);
    const std::size_t path = std::min(target.find('/'), target.size());
    if (target.substr(0, path) != request.field_or("host", {})) {
      refuse(unreadable(400, "the target and the field Host name different servers"));
    }
    target.remove_prefix(path);
  }
  const std::size_t query = std::min(target.find('?'), target.size());
  request.path = percent_decoded(target.substr(0, query));
  if (query < target.size()) request.query = std::string(target.substr(query + 1));
  const bool whole_server = target == "*" && request.method == "OPTIONS";
  if (!whole_server && !request.path.starts_with('/'))
    refuse(unreadable(400, "the target must be a path that begins with /"));
}

// Beast refuses several of these fields that differ, and Content-Length beside chunks; what it lets through is below.
void RequestReader::Parser::check_framing() {
  const std::string* encoding = request.field("transfer-encoding");
  const std::string* length = request.field("content-length");
  if (encoding != nullptr) {
    if (request.version == 10) refuse(unreadable(400, "Transfer-Encoding: HTTP/1.0 has none"));
    if (lower(*encoding) != "chunked") refuse(unreadable(501, "Transfer-Encoding: only 'chunked' is understood"));
    if (length != nullptr || count("transfer-encoding") != 1)
      refuse(unreadable(400, "the body's length is said twice"));
  }
  if (length != nullptr && (count("content-length") != 1 || !is_decimal(*length))) {
    refuse(unreadable(400, "Content-Length: one number is wanted"));
  }
}

void RequestReader::Parser::check_host() {
  const std::size_t hosts = count("host");
  if (hosts > 1 || (hosts == 0 && request.version == 11)) refuse(unreadable(400, "Host: one such field is wanted"));
}

RequestReader::RequestReader(const ServerLimits& limits) : parser_(std::make_unique<Parser>(limits)) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;

std::size_t RequestReader::feed(std::string_view bytes) { return parser_->feed(bytes); }
RequestReader::State RequestReader::state() const { return parser_->state; }
const Problem& RequestReader::problem() const { return parser_->failure; }
HttpRequest& RequestReader::request() { return parser_->request; }
bool RequestReader::expects_continue() const { return parser_->expects_continue && state() == State::body; }
void RequestReader::discard_body() { parser_->discards = true; }

std::optional<std::uint64_t> RequestReader::announced() const {
  const auto length = parser_->content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

}  // namespace glimt
