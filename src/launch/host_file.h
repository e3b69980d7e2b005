// Which machines the ranks run on: the host file of MLX's own launcher, `mlx.launch --hostfile`.
#pragma once

#include "base/json.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glimt::launch {

inline constexpr std::size_t kMostRanks = 64;

struct Host {
  std::string ssh;               // what ssh calls it; 127.0.0.1, localhost and this machine's name mean this one
  std::vector<std::string> ips;  // addresses (IPv4, or names of such) at which its neighbours reach it; at least one
};

struct Hosts {
  std::vector<Host> ranks;        // the host of rank 0, 1, …
  std::vector<std::string> envs;  // NAME=VALUE, for every rank
};

// The host of each rank of one machine.
Hosts local_hosts(int ranks);

// {"hosts": [{"ssh": "a", "ips": ["10.0.0.1"]}, …], "envs": ["NAME=VALUE"], "backend": "ring"}, or the list of hosts
// alone. Rank 0 is the first host, and must be this machine. "rdma" is not read. Throws not_found, bad_file with the
// field, and unsupported for another backend than the ring.
Hosts read_host_file(const std::filesystem::path& file);

bool is_this_machine(const std::string& ssh);

// The addresses at which each rank listens, in rank order.
using Ring = std::vector<std::vector<std::string>>;

// Every address of every host with a port of its own, from `first_port` on, as mlx.launch counts. Throws
// invalid_request if the ports do not suffice.
Ring ring_of(const Hosts& hosts, std::uint16_t first_port);

// [["ip:port", …], …], which is the content of MLX_HOSTFILE.
json::array array_of(const Ring& ring);
std::string ring_json(const Ring& ring);

}  // namespace glimt::launch
