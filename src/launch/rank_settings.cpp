#include "launch/rank_settings.h"

#include "base/file.h"
#include "base/json.h"
#include "launch/launcher.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

namespace glimt::launch {
namespace {

constexpr const char* kWhere = "settings of a rank";

std::vector<std::string> texts(const json::array& values, std::string_view name) {
  std::vector<std::string> texts;
  for (const json::value& value : values) {
    if (!is_text(value)) {
      fail(ErrorKind::invalid_request, kWhere, "field '{}' must be an array of strings, got {}", name,
           dump_json(value));
    }
    texts.emplace_back(value.get_string());
  }
  return texts;
}

Ring ring_from(const json::array& ranks) {
  Ring ring;
  for (const json::value& addresses : ranks) {
    if (!addresses.is_array()) {
      fail(ErrorKind::invalid_request, kWhere, "field 'ring' must be an array of arrays, got {}", dump_json(addresses));
    }
    ring.push_back(texts(addresses.get_array(), "ring"));
  }
  return ring;
}

json::array array_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

int memory_file() {
#ifdef __linux__
  return ::memfd_create("glimt ring", MFD_CLOEXEC);
#else
  std::FILE* file = std::tmpfile();
  return file == nullptr ? -1 : ::dup(::fileno(file));
#endif
}

}  // namespace

std::string random_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", random());
  return token;
}

std::string to_line(const RankSettings& settings) {
  const json::object object = {{"rank", settings.rank},     {"ring", array_of(settings.ring)},
                               {"token", settings.token},   {"envs", array_of(settings.envs)},
                               {"folder", settings.folder}, {"command", array_of(settings.command)}};
  std::string line = dump_json(object) + "\n";
  if (line.size() <= kMostSettings) return line;
  fail(ErrorKind::invalid_request, "launch", "a command with its variables may have {} bytes as JSON, got {}",
       kMostSettings, line.size());
}

RankSettings settings_from_line(std::string_view line) {
  const json::value value = parse_json(line, kWhere);
  if (!value.is_object()) fail(ErrorKind::invalid_request, kWhere, "an object is wanted, got {}", dump_json(value));
  const JsonFields fields(value.get_object(), kWhere, ErrorKind::invalid_request);
  RankSettings settings{
      .rank = static_cast<int>(fields.integer("rank", 0, kMostRanks - 1)),
      .ring = ring_from(fields.array("ring")),
      .token = fields.string("token"),
      .envs = texts(fields.array("envs"), "envs"),
      .folder = fields.string("folder"),
      .command = texts(fields.array("command"), "command"),
  };
  fields.finish();
  return settings;
}

RingFile::RingFile(const Ring& ring) : fd_(memory_file()) {
  const std::string content = ring_json(ring);
  if (fd_ >= 0 && write_all(fd_, content)) return;
  const int reason = errno;
  if (fd_ >= 0) ::close(fd_);
  fail(ErrorKind::internal, "the host file of the ranks", "{}", std::strerror(reason));
}

RingFile::~RingFile() { ::close(fd_); }

Program rank_program(const RankSettings& settings, const std::string& executable, const RingFile& ring_file) {
  std::vector<std::string> changes = settings.envs;
  changes.push_back("GLIMT_LAUNCH_TOKEN=" + settings.token);
  if (!settings.ring.empty()) {
    changes.push_back(fmt::format("MLX_RANK={}", settings.rank));
    changes.push_back(fmt::format("MLX_HOSTFILE=/dev/fd/{}", ring_file.fd()));
  }
  Program program{.arguments = {executable}, .environment = environment_with(changes), .files = {ring_file.fd()}};
  program.arguments.insert(program.arguments.end(), settings.command.begin(), settings.command.end());
  return program;
}

}  // namespace glimt::launch
