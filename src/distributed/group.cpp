#include "distributed/group.h"

#include "base/error.h"

#include <algorithm>
#include <cstring>

namespace glimt {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 31;  // of a message
constexpr std::chrono::milliseconds kSlowestBeat{1'000};
constexpr std::chrono::milliseconds kLastWords{200};  // for what is said at the end

std::int64_t ticks(SocketClock::time_point time) { return time.time_since_epoch().count(); }

float add_to(float next, float sum) { return sum + next; }

std::chrono::milliseconds beat_time(const RankOptions& options) {
  return std::clamp(options.step_limit / 5, std::chrono::milliseconds(10), kSlowestBeat);
}

}  // namespace

Group::Group(Place place, const Hello& hello, GroupOptions options)
    : place_(std::move(place)), options_(std::move(options)), peers_(place_.addresses.size()) {
  std::vector<Socket> sockets = meet(place_, hello, options_.patience);
  for (std::size_t rank = 0; rank < sockets.size(); ++rank) {
    if (sockets[rank].empty()) continue;
    peers_[rank] = std::make_unique<Peer>();
    peers_[rank]->socket = std::move(sockets[rank]);
    peers_[rank]->heard = ticks(SocketClock::now());
  }
  for (int rank = 0; rank < size(); ++rank) {
    if (rank != place_.rank) peer(rank).reader = std::thread([this, rank] { read(rank); });
  }
  watch_ = std::thread([this] { watch(); });
}

Group::~Group() {
  {
    const std::lock_guard lock(mutex_);  // or a thread that is about to wait misses it
    ending_ = true;
  }
  changed_.notify_all();
  watch_.join();
  for (const auto& peer : peers_) {
    if (peer) peer->reader.join();
  }
  if (!broken_) write_last(Kind::left, {});  // nobody else sends any more
  if (broken_) hear_out();
}

// ---- sending ----

bool Group::write(Peer& to, Kind kind, std::uint64_t tag, std::span<const std::byte> bytes) {
  const Frame frame{kind, 0, tag, bytes.size()};
  const auto still = [this] { return goes(); };
  to.torn = to.torn || to.socket.send_all(std::as_bytes(std::span(&frame, 1)), bytes, still) != Socket::Result::done;
  return !to.torn;
}

void Group::send(int to, std::uint64_t tag, std::span<const std::byte> bytes) {
  if (broken_) glimt::fail(ErrorKind::internal, "ranks", "{}", *failure());
  const bool sent = [&] {
    const std::lock_guard sending(peer(to).sending);
    return write(peer(to), Kind::message, tag, bytes);
  }();
  if (!sent) {
    fail(place_.name(to) + ": the connection is lost");
    glimt::fail(ErrorKind::internal, "ranks", "{}", failure().value_or("the group has ended"));
  }
  const std::lock_guard lock(mutex_);
  ++traffic_.messages;
  traffic_.bytes += bytes.size();
}

// To those whose connection is free soon: who sends a message stops when he hears of the end. What was begun before is
// never cut into.
void Group::write_last(Kind kind, std::string_view text) noexcept {
  const auto goes = until(SocketClock::now() + kLastWords);
  for (const auto& peer : peers_) {
    if (!peer) continue;
    std::unique_lock sending(peer->sending, std::try_to_lock);
    while (!sending && goes()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      static_cast<void>(sending.try_lock());
    }
    const Frame frame{kind, 0, 0, text.size()};
    if (sending && !peer->torn) {
      static_cast<void>(
          peer->socket.send_all(std::as_bytes(std::span(&frame, 1)), std::as_bytes(std::span(text)), goes));
    }
    peer->socket.finish_sending();
  }
}

// What the others sent before they heard of the end. A connection that is closed with something unread in it is reset,
// and they might lose why the group broke.
void Group::hear_out() const {
  const auto goes = until(SocketClock::now() + kLastWords);
  Bytes unread(std::size_t{1} << 16);
  for (const auto& peer : peers_) {
    while (peer && peer->socket.receive_all(unread, goes) == Socket::Result::done) continue;
  }
}

// ---- receiving ----

void Group::read(int rank) {
  Peer& from = peer(rank);
  const auto still = [this] { return goes(); };
  for (;;) {
    Frame frame{};
    const auto got = from.socket.receive_all(std::as_writable_bytes(std::span(&frame, 1)), still);
    if (got == Socket::Result::stopped) return;
    if (got == Socket::Result::closed) return fail(place_.name(rank) + ": has ended, or the connection is lost");
    from.heard = ticks(SocketClock::now());
    try {
      if (!take(rank, frame)) return;
    } catch (const std::exception& error) {  // no memory
      return fail(place_.name(place_.rank) + ": " + error.what());
    }
  }
}

// False: nothing more is to be read.
bool Group::take(int rank, const Frame& frame) {
  Peer& from = peer(rank);
  if (frame.kind == Kind::beat) {
    from.progress = frame.tag;
    return true;
  }
  if (frame.kind == Kind::left) {
    const std::lock_guard lock(mutex_);
    from.left = true;
    changed_.notify_all();
    return false;
  }
  const bool known = frame.kind == Kind::message || frame.kind == Kind::failed;
  if (!known || frame.size > kMostBytes) {
    fail(place_.name(rank) + ": sends what is no message of this protocol");
    return false;
  }
  const auto still = [this] { return goes(); };
  Message message{frame.tag, Bytes(frame.size)};
  // A long message is a sign of life while its bytes come.
  for (std::span<std::byte> rest(message.bytes); !rest.empty();) {
    const std::span<std::byte> part = rest.first(std::min<std::size_t>(rest.size(), 1 << 16));
    const auto got = from.socket.receive_all(part, still);
    if (got == Socket::Result::stopped) return false;
    if (got == Socket::Result::closed) {
      fail(place_.name(rank) + ": has ended, or the connection is lost");
      return false;
    }
    from.heard = ticks(SocketClock::now());
    rest = rest.subspan(part.size());
  }
  if (frame.kind == Kind::failed) {
    fail({reinterpret_cast<const char*>(message.bytes.data()), message.bytes.size()});
    return false;
  }
  const std::lock_guard lock(mutex_);
  from.inbox.push_back(std::move(message));
  changed_.notify_all();
  return true;
}

std::optional<Bytes> Group::receive(int from, std::uint64_t tag) {
  Peer& other = peer(from);
  std::unique_lock lock(mutex_);
  const auto start = SocketClock::now();
  changed_.wait(lock, [&] { return broken_ || other.left || !other.inbox.empty(); });
  traffic_.waiting += std::chrono::duration<double>(SocketClock::now() - start).count();
  if (broken_) glimt::fail(ErrorKind::internal, "ranks", "{}", why_);
  if (other.inbox.empty()) return std::nullopt;
  Message message = std::move(other.inbox.front());
  other.inbox.pop_front();
  lock.unlock();
  if (message.tag != tag) {
    fail(fmt::format("{}: sent message {}, and {} was due", place_.name(from), message.tag, tag));
    glimt::fail(ErrorKind::internal, "ranks", "{}", *failure());
  }
  return std::move(message.bytes);
}

// ---- sums ----

Bytes Group::part_of_sum(int from, std::uint64_t tag, std::size_t size) {
  std::optional<Bytes> part = receive(from, tag);
  if (part && part->size() == size) return std::move(*part);
  fail(part ? fmt::format("{}: {} bytes for a sum of {}", place_.name(from), part->size(), size)
            : fmt::format("{}: has left in the middle of a sum", place_.name(from)));
  glimt::fail(ErrorKind::internal, "ranks", "{}", failure().value_or("the group has ended"));
}

void Group::all_sum(std::span<float> values, std::uint64_t tag) {
  if (size() == 1) return;
  for (int to = 0; to < size(); ++to) {
    if (to != rank()) send(to, tag, std::as_bytes(values));
  }
  const std::vector<float> own(values.begin(), values.end());
  std::vector<float> part(values.size());
  for (int from = 0; from < size(); ++from) {
    if (from != rank()) {
      const Bytes bytes = part_of_sum(from, tag, values.size_bytes());
      if (!bytes.empty()) std::memcpy(part.data(), bytes.data(), bytes.size());
    }
    const std::vector<float>& next = from == rank() ? own : part;
    if (from == 0) std::copy(next.begin(), next.end(), values.begin());
    if (from > 0) std::transform(next.begin(), next.end(), values.begin(), values.begin(), add_to);
  }
}

// ---- the end ----

void Group::fail(const std::string& why) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (broken_ || ending_) return;
    why_ = why;
    broken_ = true;
  }
  changed_.notify_all();
  write_last(Kind::failed, why);
}

