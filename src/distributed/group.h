// The processes that compute one model together: messages between any two of them, and one common end. Whatever happens
// to one rank (it dies, stands still, loses its network) ends the group on all of them within the limit: every call that
// waits throws, and none ever gives a message of a broken group.
//
// MLX's own groups are not used for that. Its ring waits without a limit, spins on a core while it waits, and takes
// whoever connects first for its neighbour. (docs/SCALING.md has what was measured.)
#pragma once

#include "base/ranks.h"
#include "distributed/hello.h"
#include "distributed/message.h"
#include "distributed/place.h"
#include "distributed/socket.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace glimt {

struct GroupOptions {
  RankOptions ranks;
  std::chrono::milliseconds patience{60'000};  // for ranks that have not come yet
};

// Any thread may use it; one at a time receives from a rank. Messages of one rank to another keep their order.
class Group {
 public:
  // A number that changes while this rank's work gets on; nothing where that cannot be seen.
  using Progress = std::function<std::optional<std::uint64_t>()>;

  // Meets the others and compares. Throws what meet() throws.
  Group(Place place, const Hello& hello, GroupOptions options = {});

  // In order: the others see that this rank has left, and no fault.
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const { return place_.rank; }
  int size() const { return place_.size(); }
  std::string name(int rank) const { return place_.name(rank); }

  // Waits only while the network has no room. Throws internal if the group is broken.
  void send(int to, std::uint64_t tag, std::span<const std::byte> bytes);

  // The next message of that rank; nothing once it has left. Waits as long as all ranks are alive. Throws internal if
  // the group is broken, or if the tag is another one.
  std::optional<Bytes> receive(int from, std::uint64_t tag);

  // Adds up the values of all ranks, element by element in the ranks' order, so that every rank has the same bits, in
  // every run. Each rank sends its values to each other one: one passage of the network, (size() - 1) times their bytes.
  // All ranks call it in the same order among their messages, with as many values and the same tag. Waits and throws as
  // receive() does; a rank that has left in the middle, or has another number of values, breaks the group. Does nothing
  // in a group of one.
  void all_sum(std::span<float> values, std::uint64_t tag);

  // Ends the group on all ranks; the first reason counts.
  void fail(const std::string& why) noexcept;

  // What work() gives. What it throws ends the group on all ranks as well, since they would wait for this one.
  template <typename Work>
  auto or_fail(const Work& work) {
    try {
      return work();
    } catch (const std::exception& error) {
      fail(place_.name(place_.rank) + ": " + error.what());
      throw;
    }
  }

  // Why the group is broken; nothing while it is whole.
  std::optional<std::string> failure() const;

  // For the others, who hear it with each beat; and the sum of what they said.
  void show(Progress progress);
  std::uint64_t progress_of_others() const;

  struct Traffic {
    std::uint64_t messages = 0, bytes = 0;  // sent
    double waiting = 0;                     // seconds, in receive()
  };
  Traffic traffic() const;

 private:
  struct Message {
    std::uint64_t tag;
    Bytes bytes;
  };
  struct Peer {
    Socket socket;
    std::mutex sending;
    bool torn = false;                   // a message was begun and not ended; under `sending`
    std::atomic<std::int64_t> heard{0};  // of SocketClock
    std::atomic<std::uint64_t> progress{0};
    std::thread reader;
    // Under the group's mutex:
    std::deque<Message> inbox;
    bool left = false;
  };

  enum class Kind : std::uint32_t { beat = 1, message, failed, left };
  struct Frame {
    Kind kind;
    std::uint32_t unused;
    std::uint64_t tag, size;
  };

  Peer& peer(int rank) { return *peers_[static_cast<std::size_t>(rank)]; }
  bool goes() const { return !broken_ && !ending_; }
  Bytes part_of_sum(int from, std::uint64_t tag, std::size_t size);
  void read(int rank);
  bool take(int rank, const Frame& frame);
  bool write(Peer& to, Kind kind, std::uint64_t tag, std::span<const std::byte> bytes);
  void write_last(Kind kind, std::string_view text) noexcept;
  void hear_out() const;
  void watch();
  void beat();
  void look_for_silence(SocketClock::time_point now);
  void wait_for_the_end(std::unique_lock<std::mutex>& lock);

  const Place place_;
  const GroupOptions options_;
  std::vector<std::unique_ptr<Peer>> peers_;  // by rank; null for this one
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string why_;
  Progress progress_;
  Traffic traffic_;
  std::atomic<bool> broken_{false}, ending_{false};
  std::thread watch_;
};

}  // namespace glimt
