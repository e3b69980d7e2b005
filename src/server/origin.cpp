#include "server/origin.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace glimt {
namespace {

constexpr std::string_view kDigits = "0123456789";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

// "name:80" -> "name", "[::1]:80" -> "::1". Empty if what stands behind the name is no port.
std::string host_without_port(std::string_view host) {
  const bool bracket = host.starts_with('[');
  const std::size_t end = bracket ? host.find(']') : std::min(host.find(':'), host.size());
  if (end == host.npos) return {};
  const std::string_view name = bracket ? host.substr(1, end - 1) : host.substr(0, end);
  std::string_view rest = host.substr(bracket ? end + 1 : end);
  if (!rest.empty() && !rest.starts_with(':')) return {};
  if (!rest.empty()) rest.remove_prefix(1);
  return rest.find_first_not_of(kDigits) == rest.npos ? lower(name) : std::string();
}

bool is_ipv4(std::string_view host) {
  return std::count(host.begin(), host.end(), '.') == 3 && host.find_first_not_of("0123456789.") == host.npos;
}

bool is_address(std::string_view host) { return is_ipv4(host) || host.find(':') != host.npos; }

std::string machine_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? lower(name.data()) : std::string();
}

bool is_token(std::string_view text) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.find_first_not_of(kToken) == text.npos;
}

// "a, b" of names of fields; nothing else is echoed.
bool is_list_of_names(std::string_view list) {
  if (list.size() > 1024) return false;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, end);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!is_token(name)) return false;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return true;
}

bool is_wildcard(std::string_view host) { return host == "0.0.0.0" || host == "::" || host == "*"; }

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "::1" ||
         (is_ipv4(host) && host.starts_with("127."));
}

bool host_allowed(const OriginRules& rules, std::string_view host) {
  const std::string name = host_without_port(host);
  if (name.empty()) return false;
  if (is_loopback(name) || name == lower(rules.bound_host)) return true;
  const auto is_name = [&](const std::string& allowed) { return lower(allowed) == name; };
  if (std::any_of(rules.hosts.begin(), rules.hosts.end(), is_name)) return true;
  return is_wildcard(rules.bound_host) && (is_address(name) || name == machine_name());
}

bool origin_allowed(const OriginRules& rules, std::string_view origin, std::string_view host) {
  const auto is_origin = [&](const std::string& allowed) { return allowed == "*" || allowed == origin; };
  if (std::any_of(rules.origins.begin(), rules.origins.end(), is_origin)) return true;
  const std::size_t scheme = origin.find("://");
  if (scheme == origin.npos) return false;
  const std::string_view kind = origin.substr(0, scheme);
  if (kind != "http" && kind != "https") return false;
  const std::string_view authority = origin.substr(scheme + 3);
  return authority == host || is_loopback(host_without_port(authority));
}

std::optional<std::string> forbidden(const OriginRules& rules, const HttpRequest& request) {
  const std::string_view host = request.field_or("host", "localhost");  // HTTP/1.0 needs none
  if (!host_allowed(rules, host)) {
    return "Host: this server does not answer to '" + printable(host) + "'; serve --allow-host adds a name";
  }
  const std::string* origin = request.field("origin");
  if (origin == nullptr || origin_allowed(rules, *origin, host)) return std::nullopt;
  return "Origin: pages of '" + printable(*origin) + "' may not talk to this server; serve --allow-origin adds one";
}

HttpFields cors_fields(const HttpRequest& request) {
  const std::string* origin = request.field("origin");
  if (origin == nullptr) return {};
  return {{"Access-Control-Allow-Origin", *origin},
          {"Access-Control-Expose-Headers", "x-request-id, request-id, retry-after, x-glimt-ignored"},
          {"Vary", "Origin"}};
}

bool is_preflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && request.field("origin") != nullptr &&
         request.field("access-control-request-method") != nullptr;
}

HttpFields preflight_fields(const HttpRequest& request) {
  HttpFields fields = cors_fields(request);
  fields.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE, OPTIONS");
  fields.emplace_back("Access-Control-Max-Age", "600");
  const std::string_view asked = request.field_or("access-control-request-headers", {});
  if (!asked.empty() && is_list_of_names(asked)) {
    fields.emplace_back("Access-Control-Allow-Headers", std::string(asked));
  }
  return fields;
}

bool asks_from_here(const HttpRequest& request) {
  for (const char* passed_on : {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"}) {
    if (request.field(passed_on) != nullptr) return false;
  }
  const std::string_view host = request.field_or("host", "localhost");
  const std::string* origin = request.field("origin");
  return is_loopback(host_without_port(host)) && (origin == nullptr || origin_allowed({}, *origin, host));
}

}  // namespace glimt
