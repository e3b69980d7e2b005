#include "launch/host_file.h"

#include "base/error.h"
#include "base/json.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace glimt::launch {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::size_t kMostAddresses = 16;  // of a host
constexpr std::size_t kMostVariables = 256;
constexpr int kLastPort = 65535;

// Also keeps ssh from taking a name for an option.
bool is_host_name(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  };
  return !name.empty() && name.size() <= 255 && name.front() != '-' && std::all_of(name.begin(), name.end(), is_fine);
}

// What ssh takes: also "user@host".
bool is_ssh_name(std::string_view name) {
  const std::size_t at = name.find('@');
  return at == name.npos ? is_host_name(name) : is_host_name(name.substr(0, at)) && is_host_name(name.substr(at + 1));
}

std::string text_of(const json::value& value, const std::string& where) {
  if (!is_text(value)) fail(ErrorKind::bad_file, where, "a string is wanted, got {}", dump_json(value));
  return std::string(value.get_string());
}

std::vector<std::string> ips_of(const JsonFields& fields) {
  std::vector<std::string> ips;
  for (const json::value& value : fields.array("ips")) {
    const std::string where = fmt::format("{}: ips[{}]", fields.where(), ips.size());
    ips.push_back(text_of(value, where));
    if (is_host_name(ips.back())) continue;
    fail(ErrorKind::bad_file, where, "an IPv4 address or a name without a port is wanted, got '{}'", ips.back());
  }
  if (ips.empty() || ips.size() > kMostAddresses) {
    fail(ErrorKind::bad_file, fields.where(), "field 'ips' must have 1 to {} addresses, got {}", kMostAddresses,
         ips.size());
  }
  return ips;
}

Host host_of(const json::value& value, const std::string& where) {
  if (!value.is_object()) {
    fail(ErrorKind::bad_file, where, "{{\"ssh\": NAME, \"ips\": [ADDRESS]}} is wanted, got {}", dump_json(value));
  }
  const JsonFields fields(value.get_object(), where);
  Host host{.ssh = fields.string("ssh"), .ips = {}};
  if (!is_ssh_name(host.ssh)) {
    fail(ErrorKind::bad_file, where, "field 'ssh' must be HOST or USER@HOST, got '{}'", host.ssh);
  }
  host.ips = ips_of(fields);
  fields.ignore({"rdma"});
  fields.finish();
  return host;
}

std::vector<std::string> variables_of(const json::array& values, const std::string& where) {
  if (values.size() > kMostVariables) {
    fail(ErrorKind::bad_file, where, "field 'envs' must have at most {} variables, got {}", kMostVariables,
         values.size());
  }
  std::vector<std::string> variables;
  for (const json::value& value : values) {
    const std::string name = fmt::format("{}: envs[{}]", where, variables.size());
    variables.push_back(text_of(value, name));
    const std::size_t end = variables.back().find('=');
    const bool has_zero = variables.back().find('\0') != std::string::npos;
    if (end == std::string::npos || end == 0 || has_zero) {
      fail(ErrorKind::bad_file, name, "NAME=VALUE is wanted, got '{}'", variables.back());
    }
  }
  return variables;
}

void check(const Hosts& hosts, const std::string& where) {
  if (hosts.ranks.empty() || hosts.ranks.size() > kMostRanks) {
    fail(ErrorKind::bad_file, where, "1 to {} hosts are wanted, got {}", kMostRanks, hosts.ranks.size());
  }
  // It reads the terminal, and its output is the program's.
  if (!is_this_machine(hosts.ranks.front().ssh)) {
    fail(ErrorKind::bad_file, where + ": hosts[0]",
         "rank 0 runs on the machine that launches: 127.0.0.1 or this machine's name is wanted as 'ssh', got '{}'",
         hosts.ranks.front().ssh);
  }
}

std::string this_machine() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace

Hosts local_hosts(int ranks) {
  return {.ranks = std::vector<Host>(static_cast<std::size_t>(ranks), {.ssh = "127.0.0.1", .ips = {"127.0.0.1"}}),
          .envs = {}};
}

Hosts read_host_file(const std::filesystem::path& file) {
  const std::string where = file.string();
  const json::value content = parse_json_file(file, kMostBytes);
  Hosts hosts;
  const json::array* list = content.if_array();
  if (const json::object* object = content.if_object()) {
    const JsonFields fields(*object, where);
    const std::string backend = fields.string_or("backend", "");
    if (!backend.empty() && backend != "ring") {
      fail(ErrorKind::unsupported, where, "field 'backend' must be \"ring\", got \"{}\"", backend);
    }
    if (fields.has("envs")) hosts.envs = variables_of(fields.array("envs"), where);
    list = &fields.array("hosts");
    fields.finish();
  }
  if (list == nullptr) fail(ErrorKind::bad_file, where, "a list of hosts, or an object with one, is wanted");
  for (const json::value& value : *list) {
    hosts.ranks.push_back(host_of(value, fmt::format("{}: hosts[{}]", where, hosts.ranks.size())));
  }
  check(hosts, where);
  return hosts;
}

bool is_this_machine(const std::string& ssh) {
  if (ssh == "127.0.0.1" || ssh == "localhost") return true;
  const std::string name = this_machine();
  return !name.empty() && (ssh == name || ssh == name.substr(0, name.find('.')));
}

Ring ring_of(const Hosts& hosts, std::uint16_t first_port) {
  Ring ring;
  int port = first_port;
  for (const Host& host : hosts.ranks) {
    std::vector<std::string>& addresses = ring.emplace_back();
    for (const std::string& ip : host.ips) {
      if (port > kLastPort) {
        fail(ErrorKind::invalid_request, "--starting-port", "from {} on there are not enough ports for every address",
             first_port);
      }
      addresses.push_back(fmt::format("{}:{}", ip, port++));
    }
  }
  return ring;
}

json::array array_of(const Ring& ring) {
  json::array ranks;
  for (const std::vector<std::string>& addresses : ring) {
    ranks.emplace_back(json::array(addresses.begin(), addresses.end()));
  }
  return ranks;
}

std::string ring_json(const Ring& ring) { return dump_json(array_of(ring)); }

}  // namespace glimt::launch
