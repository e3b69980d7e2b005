// The pulls that clients wait for: of one model there is one at a time, however many want it.
#pragma once

#include "hub/pull.h"
#include "server/limits.h"
#include "server/waker.h"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace glimt {

// What a pull has told so far: the newest event of each file, and of each word without a file. So it stays small however
// long it takes, a client that comes late learns all of it, and one that reads slowly misses only what is outdated. Not
// thread-safe.
class PullNews {
 public:
  void add(const PullEvent& event);

  // Those behind the first `seen` ones, in their order; then `seen` counts them.
  std::vector<PullEvent> since(std::uint64_t& seen) const;

 private:
  struct Numbered {
    std::uint64_t number;
    PullEvent event;
  };
  std::uint64_t count_ = 0;
  std::map<std::string, Numbered> newest_;  // by file, or word
};

// Any thread may use it. Each pull has a thread of its own.
class Pulls {
 public:
  class Watch;

  explicit Pulls(const ServerLimits& limits) : limits_(limits) {}
  ~Pulls();  // ends them all; what has arrived is kept
  Pulls(const Pulls&) = delete;
  Pulls& operator=(const Pulls&) = delete;

  // Has a part in the pull of this model, which begins if there is none; `waker` is told of each event. Throws
  // invalid_request for a name that no hub can have, and overloaded where too many run.
  std::unique_ptr<Watch> join(const std::string& name, PullOptions options, std::shared_ptr<Waker> waker);

 private:
  struct Running;

  void join_ended();

  const ServerLimits limits_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Running>> running_;
};

// A client's part in a pull. The last one that goes ends it; what has arrived is kept for the next one.
class Pulls::Watch {
 public:
  Watch(std::shared_ptr<Running> running, std::shared_ptr<Waker> waker);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::vector<PullEvent> news();  // since the last call
  bool ended() const;             // look at it before the news: behind its end none come
  void rethrow() const;           // what it ended with, where it failed

 private:
  std::shared_ptr<Running> running_;
  std::uint64_t seen_ = 0;
};

}  // namespace glimt