std::optional<std::string> Group::failure() const {
  const std::lock_guard lock(mutex_);
  return broken_ ? std::optional(why_) : std::nullopt;
}

// ---- signs of life ----

void Group::show(Progress progress) {
  const std::lock_guard lock(mutex_);
  progress_ = std::move(progress);
}

std::uint64_t Group::progress_of_others() const {
  std::uint64_t sum = 0;
  for (const auto& peer : peers_) sum += peer ? peer->progress.load() : 0;
  return sum;
}

Group::Traffic Group::traffic() const {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

void Group::beat() {
  std::optional<std::uint64_t> progress;
  {
    const std::lock_guard lock(mutex_);
    if (progress_) progress = progress_();
  }
  for (const auto& peer : peers_) {
    if (!peer) continue;
    // While a message is on its way, that is the sign of life.
    const std::unique_lock sending(peer->sending, std::try_to_lock);
    if (!sending) continue;
    const Frame frame{Kind::beat, 0, progress.value_or(0), 0};
    // Where there is no room the other side does not read, which is for it to show. Behind half a frame nothing can
    // follow; the other side sees the end of the connection, or has left.
    const auto sent = peer->socket.send_now(std::as_bytes(std::span(&frame, 1)));
    if (sent == Socket::Result::closed) peer->socket.finish_sending();
  }
}

void Group::look_for_silence(SocketClock::time_point now) {
  for (int rank = 0; rank < size(); ++rank) {
    if (rank == place_.rank || !goes()) continue;
    const bool left = [&] {
      const std::lock_guard lock(mutex_);
      return peer(rank).left;
    }();
    const SocketClock::time_point heard{SocketClock::duration(peer(rank).heard.load())};
    if (left || now - heard <= options_.ranks.step_limit) continue;
    fail(fmt::format("{}: nothing was heard of it for {:.1f} s", place_.name(rank),
                     std::chrono::duration<double>(now - heard).count()));
  }
}

void Group::watch() {
  const auto every = beat_time(options_.ranks);
  auto last = SocketClock::now();
  std::unique_lock lock(mutex_);
  while (goes()) {
    lock.unlock();
    const auto now = SocketClock::now();
    if (now - last > 4 * every) {  // this process stood still: what the others said meanwhile is not read yet
      for (const auto& peer : peers_) {
        if (peer) peer->heard = ticks(now);
      }
    }
    last = now;
    beat();
    look_for_silence(now);
    lock.lock();
    changed_.wait_for(lock, every, [this] { return !goes(); });
  }
  wait_for_the_end(lock);
}

void Group::wait_for_the_end(std::unique_lock<std::mutex>& lock) {
  if (!broken_ || !options_.ranks.when_broken) return;
  if (changed_.wait_for(lock, options_.ranks.grace, [this] { return ending_.load(); })) return;
  const std::string why = why_;
  lock.unlock();
  options_.ranks.when_broken(why);
}

}  // namespace glimt
