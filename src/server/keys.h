// Who may use the server: keys of a file, each with a name and its own limits.
#pragma once

#include "api/problem.h"
#include "server/http_message.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// So much a minute, in any rhythm: what is not used fills up again. Not thread-safe.
class Allowance {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Allowance(double per_minute) : per_minute_(per_minute), left_(per_minute) {}

  // Seconds until something is left again; 0 if it is now. 0 a minute means no limit.
  double wait(Clock::time_point now);
  void spend(double amount) { left_ -= amount; }  // may go below 0: what an answer cost is known at its end

 private:
  double per_minute_;
  double left_;
  Clock::time_point filled_ = Clock::now();
};

class ApiKey {
 public:
  // What the file says behind a key. Numbers are a minute's; 0: no limit.
  struct Settings {
    std::string name;  // empty: the beginning of the key's hash
    double requests = 0, tokens = 0;
    bool changes_models = false;
  };

  ApiKey(Settings settings, std::string_view key);

  const std::string& name() const { return name_; }  // prefixes are shared, and responses kept, within one name only
  bool changes_models() const { return changes_models_; }  // it may pull, copy and remove them

  // Counts one request, or says why it may not come now: 429.
  std::optional<Problem> admit();
  void spend_tokens(std::size_t tokens);

 private:
  friend class ApiKeys;

  std::string name_;
  bool changes_models_;
  std::array<unsigned char, 32> hash_{};
  std::mutex mutex_;
  Allowance requests_, tokens_;
};

// Immutable but for what keys count; any thread may use it.
class ApiKeys {
 public:
  ApiKeys() = default;  // none: everybody may

  // One key a line, then what is said of it: "KEY [name=N] [requests=N] [tokens=N] [models=change]", numbers a minute;
  // lines with # are comments. A key without a name is called by the beginning of its hash. Throws not_found, bad_file (with the line),
  // and bad_file where others may write the file.
  static ApiKeys from_file(const std::filesystem::path& file);
  static ApiKeys from_text(std::string_view text, std::string_view where);

  bool required() const { return !keys_.empty(); }
  std::size_t size() const { return keys_.size(); }

  // The key of `Authorization: Bearer K` or `x-api-key: K`; null if it is none. Takes the same time whichever it is.
  std::shared_ptr<ApiKey> find(const HttpRequest& request) const;

 private:
  std::vector<std::shared_ptr<ApiKey>> keys_;
};

}  // namespace glimt
