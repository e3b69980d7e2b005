// Places of ranks on this machine, at ports that are free.
#pragma once

#include "distributed/place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glimt {

// Different ones: each is held until all are found.
inline std::vector<std::uint16_t> free_ports(int count) {
  std::vector<int> held;
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    static_cast<void>(::bind(fd, reinterpret_cast<sockaddr*>(&address), size));
    static_cast<void>(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
    ports.push_back(ntohs(address.sin_port));
    held.push_back(fd);
  }
  for (const int fd : held) ::close(fd);
  return ports;
}

inline std::vector<Address> local_addresses(int count) {
  std::vector<Address> addresses;
  for (const std::uint16_t port : free_ports(count)) addresses.push_back({"127.0.0.1", std::to_string(port)});
  return addresses;
}

}  // namespace glimt
