// What a request of any dialect asks for: one type for all of them. Plain values.
#pragma once

#include "api/fields.h"
#include "chat/chat_request.h"
#include "sampling/fields.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

// What a request says about sampling; the rest is the model's own defaults (generation_config.json).
struct SamplingChanges {
  std::vector<std::pair<const SamplingField*, double>> numbers;  // checked
  std::map<TokenId, float> logit_bias;
  std::optional<std::vector<std::string>> dry_breakers;  // texts that no repeat crosses; nothing: the usual ones
  std::optional<std::uint64_t> seed;
  bool logprobs = false;
  int top_logprobs = 0;

  SamplingParams over(SamplingParams defaults) const;
};

// How long a model stays after its last answer. Nothing: the server's setting. Negative: for ever. 0: goes at once.
using KeepAlive = std::optional<std::chrono::nanoseconds>;

struct ApiRequest {
  std::string model;  // as asked for; empty: the default one
  bool stream = false;
  UnknownFields unknown = UnknownFields::refuse;

  ChatRequest chat;  // `sampling` is what comes of `sampling` below
  SamplingChanges sampling;
  std::vector<std::string> prompts;  // without a template, one answer each (completions); then chat.messages is empty
  bool raw_controls = false;         // texts of control tokens in `prompts` are control tokens
  std::size_t choices = 1;           // answers to each prompt

  std::size_t context = 0;        // most tokens of prompt and answer, if below the model's; 0: the model's
  bool drop_oldest = false;       // messages, where the prompt does not fit; else that is an error
  bool continues_answer = false;  // the last message is the beginning of the answer
  bool tells_progress = false;    // of a stream: AnswerWriter::progress is wanted
  KeepAlive keep_alive;

  // No answer is wanted, and `chat.messages` and `prompts` are empty: the model is loaded, or unloaded where keep_alive
  // is 0. The writer is made with a head of no tokens; its start() and finish() are the response.
  bool load_only = false;

  std::vector<std::string> ignored;  // fields without effect, for the header x-glimt-ignored
};

}  // namespace glimt
