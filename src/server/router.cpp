#include "server/router.h"

#include <optional>

namespace glimt {
namespace {

// What stands in `path` for the pattern's {…}; empty for a pattern without. Nothing if it does not fit.
std::optional<std::string> parameter_of(std::string_view pattern, std::string_view path) {
  const std::size_t brace = pattern.find('{');
  if (brace == pattern.npos) return path == pattern ? std::optional<std::string>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, brace), behind = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + behind.size()) return std::nullopt;
  if (!path.starts_with(before) || !path.ends_with(behind)) return std::nullopt;
  return std::string(path.substr(brace, path.size() - before.size() - behind.size()));
}

Match match(std::span<const Route> routes, std::string_view method, std::string_view path) {
  Match found;
  std::string_view pattern;  // the first that fits: those behind it are wider
  for (const Route& route : routes) {
    const std::optional<std::string> parameter = parameter_of(route.path, path);
    if (!parameter || (!pattern.empty() && route.path != pattern)) continue;
    pattern = route.path;
    const bool is_head = method == "HEAD" && route.method == "GET";
    if (found.route == nullptr && (route.method == method || is_head)) {
      found.route = &route;
      found.parameter = *parameter;
    }
    found.allow += std::string(found.allow.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") found.allow += ", HEAD";
  }
  return found;
}

}  // namespace

Match find_route(std::span<const Route> routes, std::string_view method, std::string_view path) {
  Match found = match(routes, method, path);
  if (!found.allow.empty() || path.starts_with("/v1/") || path.starts_with("/api/")) return found;
  return match(routes, method, "/v1" + std::string(path));
}

Dialect dialect_of(const HttpRequest& request) {
  const std::string_view path = request.path;
  if (path == "/api" || path.starts_with("/api/")) return Dialect::ollama;
  const bool models = path.starts_with("/v1/models") || path.starts_with("/models");
  const bool messages = path.starts_with("/v1/messages") || path.starts_with("/messages");
  if (messages || (models && request.field("anthropic-version") != nullptr)) return Dialect::anthropic;
  return Dialect::openai;
}

}  // namespace glimt
