// The threads that engines run on. MLX makes a stream for every thread that computes, and for the stream a thread of its
// own that never ends. A process that loads models again and again must not gather them: a thread whose engine has ended
// waits for the next engine.
#pragma once

#include <functional>
#include <memory>

namespace glimt {

class EngineThread {
 public:
  // Runs `body` on a thread that no other runs on meanwhile: one that waits, or a new one. Throws std::system_error if
  // there can be none. REQUIRES: the body does not throw.
  explicit EngineThread(std::function<void()> body);
  ~EngineThread() { join(); }
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Waits until the body has returned and is destroyed. May be called again.
  void join();

 private:
  struct Worker;

  Worker* worker_;  // null behind join()
};

}  // namespace glimt
