// What HTTP is read and written as; the bytes themselves are in tests/e2e/test_http.py.
#include "server/http_message.h"
#include "server/origin.h"
#include "server/problem_response.h"
#include "server/request_reader.h"
#include "server/router.h"

#include "api/openapi.h"
#include "base/file.h"
#include "base/throws.h"
#include "text/utf8.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace glimt {
namespace {

using State = RequestReader::State;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

const ServerLimits kLimits;

// All of `bytes` in pieces of `size`, as a connection gives them: what is left comes again with more behind it.
RequestReader read(std::string_view bytes, std::size_t size = 1 << 20) {
  RequestReader reader(kLimits);
  std::string waiting;
  while (!bytes.empty()) {
    waiting += bytes.substr(0, size);
    bytes.remove_prefix(std::min(size, bytes.size()));
    while (reader.state() < State::done) {
      const std::size_t taken = reader.feed(waiting);
      waiting.erase(0, taken);
      if (taken == 0) break;
    }
  }
  return reader;
}

TEST(RequestReader, ReadsTheSameHoweverItIsCut) {
  const std::string bytes =
      "POST /v1/x%20y?q=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Name:  v \r\n\r\n"
      "5;x=\"y\"\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n";
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    RequestReader reader = read(bytes, size);
    ASSERT_EQ(reader.state(), State::done) << size;
    const HttpRequest& request = reader.request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/x y");
    EXPECT_EQ(request.query, "q=1");
    EXPECT_EQ(request.field_or("x-name", ""), "v");
    EXPECT_EQ(request.field("trailer"), nullptr);
    EXPECT_EQ(request.body, "hello!");
  }
}

TEST(RequestReader, TakesNothingOfTheNextRequest) {
  const std::string one = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
  RequestReader reader(kLimits);
  const std::size_t header = reader.feed(one + one);
  EXPECT_EQ(reader.state(), State::body);
  EXPECT_EQ(header + reader.feed((one + one).substr(header)), one.size());
  EXPECT_EQ(reader.state(), State::done);
}

TEST(RequestReader, CountsABodyInChunks) {
  RequestReader reader(kLimits);
  reader.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
  std::string waiting;
  for (int i = 0; i < 33 && reader.state() == State::body; ++i) {
    waiting += chunk;
    for (std::size_t n = 1; n > 0 && reader.state() == State::body;) waiting.erase(0, n = reader.feed(waiting));
  }
  EXPECT_EQ(reader.state(), State::failed);
  EXPECT_EQ(reader.problem().status, 413);
  EXPECT_THAT(reader.problem().message, HasSubstr("body_bytes: at most 33554432"));
}

TEST(RequestReader, LimitsAreNamed) {
  EXPECT_THAT(read("GET /" + std::string(20000, 'a')).problem().message, HasSubstr("header_bytes: at most 16384"));
  const std::string page = read_file(std::filesystem::path(GLIMT_SOURCE_DIR) / "docs" / "SERVER.md");
  for (const LimitRow& row : limit_rows()) {
    EXPECT_THAT(page, HasSubstr("`" + std::string(row.name) + "`"));
    EXPECT_THAT(over_limit(kLimits, row.name).message, HasSubstr(row.name));
    EXPECT_GE(over_limit(kLimits, row.name).status, 400);
  }
  EXPECT_ERROR(over_limit(kLimits, "nothing"), ErrorKind::internal, HasSubstr("nothing"));
}

