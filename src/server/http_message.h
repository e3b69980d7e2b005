// HTTP/1 requests and responses as values, and a response's bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glimt {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string target;  // as it came
  std::string path;    // percent-decoded
  std::string query;   // behind '?', as it came
  int version = 11;    // 10 or 11
  HttpFields fields;   // names in lower case
  std::string body;
  bool keep_alive = false;

  // The first field of this name (lower case), or null.
  const std::string* field(std::string_view name) const;
  std::string_view field_or(std::string_view name, std::string_view fallback) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HttpFields fields;  // more of them
};

std::string_view reason_phrase(int status);

// The status line and the header. Without a `body_size` the body follows in chunks (version 11) or until the connection
// ends (10). Throws internal for a name or value that holds CR, LF or NUL: it would begin another field.
struct ResponseHead {
  int status = 200;
  int version = 11;
  bool keep_alive = true;
  std::string_view content_type;
  const std::size_t* body_size = nullptr;
};
std::string response_header(const ResponseHead& head, const HttpFields& fields);

std::string chunk(std::string_view bytes);  // empty for no bytes: an empty chunk would end the body
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// `text` as a field's value, whatever it holds: other than printable ASCII becomes '?', and it is cut at 1 KiB.
std::string printable(std::string_view text);

// The field that names what a request said without effect; none where it said nothing such.
HttpFields ignored_fields(const std::vector<std::string>& ignored);

// "a=1&b=x%20y" as names and values, decoded as a path is, '+' as a space.
HttpFields query_of(std::string_view query);
std::string query_value(std::string_view query, std::string_view name);  // the first of this name; empty: there is none

// Of a path. Nothing is '\0' or a broken escape behind it: those give an empty string.
std::string percent_decoded(std::string_view text);

}  // namespace glimt
