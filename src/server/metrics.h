// What the server counts, as Prometheus reads it at /metrics.
#pragma once

#include "serving/model_manager.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {

// What is known of one answer at its end. Times in seconds.
struct AnswerTimes {
  double queue = 0;
  double first_token = 0;  // since the request came
  std::size_t prompt_tokens = 0;
  std::size_t reused_tokens = 0;
  std::size_t generated_tokens = 0;
};

// All methods may be called from any thread.
class ServerMetrics {
 public:
  ServerMetrics();
  ~ServerMetrics();

  void count_request(std::string_view route, int status, double seconds);
  void count_cancelled();  // an answer that its client did not wait for
  void between_tokens(double seconds);
  void count_answer(const AnswerTimes& answer);
  void connections(std::size_t open);

  // The exposition format, with the engines' own numbers.
  std::string text(const ManagerStatus& models) const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace glimt