TEST(ResponseHeader, HoldsNoOtherFields) {
  const std::size_t size = 2;
  const std::string header = response_header({200, 11, true, "text/plain", &size}, {{"X-A", "b"}});
  EXPECT_THAT(header, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(header, HasSubstr("\r\nContent-Length: 2\r\n"));
  EXPECT_THAT(header, EndsWith("\r\n\r\n"));
  const std::vector<std::string> wrong{"a\r\nSet-Cookie: x", "a\n", "\r", std::string("a\0b", 3)};
  for (const std::string& value : wrong) {
    EXPECT_ERROR(response_header({200, 11, true, "text/plain", &size}, {{"X-A", value}}), ErrorKind::internal,
                 HasSubstr("header"));
  }
  EXPECT_EQ(printable("a\r\nb\xff" + std::string(2000, 'x')).substr(0, 5), "a??b?");
  EXPECT_EQ(printable(std::string(2000, 'x')).size(), 1024U);
}

TEST(ResponseHeader, FramesByVersion) {
  const std::string chunked = response_header({200, 11, true, "a/b", nullptr}, {});
  EXPECT_THAT(chunked, HasSubstr("Transfer-Encoding: chunked"));
  const std::string old = response_header({200, 10, false, "a/b", nullptr}, {});
  EXPECT_THAT(old, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_THAT(old, HasSubstr("Connection: close"));
  EXPECT_THAT(response_header({204, 11, true, "", nullptr}, {}), Not(HasSubstr("Transfer-Encoding")));
  EXPECT_EQ(chunk("hello, world"), "c\r\nhello, world\r\n");
  EXPECT_EQ(chunk(""), "");
}

TEST(PercentDecoded, RefusesWhatIsBroken) {
  EXPECT_EQ(percent_decoded("/a%2Fb%c3%A4"), "/a/b\xc3\xa4");
  for (const char* broken : {"%", "%2", "%zz", "%00", "/a%0"}) EXPECT_EQ(percent_decoded(broken), "") << broken;
}

TEST(Origin, OfThisServerAndOfThoseThatAreAllowed) {
  OriginRules rules;
  rules.bound_host = "gpu.example";
  rules.hosts = {"proxy.example"};
  rules.origins = {"https://chat.example"};
  for (const char* host : {"gpu.example", "GPU.example:11434", "proxy.example", "localhost"}) {
    EXPECT_TRUE(host_allowed(rules, host)) << host;
  }
  for (const char* host : {"", "evil.example", "10.0.0.1", "gpu.example:x", "gpu.example.evil", ":80", "[::1]x"}) {
    EXPECT_FALSE(host_allowed(rules, host)) << host;
  }
  EXPECT_TRUE(origin_allowed(rules, "https://chat.example", "gpu.example"));
  EXPECT_TRUE(origin_allowed(rules, "http://gpu.example:11434", "gpu.example:11434"));
  EXPECT_FALSE(origin_allowed(rules, "http://chat.example", "gpu.example"));
  EXPECT_FALSE(origin_allowed(rules, "https://chat.example.evil", "gpu.example"));
}

TEST(Origin, AServerOnAllAddressesTakesAddressesForItsName) {
  OriginRules rules;
  rules.bound_host = "0.0.0.0";
  EXPECT_TRUE(host_allowed(rules, "192.168.1.7:11434"));
  EXPECT_TRUE(host_allowed(rules, "[fe80::1]:11434"));
  EXPECT_FALSE(host_allowed(rules, "rebound.example"));
}

TEST(Router, FindsByPathAndMethod) {
  EXPECT_EQ(find_route(routes(), "POST", "/v1/chat/completions").route->path, "/v1/chat/completions");
  EXPECT_EQ(find_route(routes(), "POST", "/chat/completions").route->path, "/v1/chat/completions");
  EXPECT_EQ(find_route(routes(), "HEAD", "/health").route->path, "/health");
  const Match other = find_route(routes(), "PUT", "/v1/responses/abc");
  EXPECT_EQ(other.route, nullptr);
  EXPECT_EQ(other.allow, "GET, HEAD, DELETE");
  EXPECT_TRUE(find_route(routes(), "GET", "/v1/responses/").allow.empty());
  EXPECT_TRUE(find_route(routes(), "GET", "/v1").allow.empty());
  EXPECT_EQ(find_route(routes(), "GET", "/v1/responses/a/b:c").parameter, "a/b:c");
  const Match input = find_route(routes(), "GET", "/v1/responses/a/input_items");
  EXPECT_EQ(input.route->path, "/v1/responses/{id}/input_items");
  EXPECT_EQ(input.parameter, "a");
  EXPECT_EQ(find_route(routes(), "DELETE", "/responses/a/input_items").allow, "GET, HEAD");
  EXPECT_EQ(find_route(routes(), "GET", "/v1/responses/input_items").parameter, "input_items");
}

TEST(HttpMessage, AnErrorIsUtf8WhateverItNames) {
  for (const Dialect dialect : {Dialect::openai, Dialect::anthropic, Dialect::ollama}) {
    for (const std::string& name :
         {"a" + std::string(300, '\xe2'), std::string(199, 'a') + "\u00e9", std::string("\xff")}) {
      const HttpResponse response = problem_response(dialect, model_not_found(name), "req_1");
      EXPECT_FALSE(find_invalid_utf8(response.body)) << response.body;
      EXPECT_TRUE(parse_json(response.body, "body").is_object());
    }
  }
}

TEST(HttpMessage, QueriesAreNamesAndValues) {
  EXPECT_EQ(query_of("a=1&b=x%20y+z&c&=d&e=f=g"),
            (HttpFields{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"", "d"}, {"e", "f=g"}}));
  EXPECT_TRUE(query_of("").empty());
  EXPECT_EQ(query_value("limit=2&model=org%2Fname", "model"), "org/name");
  EXPECT_EQ(query_value("limit=2", "model"), "");
}

TEST(Router, EveryRouteIsThereOnce) {
  std::set<std::string> seen;
  for (const Route& route : routes()) {
    EXPECT_TRUE(seen.insert(std::string(route.method) + std::string(route.path)).second) << route.path;
    EXPECT_EQ(find_route(routes(), route.method, route.path).route, &route) << route.path;
  }
}

TEST(Router, EveryRouteOfTheDocumentIsThereAndTheOtherWayRound) {
  std::set<std::string> described;
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      described.insert(std::string(operation.method) + " " + std::string(operation.path));
    }
  }
  std::set<std::string> routed;
  for (const Route& route : routes()) routed.insert(std::string(route.method) + " " + std::string(route.path));
  for (const char* refused : {"POST /api/create", "POST /api/push"}) EXPECT_EQ(routed.erase(refused), 1U);
  EXPECT_EQ(described, routed);
}

}  // namespace
}  // namespace glimt
