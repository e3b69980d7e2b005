#include "server/keys.h"

#include "base/double.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>

namespace glimt {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{1} << 20;
constexpr std::size_t kLeastKeyBytes = 8, kMostKeyBytes = 512;

std::array<unsigned char, 32> sha256(std::string_view text) {
  std::array<unsigned char, 32> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

std::string short_name(const std::array<unsigned char, 32>& hash) {
  return fmt::format("key-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
}

std::string_view given_key(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.field_or("authorization", {});
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  if (authorization.size() > kBearer.size() && std::equal(kBearer.begin(), kBearer.end() - 1, authorization.begin(),
                                                          [&](char b, char a) { return same(a, b); })) {
    return trimmed(authorization.substr(kBearer.size()));
  }
  return trimmed(request.field_or("x-api-key", {}));
}

Problem too_many(std::string_view what, double wait) {
  Problem problem;
  problem.status = 429;
  problem.code = "rate_limit_exceeded";
  problem.retry_after = std::max(1, static_cast<int>(std::ceil(wait)));
  problem.message = fmt::format("this key has used up its {} a minute; try again in {} s", what, problem.retry_after);
  return problem;
}

double per_minute(std::string_view value, std::string_view where) {
  double number = 0;
  const auto [end, error] = read_double(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number > 0) || number > 1e12) {
    fail(ErrorKind::bad_file, where, "a number above 0 is wanted, got '{}'", value);
  }
  return number;
}

void set(ApiKey::Settings& settings, std::string_view word, const std::string& where) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (name == "name" && !value.empty()) {
    settings.name = std::string(value);
  } else if (name == "requests") {
    settings.requests = per_minute(value, where + ": requests");
  } else if (name == "tokens") {
    settings.tokens = per_minute(value, where + ": tokens");
  } else if (word == "models=change") {
    settings.changes_models = true;
  } else {
    fail(ErrorKind::bad_file, where,
         "behind the key: name=N, requests=N, tokens=N or models=change is wanted, got '{}'", word);
  }
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = trimmed(line)).empty()) {
    const std::size_t end = std::min(line.find_first_of(kWhiteSpace), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

}  // namespace

double Allowance::wait(Clock::time_point now) {
  if (per_minute_ <= 0) return 0;
  const double minutes = std::chrono::duration<double, std::ratio<60>>(now - filled_).count();
  left_ = std::min(per_minute_, left_ + minutes * per_minute_);
  filled_ = now;
  return left_ >= 1 ? 0 : (1 - left_) / per_minute_ * 60;
}

ApiKey::ApiKey(Settings settings, std::string_view key)
    : name_(std::move(settings.name)),
      changes_models_(settings.changes_models),
      hash_(sha256(key)),
      requests_(settings.requests),
      tokens_(settings.tokens) {
  if (name_.empty()) name_ = short_name(hash_);
}

std::optional<Problem> ApiKey::admit() {
  const std::lock_guard lock(mutex_);
  const auto now = Allowance::Clock::now();
  if (const double wait = requests_.wait(now); wait > 0) return too_many("requests", wait);
  if (const double wait = tokens_.wait(now); wait > 0) return too_many("tokens", wait);
  requests_.spend(1);
  return std::nullopt;
}

void ApiKey::spend_tokens(std::size_t tokens) {
  const std::lock_guard lock(mutex_);
  tokens_.spend(static_cast<double>(tokens));
}

ApiKeys ApiKeys::from_file(const std::filesystem::path& file) {
  const std::string text = read_file(file, kMostFileBytes);
  struct stat info {};
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    fail(ErrorKind::bad_file, file.string(), "others may write it; chmod go-w {}", file.string());
  }
  return from_text(text, file.string());
}

ApiKeys ApiKeys::from_text(std::string_view text, std::string_view where) {
  ApiKeys keys;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    const std::string here = fmt::format("{}: line {}", where, ++number);
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty() || words.front().starts_with('#')) continue;
    const std::string_view key = words.front();
    if (key.size() < kLeastKeyBytes || key.size() > kMostKeyBytes) {
      fail(ErrorKind::bad_file, here, "a key has {} to {} characters", kLeastKeyBytes, kMostKeyBytes);
    }
    ApiKey::Settings settings;
    for (std::size_t i = 1; i < words.size(); ++i) set(settings, words[i], here);
    auto made = std::make_shared<ApiKey>(std::move(settings), key);
    for (const auto& other : keys.keys_) {
      if (other->hash_ == made->hash_) fail(ErrorKind::bad_file, here, "the same key again");
      if (other->name_ == made->name_) fail(ErrorKind::bad_file, here, "the name '{}' again", made->name_);
    }
    keys.keys_.push_back(std::move(made));
  }
  if (keys.keys_.empty()) fail(ErrorKind::bad_file, where, "holds no key");
  return keys;
}

std::shared_ptr<ApiKey> ApiKeys::find(const HttpRequest& request) const {
  const std::array<unsigned char, 32> hash = sha256(given_key(request));
  std::shared_ptr<ApiKey> found;
  for (const auto& key : keys_) {
    if (CRYPTO_memcmp(key->hash_.data(), hash.data(), hash.size()) == 0) found = key;
  }
  return found;
}

}  // namespace glimt
