#include "server/http_message.h"

#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMostValueBytes = 1024;

struct Reason {
  int status;
  std::string_view phrase;
};

constexpr Reason kReasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

void append_field(std::string& header, std::string_view name, std::string_view value) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  if (name.find_first_of(kForbidden) != name.npos || value.find_first_of(kForbidden) != value.npos) {
    fail(ErrorKind::internal, "response", "a field of the header holds the end of a line");
  }
  header.append(name).append(": ").append(value).append("\r\n");
}

std::string http_date() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

}  // namespace

const std::string* HttpRequest::field(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

std::string_view HttpRequest::field_or(std::string_view name, std::string_view fallback) const {
  const std::string* value = field(name);
  return value != nullptr ? std::string_view(*value) : fallback;
}

std::string_view reason_phrase(int status) {
  const auto found = std::find_if(std::begin(kReasons), std::end(kReasons),
                                  [&](const Reason& reason) { return reason.status == status; });
  return found == std::end(kReasons) ? "Status" : found->phrase;
}

std::string response_header(const ResponseHead& head, const HttpFields& fields) {
  std::string header = fmt::format("HTTP/1.{} {} {}\r\n", head.version % 10, head.status, reason_phrase(head.status));
  append_field(header, "Date", http_date());
  if (!head.content_type.empty()) append_field(header, "Content-Type", head.content_type);
  for (const auto& [name, value] : fields) append_field(header, name, value);
  if (head.body_size != nullptr) {
    append_field(header, "Content-Length", std::to_string(*head.body_size));
  } else if (head.status != 204 && head.version == 11) {
    append_field(header, "Transfer-Encoding", "chunked");
  }
  if (!head.keep_alive) {
    append_field(header, "Connection", "close");
  } else if (head.version == 10) {
    append_field(header, "Connection", "keep-alive");
  }
  return header + "\r\n";
}

std::string chunk(std::string_view bytes) {
  return bytes.empty() ? std::string() : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMostValueBytes));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

HttpFields ignored_fields(const std::vector<std::string>& ignored) {
  std::string list;
  for (const std::string& field : ignored) list += (list.empty() ? "" : ", ") + field;
  return list.empty() ? HttpFields() : HttpFields{{"x-glimt-ignored", printable(list)}};
}

HttpFields query_of(std::string_view query) {
  HttpFields fields;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    std::string pair(query.substr(0, end));
    std::replace(pair.begin(), pair.end(), '+', ' ');
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = std::string_view(pair).substr(std::min(equals + 1, pair.size()));
    fields.emplace_back(percent_decoded(std::string_view(pair).substr(0, equals)), percent_decoded(value));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return fields;
}

std::string query_value(std::string_view query, std::string_view name) {
  for (auto& [given, value] : query_of(query)) {
    if (given == name) return std::move(value);
  }
  return {};
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const std::optional<int> high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const std::optional<int> low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
    if (!high || !low || *high * 16 + *low == 0) return {};
    result += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return result;
}

}  // namespace glimt
