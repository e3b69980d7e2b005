// Where this process stands among the ranks of a model that several processes compute together. The conventions are
// those of MLX's ring: MLX_RANK, and MLX_HOSTFILE, a JSON file with the addresses of each rank:
//   [["192.168.1.1:5000"], ["192.168.1.2:5000"]]
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct Address {
  std::string host, port;

  std::string text() const { return host + ":" + port; }
};

struct Place {
  int rank = 0;
  std::vector<Address> addresses;  // of each rank; the first one that the file has for it

  int size() const { return static_cast<int>(addresses.size()); }
  std::string name(int of) const;  // "rank 1 (192.168.1.2:5000)"
};

// "host:port" or "[::1]:port". Throws bad_file, which names `where`.
Address parse_address(const std::string& text, const std::string& where);

// Throws bad_file for a file that is none, not_found if it is not there, invalid_request for a rank that is not in it.
Place read_place(const std::filesystem::path& host_file, const std::string& rank);

// Nothing where MLX_HOSTFILE is not set or has one rank: this process computes alone. Throws what read_place throws, and
// invalid_request if MLX_RANK is missing.
std::optional<Place> place_from_environment();

}  // namespace glimt
