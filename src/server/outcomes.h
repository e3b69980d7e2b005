// How requests ended: how many, and the last errors, for those who watch the server.
#pragma once

#include "base/json.h"

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>

namespace glimt {

// All methods may be called from any thread.
class Outcomes {
 public:
  // A request that wanted an answer of the model, at its end.
  void count(bool failed);

  // What a client was told of a failure of the server. Holds no text of a request or an answer.
  void add_error(int status, const std::string& path, const std::string& message);

  json::object counts() const;  // {"total", "failed"}
  json::array errors() const;   // [{"time", "status", "path", "message"}], the last 20, newest first

 private:
  mutable std::mutex mutex_;
  std::size_t total_ = 0, failed_ = 0;
  std::deque<json::object> errors_;
};

}  // namespace glimt
