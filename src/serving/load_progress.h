// How far the loading of a model has come: written by the thread that loads it, read by any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace glimt {

enum class LoadStage : std::uint8_t {
  waiting,   // for another model that is being loaded or unloaded
  reading,   // the files' bytes come into memory: the one stage that counts bytes
  starting,  // tokenizer, template, weights to the device, memory of the cache
  loaded,
};

// The word of a status, e.g. "reading".
std::string_view to_string(LoadStage stage);

struct LoadState {
  LoadStage stage = LoadStage::waiting;
  std::size_t done_bytes = 0;  // of the files
  std::size_t total_bytes = 0;
  double seconds = 0;  // since it was asked for
};

// All methods may be called from any thread.
class LoadProgress {
 public:
  void enter(LoadStage stage) { stage_.store(stage, std::memory_order_relaxed); }
  void set_total(std::size_t bytes) { total_.store(bytes, std::memory_order_relaxed); }

  // Counts bytes that were read. Throws what check() throws.
  void add(std::size_t bytes);

  // Throws overloaded once stop() was called: the thread that loads calls it where it can end.
  void check() const;
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

  LoadState state() const;

 private:
  std::atomic<LoadStage> stage_ = LoadStage::waiting;
  std::atomic<std::size_t> done_ = 0, total_ = 0;
  std::atomic<bool> stopped_ = false;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace glimt
