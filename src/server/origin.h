// Which names this server answers to, and which web pages may talk to it: a page of any site can send requests to a
// server on the reader's own machine, directly or under a name that it lets point there.
#pragma once

#include "server/http_message.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct OriginRules {
  std::string bound_host;            // as it was asked for: "127.0.0.1", "0.0.0.0", "::", "gpu.example"
  std::vector<std::string> hosts;    // more names
  std::vector<std::string> origins;  // more origins: "https://chat.example"; "*" for all
};

// The value of the field Host: a loopback name or address, the bound host, a name of the list; where the server is
// bound to all addresses, also every address and the machine's name.
bool host_allowed(const OriginRules& rules, std::string_view host);

// The value of the field Origin: one of a loopback host, of the list, or that of the server itself.
bool origin_allowed(const OriginRules& rules, std::string_view origin, std::string_view host);

// What is wrong with Host and Origin of a request, or nothing.
std::optional<std::string> forbidden(const OriginRules& rules, const HttpRequest& request);

// What a response to an allowed origin carries; nothing where the request has none.
HttpFields cors_fields(const HttpRequest& request);

// The question of a browser whether it may send a request, and the answer to it. REQUIRES an allowed origin.
bool is_preflight(const HttpRequest& request);
HttpFields preflight_fields(const HttpRequest& request);

bool is_loopback(std::string_view host);  // without a port

// Whether a program or a page of this machine asks, as far as the header tells: Host and Origin are loopback names, and
// no proxy says that it passes on what another asked for.
bool asks_from_here(const HttpRequest& request);

}  // namespace glimt
