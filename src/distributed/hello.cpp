#include "distributed/hello.h"

#include "base/error.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace glimt {
namespace {

constexpr std::string_view kMagic = "GLIMTRNK";
constexpr std::uint32_t kProtocol = 1;
constexpr std::uint64_t kMostHelloBytes = 1 << 20;
constexpr std::chrono::seconds kHelloTime{5};  // for one that has connected already
constexpr std::chrono::milliseconds kRetry{50};

// magic | protocol | rank | bytes of the rest: this much every version keeps.
struct Opening {
  char magic[8];
  std::uint32_t protocol, rank;
  std::uint64_t size;
};

constexpr const char* kToken = "launch token";

std::vector<Fact> facts_of(const Place& place, const Hello& hello) {
  std::vector<Fact> facts{{"number of ranks", std::to_string(place.size())}, {kToken, hello.launch_token}};
  facts.insert(facts.end(), hello.facts.begin(), hello.facts.end());
  return facts;
}

class Meeting {
 public:
  Meeting(const Place& place, const Hello& hello, SocketClock::time_point deadline)
      : place_(place), facts_(facts_of(place, hello)), deadline_(deadline), met_(place.addresses.size()) {}

  std::vector<Socket> run() {
    Socket listener;
    if (place_.rank + 1 < place_.size()) listener = Socket::listen(own_address());
    for (int rank = 0; rank < place_.rank; ++rank) call(rank);
    for (int left = place_.size() - 1 - place_.rank; left > 0; --left) answer(listener);
    return std::move(met_);
  }

 private:
  const Address& own_address() const { return place_.addresses[static_cast<std::size_t>(place_.rank)]; }

  // A rank that has ended would be waited for in vain by those that wait for others.
  void check_met() const {
    for (int rank = 0; rank < place_.size(); ++rank) {
      const Socket& socket = met_[static_cast<std::size_t>(rank)];
      if (!socket.empty() && socket.is_closed()) fail(ErrorKind::internal, place_.name(rank), "has ended the start");
    }
  }

  void check_time(const std::string& who) const {
    check_met();
    if (SocketClock::now() > deadline_) fail(ErrorKind::internal, who, "has not come; it is started with the others");
  }

  void call(int rank) {
    for (;;) {
      Socket socket = Socket::connect(place_.addresses[static_cast<std::size_t>(rank)],
                                      std::min(deadline_, SocketClock::now() + std::chrono::seconds(1)));
      if (!socket.empty()) {
        send_hello(socket, Token::told);
        const int got = check(read_hello(socket));
        if (got != rank) fail(ErrorKind::internal, place_.name(rank), "says that it is rank {}", got);
        met_[static_cast<std::size_t>(rank)] = std::move(socket);
        return;
      }
      check_time(place_.name(rank));
      std::this_thread::sleep_for(kRetry);
    }
  }

  std::string missing() const {
    for (int rank = place_.rank + 1; rank < place_.size(); ++rank) {
      if (met_[static_cast<std::size_t>(rank)].empty()) return place_.name(rank);
    }
    return "";
  }

  void answer(const Socket& listener) {
    for (;;) {
      Socket socket = listener.accept(SocketClock::now() + kRetry);
      if (!socket.empty()) {
        // Who comes speaks first: nobody learns the token who does not know it.
        const Received hello = read_hello(socket);
        send_hello(socket, knows_token(hello) ? Token::told : Token::kept);
        const int rank = check(hello);
        if (rank <= place_.rank || rank >= place_.size() || !met_[static_cast<std::size_t>(rank)].empty()) {
          fail(ErrorKind::internal, socket.peer(), "says that it is rank {}, which it cannot be", rank);
        }
        met_[static_cast<std::size_t>(rank)] = std::move(socket);
        return;
      }
      check_time(missing());
    }
  }

  enum class Token : std::uint8_t { told, kept };
  void send_hello(const Socket& socket, Token token) const {
    MessageWriter message;
    for (const Fact& fact : facts_) {
      message.put(fact.name).put(fact.name == kToken && token == Token::kept ? std::string() : fact.value);
    }
    Opening opening = {{}, kProtocol, static_cast<std::uint32_t>(place_.rank), message.bytes().size()};
    std::memcpy(opening.magic, kMagic.data(), kMagic.size());
    const auto goes = until(SocketClock::now() + kHelloTime);
    static_cast<void>(socket.send_all(std::as_bytes(std::span(&opening, 1)), goes));
    static_cast<void>(socket.send_all(message.bytes(), goes));  // a failure shows when its hello is read
  }

  struct Received {
    Opening opening;
    std::string who;
    Bytes facts;  // of another version of the protocol they mean nothing
  };
  Received read_hello(const Socket& socket) const {
    const auto goes = until(SocketClock::now() + kHelloTime);
    Opening opening = {};
    const auto got = socket.receive_all(std::as_writable_bytes(std::span(&opening, 1)), goes);
    if (got != Socket::Result::done || kMagic != std::string_view(opening.magic, sizeof opening.magic) ||
        opening.size > kMostHelloBytes) {
      fail(ErrorKind::internal, socket.peer(), "is no rank of this launch, and is connected to {}: the start ends",
           place_.name(place_.rank));
    }
    Received hello{opening, fmt::format("rank {} ({})", opening.rank, socket.peer()), Bytes(opening.size)};
    if (socket.receive_all(hello.facts, goes) != Socket::Result::done) {
      fail(ErrorKind::internal, hello.who, "has ended the start");
    }
    return hello;
  }

  bool knows_token(const Received& hello) const {
    if (hello.opening.protocol != kProtocol) return false;
    MessageReader message(hello.facts);
    for (const Fact& fact : facts_) {
      if (message.at_end()) return false;
      const std::string name = message.text(), value = message.text();
      if (name == kToken) return value == fact.value;
    }
    return false;
  }

  // Returns the other's rank once everything agrees.
  int check(const Received& hello) const {
    const std::string& who = hello.who;
    if (hello.opening.protocol != kProtocol) differ(who, "version of the protocol", kProtocol, hello.opening.protocol);
    compare(who, MessageReader(hello.facts));
    return static_cast<int>(hello.opening.rank);
  }

  template <typename T>
  [[noreturn]] void differ(const std::string& who, std::string_view what, const T& here, const T& there) const {
    fail(ErrorKind::internal, who, "its {} differs: rank {} has '{}', this one '{}'", what, place_.rank, here, there);
  }

  void compare(const std::string& who, MessageReader message) const {
    for (const Fact& fact : facts_) {
      if (message.at_end()) differ(who, fact.name, fact.value, std::string("nothing"));
      const std::string name = message.text(), value = message.text();
      if (name != fact.name) differ(who, "list of what is compared", fact.name, name);
      if (value != fact.value) {
        if (name != kToken) differ(who, name, fact.value, value);
        fail(ErrorKind::internal, who, "is of another launch");  // the token is nobody's business
      }
    }
    if (!message.at_end()) differ(who, "list of what is compared", std::string("no more"), message.text());
  }

  const Place& place_;
  const std::vector<Fact> facts_;
  const SocketClock::time_point deadline_;
  std::vector<Socket> met_;
};

}  // namespace

std::string launch_token_from_environment() {
  const char* token = std::getenv("GLIMT_LAUNCH_TOKEN");
  return token == nullptr ? "" : token;
}

std::vector<Socket> meet(const Place& place, const Hello& hello, std::chrono::milliseconds patience) {
  return Meeting(place, hello, SocketClock::now() + patience).run();
}

}  // namespace glimt
