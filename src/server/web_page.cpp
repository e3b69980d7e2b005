#include "server/web_page.h"

#include <string>

namespace glimt {
namespace {

constexpr std::string_view kMissing = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>glimt</title></head>
<body><h1>glimt</h1><p>The server runs. This program was built without its web page, since node was missing or old:
install node 18.18 or newer, run <code>scripts/setup.sh</code> and build again.</p>
<p>The API works: <a href="/openapi.json">/openapi.json</a> describes it.</p></body></html>
)";

constexpr std::string_view kNothingElse =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpFields safety_fields(std::string_view policy) {
  return {{"Content-Security-Policy", std::string(policy)},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Frame-Options", "DENY"},  // frame-ancestors, for old browsers
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cache-Control", "no-cache"},
          {"Vary", "Accept"}};
}

}  // namespace

bool wants_web_page(const HttpRequest& request) {
  return request.field_or("accept", "").find("text/html") != std::string_view::npos;
}

HttpResponse web_page_response(const HttpRequest& request) {
  const WebPage* page = web_page();
  HttpResponse response{200, "text/html; charset=utf-8", std::string(kMissing),
                        safety_fields(page == nullptr ? kNothingElse : page->policy)};
  if (page == nullptr) return response;
  response.fields.emplace_back("ETag", page->etag);
  if (request.field_or("if-none-match", "").find(page->etag) != std::string_view::npos) {
    response.status = 304;
    response.body.clear();
    return response;
  }
  // Every browser takes gzip, so there is no other form of it.
  response.fields.emplace_back("Content-Encoding", "gzip");
  response.body = page->gzip;
  return response;
}

}  // namespace glimt
