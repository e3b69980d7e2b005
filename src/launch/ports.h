// Ports of this machine that nobody else gets while the ranks find each other.
#pragma once

#include <cstdint>
#include <vector>

namespace glimt::launch {

// Holds `count` free TCP ports of 127.0.0.1 for as long as it lives. A process of the same user may still listen on
// them if it asks for SO_REUSEPORT, as MLX's ring does. Throws internal.
class ReservedPorts {
 public:
  explicit ReservedPorts(int count);
  ~ReservedPorts();
  ReservedPorts(const ReservedPorts&) = delete;
  ReservedPorts& operator=(const ReservedPorts&) = delete;

  const std::vector<std::uint16_t>& ports() const { return ports_; }

 private:
  void reserve();
  void release();

  std::vector<int> sockets_;
  std::vector<std::uint16_t> ports_;
};

}  // namespace glimt::launch
