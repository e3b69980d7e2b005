#include "distributed/place.h"

#include "base/json.h"

#include <charconv>
#include <cstdlib>

namespace glimt {
namespace {

constexpr std::size_t kMostRanks = 64;

Address first_address(const json::value& rank, const std::string& where) {
  const json::array* addresses = rank.if_array();
  if (addresses == nullptr || addresses->empty() || !is_text((*addresses)[0])) {
    fail(ErrorKind::bad_file, where, "an array of \"host:port\" is wanted for each rank, got {}", dump_json(rank));
  }
  return parse_address(std::string((*addresses)[0].get_string()), where);
}

}  // namespace

std::string Place::name(int of) const {
  return fmt::format("rank {} ({})", of, addresses[static_cast<std::size_t>(of)].text());
}

Address parse_address(const std::string& text, const std::string& where) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    fail(ErrorKind::bad_file, where, "\"host:port\" is wanted, got \"{}\"", text);
  }
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end || port < 1 || port > 65535) {
    fail(ErrorKind::bad_file, where, "a port of 1 … 65535 is wanted, got \"{}\"", text);
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, text.substr(colon + 1)};
}

Place read_place(const std::filesystem::path& host_file, const std::string& rank) {
  const std::string where = host_file.string();
  const json::value file = parse_json_file(host_file);
  const json::array* ranks = file.if_array();
  if (ranks == nullptr || ranks->empty() || ranks->size() > kMostRanks) {
    fail(ErrorKind::bad_file, where, "an array of 1 … {} ranks is wanted", kMostRanks);
  }
  Place place;
  for (const json::value& one : *ranks) place.addresses.push_back(first_address(one, where));
  const auto [stop, error] = std::from_chars(rank.data(), rank.data() + rank.size(), place.rank);
  if (error != std::errc() || stop != rank.data() + rank.size() || place.rank < 0 || place.rank >= place.size()) {
    fail(ErrorKind::invalid_request, "MLX_RANK", "0 … {} is wanted, as {} has it, got '{}'", place.size() - 1, where,
         rank);
  }
  return place;
}

std::optional<Place> place_from_environment() {
  const char* host_file = std::getenv("MLX_HOSTFILE");
  if (host_file == nullptr || *host_file == '\0') return std::nullopt;
  const char* rank = std::getenv("MLX_RANK");
  if (rank == nullptr) fail(ErrorKind::invalid_request, "MLX_RANK", "is missing, and MLX_HOSTFILE is set");
  Place place = read_place(host_file, rank);
  return place.size() > 1 ? std::optional(std::move(place)) : std::nullopt;
}

}  // namespace glimt
