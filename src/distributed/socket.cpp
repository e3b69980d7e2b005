#include "distributed/socket.h"

#include "base/error.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace glimt {
namespace {

constexpr std::chrono::milliseconds kLook{100};
constexpr int kBacklog = 64;

using AddressInfo = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

AddressInfo resolve(const Address& address, bool passive) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0) fail(ErrorKind::invalid_request, address.text(), "{}", ::gai_strerror(error));
  return {found, ::freeaddrinfo};
}

Socket new_socket(const addrinfo& info) {
  const int fd = ::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC, info.ai_protocol);
  if (fd < 0) fail(ErrorKind::internal, "socket", "{}", std::strerror(errno));
  return Socket(fd);
}

void set(int fd, int level, int option) {
  const int one = 1;
  static_cast<void>(::setsockopt(fd, level, option, &one, sizeof one));
}

// Whether the socket is ready for `events` until the deadline.
bool ready(int fd, short events, SocketClock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SocketClock::now());
    pollfd waiting{fd, events, 0};
    const int found = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

bool again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Socket::Socket(int fd) : fd_(fd) {
  static_cast<void>(::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL, 0) | O_NONBLOCK));
  set(fd_, IPPROTO_TCP, TCP_NODELAY);
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket Socket::listen(const Address& address) {
  const AddressInfo info = resolve(address, true);
  Socket socket = new_socket(*info);
  set(socket.fd_, SOL_SOCKET, SO_REUSEADDR);
  set(socket.fd_, SOL_SOCKET, SO_REUSEPORT);  // a launcher may hold the port for this rank
  if (::bind(socket.fd_, info->ai_addr, info->ai_addrlen) != 0 || ::listen(socket.fd_, kBacklog) != 0) {
    fail(ErrorKind::invalid_request, address.text(), "cannot be listened on: {}", std::strerror(errno));
  }
  return socket;
}

Socket Socket::connect(const Address& address, SocketClock::time_point deadline) {
  const AddressInfo info = resolve(address, false);
  Socket socket = new_socket(*info);
  if (::connect(socket.fd_, info->ai_addr, info->ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS || !ready(socket.fd_, POLLOUT, deadline)) return {};
  int error = 0;
  socklen_t size = sizeof error;
  const bool told = ::getsockopt(socket.fd_, SOL_SOCKET, SO_ERROR, &error, &size) == 0;
  return told && error == 0 ? std::move(socket) : Socket();
}

Socket Socket::accept(SocketClock::time_point deadline) const {
  if (!ready(fd_, POLLIN, deadline)) return {};
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  return fd < 0 ? Socket() : Socket(fd);
}

std::string Socket::peer() const {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(fd_, any, &size) != 0 ||
      ::getnameinfo(any, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "somewhere";
  }
  return std::string(host) + ":" + port;
}

Socket::Result Socket::send_all(std::span<const std::byte> bytes, const Goes& goes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (!again()) {
      return Result::closed;
    } else {
      if (!goes()) return Result::stopped;
      static_cast<void>(ready(fd_, POLLOUT, SocketClock::now() + kLook));
    }
  }
  return Result::done;
}

// In one call of the system, and one packet if they fit: the other side wakes up once.
Socket::Result Socket::send_all(std::span<const std::byte> first, std::span<const std::byte> second,
                                const Goes& goes) const {
  const auto part = [](std::span<const std::byte> bytes) {
    return iovec{const_cast<std::byte*>(bytes.data()), bytes.size()};
  };
  iovec parts[] = {part(first), part(second)};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent < 0 && !again()) return Result::closed;
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent), of_first = std::min(done, first.size());
  const Result result = send_all(first.subspan(of_first), goes);
  return result == Result::done ? send_all(second.subspan(done - of_first), goes) : result;
}

Socket::Result Socket::send_now(std::span<const std::byte> bytes) const {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(bytes.size())) return Result::done;
  return sent < 0 && again() ? Result::stopped : Result::closed;
}

Socket::Result Socket::receive_all(std::span<std::byte> bytes, const Goes& goes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    } else if (got == 0 || !again()) {
      return Result::closed;
    } else {
      if (!goes()) return Result::stopped;
      static_cast<void>(ready(fd_, POLLIN, SocketClock::now() + kLook));
    }
  }
  return Result::done;
}

bool Socket::is_closed() const {
  std::byte next{};
  const ssize_t got = ::recv(fd_, &next, 1, MSG_PEEK);
  return got == 0 || (got < 0 && !again());
}

void Socket::finish_sending() const { static_cast<void>(::shutdown(fd_, SHUT_WR)); }

Socket::Goes until(SocketClock::time_point deadline) {
  return [deadline] { return SocketClock::now() < deadline; };
}

}  // namespace glimt
