#include "launch/ports.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace glimt::launch {

ReservedPorts::ReservedPorts(int count) {
  try {
    for (int i = 0; i < count; ++i) reserve();
  } catch (...) {
    release();
    throw;
  }
}

ReservedPorts::~ReservedPorts() { release(); }

void ReservedPorts::release() {
  for (const int socket : sockets_) ::close(socket);
}

// A socket that is bound and does not listen: it takes no connections from the rank that listens on the same port.
void ReservedPorts::reserve() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (socket < 0) fail(ErrorKind::internal, "socket", "{}", std::strerror(errno));
  sockets_.push_back(socket);
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  const int yes = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 || ::bind(socket, any, length) != 0 ||
      ::getsockname(socket, any, &length) != 0) {
    fail(ErrorKind::internal, "a free port", "{}", std::strerror(errno));
  }
  ports_.push_back(ntohs(address.sin_port));
}

}  // namespace glimt::launch
