#include "serving/load_progress.h"

#include "base/error.h"

namespace glimt {

std::string_view to_string(LoadStage stage) {
  switch (stage) {
    case LoadStage::waiting: return "waiting";
    case LoadStage::reading: return "reading";
    case LoadStage::starting: return "starting";
    case LoadStage::loaded: return "loaded";
  }
  return "";
}

void LoadProgress::add(std::size_t bytes) {
  done_.fetch_add(bytes, std::memory_order_relaxed);
  check();
}

void LoadProgress::check() const {
  if (stopped_.load(std::memory_order_relaxed)) throw Error(ErrorKind::overloaded, "loading was stopped");
}

LoadState LoadProgress::state() const {
  return {stage_.load(std::memory_order_relaxed), done_.load(std::memory_order_relaxed),
          total_.load(std::memory_order_relaxed),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count()};
}

}  // namespace glimt
