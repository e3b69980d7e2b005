#include "server/outcomes.h"

#include "api/timestamps.h"

#include <chrono>

namespace glimt {
namespace {

constexpr std::size_t kKept = 20;
constexpr std::size_t kLongest = 300;  // bytes of a path or a message

}  // namespace

void Outcomes::count(bool failed) {
  const std::lock_guard lock(mutex_);
  ++total_;
  if (failed) ++failed_;
}

void Outcomes::add_error(int status, const std::string& path, const std::string& message) {
  json::object error{{"time", unix_seconds(std::chrono::system_clock::now())},
                     {"status", status},
                     {"path", path.substr(0, kLongest)},
                     {"message", message.substr(0, kLongest)}};
  const std::lock_guard lock(mutex_);
  errors_.push_front(std::move(error));
  if (errors_.size() > kKept) errors_.pop_back();
}

json::object Outcomes::counts() const {
  const std::lock_guard lock(mutex_);
  return {{"total", total_}, {"failed", failed_}};
}

json::array Outcomes::errors() const {
  json::array all;
  const std::lock_guard lock(mutex_);
  for (const json::object& error : errors_) all.push_back(error);
  return all;
}

}  // namespace glimt
