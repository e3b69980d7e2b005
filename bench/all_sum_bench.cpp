// What an all_sum costs over the loopback, where the network takes no time: ranks as threads of this process.
//
//   all_sum_bench [COUNT…]    values of each sum; 2048 times 1, 8 and 512 rows if there are none
#include "distributed/group.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

namespace glimt {
namespace {

std::vector<Address> free_addresses(int count) {
  std::vector<Address> addresses;
  std::vector<int> held;
  for (int i = 0; i < count; ++i) {
    held.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    static_cast<void>(::bind(held.back(), reinterpret_cast<sockaddr*>(&address), size));
    static_cast<void>(::getsockname(held.back(), reinterpret_cast<sockaddr*>(&address), &size));
    addresses.push_back({"127.0.0.1", std::to_string(ntohs(address.sin_port))});
  }
  for (const int fd : held) ::close(fd);
  return addresses;
}

// Microseconds of each sum, as one rank sees them.
std::vector<double> sums(const Place& place, std::size_t values, int times) {
  Group group(place, {});
  std::vector<float> x(values, 1.0f);
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    group.all_sum(x, static_cast<std::uint64_t>(i));
    took.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  return took;
}

void measure(int ranks, std::size_t values) {
  const int times = values > 100'000 ? 50 : 2000;
  const std::vector<Address> addresses = free_addresses(ranks);
  std::vector<std::thread> others;
  for (int rank = 1; rank < ranks; ++rank) {
    others.emplace_back([&, rank] { sums({rank, addresses}, values, times); });
  }
  std::vector<double> took = sums({0, addresses}, values, times);
  for (std::thread& other : others) other.join();
  std::sort(took.begin(), took.end());
  fmt::print("{} ranks, {:>8.1f} KB: {:>8.1f} us in the median, {:>8.1f} in the 95th percentile\n", ranks,
             static_cast<double>(values) * sizeof(float) / 1e3, took[took.size() / 2], took[took.size() * 95 / 100]);
}

}  // namespace
}  // namespace glimt

int main(int argc, char** argv) {
  std::vector<std::size_t> counts;
  for (int i = 1; i < argc; ++i) counts.push_back(std::strtoull(argv[i], nullptr, 10));
  if (counts.empty()) counts = {2048, 8 * 2048, 512 * 2048};
  for (const int ranks : {2, 3, 4}) {
    for (const std::size_t count : counts) glimt::measure(ranks, count);
  }
}
