#include "hub/hub_settings.h"

#include "base/file.h"
#include "base/text.h"
#include "hub/environment.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTokenBytes = 4096;

struct Token {
  std::string text;
  std::string source;
};

// A token with other bytes could end its header and begin another.
std::optional<Token> checked(std::string_view text, std::string source) {
  const std::string_view token = trimmed(text);
  if (token.empty()) return std::nullopt;
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; })) {
    fail(ErrorKind::invalid_request, source, "must hold a token in one line");
  }
  return Token{std::string(token), std::move(source)};
}

std::optional<Token> token_in(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  return checked(read_file(file, kMaxTokenBytes), "the file " + file.string());
}

std::optional<fs::path> huggingface_home() {
  if (const auto home = from_environment("HF_HOME")) return *home;
  if (const auto cache = cache_folder()) return *cache / "huggingface";
  return std::nullopt;
}

std::optional<Token> find_token() {
  for (const char* variable : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const auto value = from_environment(variable);
    if (auto token = value ? checked(*value, variable) : std::nullopt) return token;
  }
  if (const auto path = from_environment("HF_TOKEN_PATH")) return token_in(*path);
  if (const auto home = huggingface_home()) return token_in(*home / "token");
  return std::nullopt;
}

bool is_set(const char* variable) {
  std::string value = from_environment(variable).value_or("");
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

long number(const char* variable, long fallback, long most) {
  const auto text = from_environment(variable);
  if (!text) return fallback;
  long value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < 0 || value > most) {
    fail(ErrorKind::invalid_request, variable, "must be a number from 0 to {}, got '{}'", most, *text);
  }
  return value;
}

std::string base_url(const char* variable, const std::string& fallback) {
  std::string url = from_environment(variable).value_or(fallback);
  while (url.ends_with('/')) url.pop_back();
  try {
    origin_of(url);
  } catch (const Error& error) {
    fail(ErrorKind::invalid_request, variable, "{}", error.what());
  }
  return url;
}

}  // namespace

HubSettings hub_settings_from_environment() {
  HubSettings settings;
  settings.endpoint = base_url("HF_ENDPOINT", settings.endpoint);
  std::string domain = from_environment("MODELSCOPE_DOMAIN").value_or("");
  if (!domain.empty()) settings.modelscope = domain.find("://") == std::string::npos ? "https://" + domain : domain;
  while (settings.modelscope.ends_with('/')) settings.modelscope.pop_back();
  if (auto token = find_token()) {
    settings.token = std::move(token->text);
    settings.token_source = std::move(token->source);
  }
  if (const auto token = checked(from_environment("MODELSCOPE_API_TOKEN").value_or(""), "MODELSCOPE_API_TOKEN")) {
    settings.modelscope_token = token->text;
  }
  settings.offline = is_set("HF_HUB_OFFLINE");
  settings.limits.silence = std::chrono::seconds(std::max(1L, number("HF_HUB_DOWNLOAD_TIMEOUT", 10, 3600)));
  settings.backoff = std::chrono::milliseconds(number("GLIMT_PULL_BACKOFF", 1000, 60000));
  return settings;
}

}  // namespace glimt
