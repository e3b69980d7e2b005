// The models in memory as a value: who is there, who is used, who goes first. Policy only: no threads, no files, no
// clock of its own. ModelManager guards it with its lock.
#pragma once

#include "serving/model_manager.h"

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct ModelEntry {
  using Clock = std::chrono::steady_clock;
  struct Waiter {
    ModelManager::Callback callback;
    Clock::time_point since;
  };

  StoredModel stored;
  ModelStatus::State state = ModelStatus::State::loading;
  LoadProgress progress;
  std::shared_ptr<ServedModel> model;
  std::size_t cache_memory = 0;  // that it is loaded with
  std::size_t bytes = 0;         // of weights and cache
  int leases = 0;
  std::chrono::nanoseconds keep_alive{0};
  Clock::time_point last_used{};
  std::vector<Waiter> waiters;

  bool is_idle() const { return state == ModelStatus::State::loaded && leases == 0; }
  Clock::time_point expires() const;  // max: never
};

class ModelTable {
 public:
  using Entry = std::shared_ptr<ModelEntry>;
  using Clock = ModelEntry::Clock;

  // The one of this folder that is loaded or being loaded; null if there is none.
  Entry find(const std::filesystem::path& folder) const;
  const std::list<Entry>& entries() const { return entries_; }
  void add(Entry entry) { entries_.push_back(std::move(entry)); }
  void remove(const Entry& entry) { entries_.remove(entry); }

  std::size_t used() const;       // by all
  std::size_t committed() const;  // without those that are on their way out

  // Idle models that must go so that `needed` bytes fit beside the others, those first that were used longest ago;
  // nothing where they are not enough. Changes nothing.
  std::optional<std::vector<Entry>> victims_for(std::size_t needed, std::size_t memory) const;

  std::vector<Entry> expired(Clock::time_point now) const;
  Clock::time_point next_expiry() const;  // of the idle ones; max: none

  Entry last_used() const;  // of the loaded ones; null if there is none
  std::size_t waiting() const;
  ModelStatus status_of(const ModelEntry& entry, Clock::time_point now) const;

 private:
  std::list<Entry> entries_;
};

}  // namespace glimt
