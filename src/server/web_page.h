// The page for browsers at GET /: one HTML file from web/, compressed and embedded where the program was built with node.
#pragma once

#include "server/http_message.h"

#include <string_view>

namespace glimt {

struct WebPage {
  std::string_view gzip;    // the file
  std::string_view etag;    // with its quotes
  std::string_view policy;  // its Content-Security-Policy: its own script and style by their hashes, and nothing else
};

// Null: the program was built without the page. Its source is made by cmake/GlimtWeb.cmake.
const WebPage* web_page();

// Whether a browser asks, which wants HTML; other clients look for plain text at the same place.
bool wants_web_page(const HttpRequest& request);

// The page; 304 for one that the browser has; without a page HTML that says what is missing. All of it may be kept by
// the browser, and is asked for anew each time. Never shown inside of another page.
HttpResponse web_page_response(const HttpRequest& request);

}  // namespace glimt
