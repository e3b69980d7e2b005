// The requests that want an answer now, for those who watch the server: what each one does, and how far it is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace glimt {

// One of them. Written by the I/O thread, read by any.
struct RequestProgress {
  using Clock = std::chrono::steady_clock;
  enum class Phase { queued, prefill, thinking, answer };

  const std::string id, model, path;
  const std::size_t prompt_tokens;
  const Clock::time_point came;
  std::atomic<Phase> phase = Phase::queued;
  std::atomic<std::size_t> prefilled_tokens = 0;
  std::atomic<std::size_t> generated_tokens = 0;
  std::atomic<Clock::time_point> first_token = Clock::time_point();  // of the answer

  RequestProgress(std::string id_of, std::string model_of, std::string path_of, std::size_t tokens,
                  Clock::time_point came_at)
      : id(std::move(id_of)),
        model(std::move(model_of)),
        path(std::move(path_of)),
        prompt_tokens(tokens),
        came(came_at) {}
};

// All methods may be called from any thread.
class RequestList {
 public:
  // It is on the list as long as it lives.
  std::shared_ptr<RequestProgress> add(std::string id, std::string model, std::string path, std::size_t prompt_tokens,
                                       RequestProgress::Clock::time_point came);

  std::vector<std::shared_ptr<const RequestProgress>> now() const;  // in the order in which they came

  // How many of its model wait for their first turn that came before it, and itself.
  std::size_t place_of(const RequestProgress& request) const;

 private:
  mutable std::mutex mutex_;
  std::list<std::weak_ptr<const RequestProgress>> requests_;
};

}  // namespace glimt
