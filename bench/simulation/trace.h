// What clients ask: sessions whose turns grow one conversation.
#pragma once

#include "base/token.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glimt::simulation {

struct Turn {
  double pause = 0;  // seconds from the end of the answer before; of a trace from a file: from the session's start
  int message = 0;   // tokens that the prompt has more than the conversation so far
  int answer = 0;    // tokens
};

struct Session {
  double start = 0;          // seconds
  std::uint64_t text = 0;    // two sessions have the same tokens only in the system prompt
  std::uint64_t system = 0;  // which system prompt
  int system_tokens = 0;
  bool waits = true;  // each turn waits for the answer before; else turns come at their times
  std::vector<Turn> turns = {};
};

// The tokens of a session's conversation: `count` of them from its beginning on. Always the same.
std::vector<TokenId> tokens_of(const Session& session, int count);

struct TraceOptions {
  std::uint64_t seed = 1;
  double seconds = 3600;
  double sessions_a_second = 0.1;
  double agents = 0.3;  // share of the sessions
};

// Sessions that arrive independently of each other (exponential times between them), by start. People who chat: a
// system prompt of 400 tokens, 5 turns in the mean, messages of 60 tokens in the median, answers of 250, 30 s between
// them. Agents: a system prompt of 6,000 tokens with their tools, a task of 400, 15 turns, results of tools of 350
// tokens, answers of 120, 1.5 s between them. Lengths and pauses are log-normal. The same seed gives the same trace on
// every machine.
std::vector<Session> make_trace(const TraceOptions& options);

// One request a line: {"time": 1.5, "session": "a", "prompt_tokens": 900, "answer_tokens": 80}; optional "system": NAME
// and "system_tokens", which sessions of one name share. A session's prompt begins with what came before in it; one
// that is shorter begins anew. Throws not_found, bad_file with the line.
std::vector<Session> read_trace(const std::filesystem::path& file);

}  // namespace glimt::simulation
