#include "simulation/trace.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string_view>

namespace glimt::simulation {
namespace {

constexpr int kMostTokens = 1 << 20;  // of a conversation
constexpr int kMostTurns = 200;

std::uint64_t mixed(std::uint64_t x) {  // SplitMix64
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// Numbers that are the same with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { return mixed(state_++); }
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) / 9007199254740992.0; }  // in (0, 1)
  double exponential(double mean) { return -mean * std::log(uniform()); }
  double log_normal(double median, double sigma) { return median * std::exp(sigma * normal()); }

 private:
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()); }

  std::uint64_t state_;
};

// The lengths of one kind of client, in tokens and seconds: medians.
struct Kind {
  std::uint64_t system;
  int system_tokens;
  double turns;  // mean
  double first, message, answer, pause;
};

constexpr Kind kChat = {1, 400, 5, 60, 60, 250, 30};
constexpr Kind kAgent = {2, 6000, 15, 400, 350, 120, 1.5};
constexpr double kSpread = 0.8;  // standard deviation of the logarithm

int tokens(Random& random, double median) {
  return std::clamp(static_cast<int>(random.log_normal(median, kSpread)), 1, 8192);
}

Session make_session(Random& random, const Kind& kind, double start) {
  Session session{.start = start,
                  .text = random.next(),
                  .system = kind.system,
                  .system_tokens = kind.system_tokens,
                  .waits = true,
                  .turns = {}};
  const int turns = std::clamp(1 + static_cast<int>(random.exponential(kind.turns - 1)), 1, kMostTurns);
  for (int i = 0; i < turns; ++i) {
    const int message = tokens(random, i == 0 ? kind.first : kind.message);
    session.turns.push_back({.pause = i == 0 ? 0 : random.log_normal(kind.pause, kSpread),
                             .message = message + (i == 0 ? kind.system_tokens : 0),
                             .answer = tokens(random, kind.answer)});
  }
  return session;
}

// ---- of a file ----

std::uint64_t number_of_name(std::string_view name) {
  std::uint64_t number = name.size();
  for (const char c : name) number = mixed(number ^ static_cast<unsigned char>(c));
  return number;
}

struct Line {
  double time;
  std::string session, system;
  int system_tokens, prompt, answer;
};

Line read_line(std::string_view text, const std::string& where) {
  const json::value value = parse_json(text, where);
  if (!value.is_object()) fail(ErrorKind::bad_file, where, "an object is wanted, got {}", dump_json(value));
  const JsonFields fields(value.get_object(), where);
  const Line line{.time = fields.number("time", 0, 1e9),
                  .session = fields.string("session"),
                  .system = fields.string_or("system", ""),
                  .system_tokens = static_cast<int>(fields.integer_or("system_tokens", 0, 0, kMostTokens)),
                  .prompt = static_cast<int>(fields.integer("prompt_tokens", 1, kMostTokens)),
                  .answer = static_cast<int>(fields.integer("answer_tokens", 1, kMostTokens))};
  fields.finish();
  return line;
}

// What is known of a session while its lines are read.
struct Reading {
  std::size_t index;  // of the session
  int length = 0;     // tokens of the conversation so far
  int parts = 0;      // how often it began anew
};

}  // namespace

std::vector<TokenId> tokens_of(const Session& session, int count) {
  std::vector<TokenId> tokens(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const std::uint64_t text = i < session.system_tokens ? session.system : session.text;
    tokens[static_cast<std::size_t>(i)] =
        static_cast<TokenId>(mixed(text ^ (static_cast<std::uint64_t>(i) << 32)) % 150'000);
  }
  return tokens;
}

std::vector<Session> make_trace(const TraceOptions& options) {
  Random random(mixed(options.seed));
  std::vector<Session> sessions;
  for (double now = 0;;) {
    now += random.exponential(1 / options.sessions_a_second);
    if (now >= options.seconds) return sessions;
    sessions.push_back(make_session(random, random.uniform() < options.agents ? kAgent : kChat, now));
  }
}

std::vector<Session> read_trace(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  std::vector<Session> sessions;
  std::map<std::string, Reading> known;
  double before = 0;
  int number = 0;
  for (const std::string_view text : lines_of(content)) {
    const std::string where = fmt::format("{}: line {}", file.string(), ++number);
    if (trimmed(text).empty()) continue;
    const Line line = read_line(text, where);
    if (line.time < before) fail(ErrorKind::bad_file, where, "field 'time' must not be before the line above");
    before = line.time;
    Reading& reading = known.try_emplace(line.session, Reading{sessions.size()}).first->second;
    if (reading.length == 0 || line.prompt <= reading.length) {
      reading = {sessions.size(), 0, reading.parts + 1};
      const std::uint64_t name = number_of_name(line.session);
      sessions.push_back({.start = line.time,
                          .text = mixed(name + static_cast<std::uint64_t>(reading.parts)),
                          .system = number_of_name(line.system),
                          .system_tokens = std::min(line.system_tokens, line.prompt),
                          .waits = false,
                          .turns = {}});
    }
    Session& session = sessions[reading.index];
    session.turns.push_back({line.time - session.start, line.prompt - reading.length, line.answer});
    reading.length = line.prompt + line.answer;
    if (reading.length > kMostTokens)
      fail(ErrorKind::bad_file, where, "the conversation has more than {} tokens", kMostTokens);
  }
  return sessions;
}

}  // namespace glimt::simulation
