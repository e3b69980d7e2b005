// How many tokens the engines read and wrote in the last ten minutes, for those who watch the server.
#pragma once

#include "base/json.h"
#include "serving/model_manager.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace glimt {

// All methods may be called from any thread.
class TokenHistory {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kSlot{5};
  static constexpr std::size_t kSlots = 120;

  // What the engines have counted until `now`; what is new since the last call belongs to the slot of `now`. To be
  // called a few times a slot, and with a clock that does not go back.
  void note(const std::vector<ModelStatus>& models, Clock::time_point now);

  // {"seconds", "generated", "prompt"}: the length of a slot and the tokens of each of the last kSlots that have ended
  // at `now`, oldest first; prompts' are those that were computed.
  json::object json(Clock::time_point now) const;

 private:
  struct Count {
    std::uint64_t generated = 0, prompt = 0;
  };
  static std::int64_t slot_of(Clock::time_point time);
  void go_to(std::int64_t slot);  // empties those between

  mutable std::mutex mutex_;
  std::map<std::string, Count> counted_;   // of each model that is loaded, since it was
  std::array<Count, kSlots + 1> slots_{};  // a ring by number; one more for the slot that has not ended
  std::int64_t newest_ = -1;
};

}  // namespace glimt
