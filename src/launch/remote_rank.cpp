#include "launch/remote_rank.h"

#include "base/error.h"
#include "launch/ending.h"
#include "launch/poll_time.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace glimt::launch {
namespace {

using Clock = std::chrono::steady_clock;

// For the shell that ssh starts there.
std::string quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string read_line(int input) {
  std::string line;
  char byte = 0;
  while (line.size() < kMostSettings) {
    const ssize_t count = ::read(input, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (byte == '\n') return line;
    line += byte;
  }
  fail(ErrorKind::invalid_request, kWatchOption, "a line with the settings of a rank is wanted; glimt launch gives it");
}

// False once `input` has ended. What comes after the settings means nothing.
bool is_open(int input) {
  char bytes[256];
  const ssize_t count = ::read(input, bytes, sizeof bytes);
  return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

int watch(int input, Child& rank, Signals& signals, Ending& ending) {
  pollfd fds[] = {{signals.fd(), POLLIN, 0}, {input, POLLIN, 0}};
  while (!ending.done()) {
    fds[1].revents = 0;
    ::poll(fds, 2, milliseconds_until(ending.next()));
    for (const Signal signal : signals.take()) {
      if (signal.number != SIGCHLD) ending.on_signal(signal, Clock::now());
    }
    if (fds[1].revents != 0 && !is_open(input)) {
      fds[1].fd = -1;
      ending.on_signal({SIGTERM, false}, Clock::now());
    }
    const std::optional<HowEnded> how = rank.ended();
    if (how) ending.on_end(0, *how, Clock::now());
    for (const auto [_, signal] : ending.due(Clock::now())) rank.signal(signal);
    if (!how || how->signal == 0) continue;  // the launcher learns an exit status from ssh
    for (const std::string& message : ending.messages()) fmt::print(stderr, "glimt: {}\n", message);
  }
  return ending.status();
}

}  // namespace

Rank remote_rank(const RankSettings& settings, const std::string& host, const std::string& executable) {
  // Nobody can answer a question of ssh; a dead network is noticed within 15 s.
  std::vector<std::string> arguments = {"ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5"};
  arguments.insert(arguments.end(), {"-o", "ServerAliveCountMax=3", host,
                                     fmt::format("exec {} launch {}", quoted(executable), kWatchOption)});
  return {.name = fmt::format("rank {} ({})", settings.rank, host),
          .program = {.arguments = arguments, .environment = environment_with({})},
          .remote = true,
          .settings = to_line(settings)};
}

int watch_rank(int input, const std::string& executable) {
  const RankSettings settings = settings_from_line(read_line(input));
  std::error_code is_not_there;
  if (!settings.folder.empty()) std::filesystem::current_path(settings.folder, is_not_there);
  Signals signals;
  const RingFile ring_file(settings.ring);
  Child rank(rank_program(settings, executable, ring_file), {.piped_output = false, .piped_errors = false});
  Ending ending({fmt::format("rank {}", settings.rank)}, Patience{});
  return watch(input, rank, signals, ending);
}

}  // namespace glimt::launch
