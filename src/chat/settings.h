// What can be set about an answer, in one table: flags (--top-k 40), the REPL (/set top_k 40) and the dialects of the
// API read it. Bounds of numbers stand in sampling/fields.
#pragma once

#include "chat/constraint.h"
#include "chat/prepare.h"
#include "sampling/fields.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ChatSettings {
  SamplingParams sampling;
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};  // as in other engines
  std::size_t max_tokens = 0;                                      // ChatRequest's fields from here to `stop`
  std::size_t thinking_budget = 0;
  std::vector<std::string> stop;
  bool stop_in_thinking = false;
  bool thinking = true;
  std::string system;
  json::array tools;  // normalized_tools
  AnswerForm form;
};

// The text behind a value that names one, e.g. what is in a file. Throws what is wrong with the name.
using ReadText = std::function<std::string(const std::string& name)>;

struct Setting {
  enum class Group { answer, sampling };

  std::string_view name;   // snake_case
  std::string_view value;  // what kind of value, for the help: "N", "on|off"
  std::string_view help;
  Group group;
  bool repeatable = false;               // each use adds one; the word "none" empties it
  const SamplingField* field = nullptr;  // whose bounds hold for the value; null for what is not one of these numbers

  // Null for a number of the table of sampling fields. `set` throws invalid_request.
  void (*set)(ChatSettings&, std::string_view value, const ReadText& read) = nullptr;
  std::string (*get)(const ChatSettings&) = nullptr;

  std::string shown(const ChatSettings& settings) const;
};

std::span<const Setting> chat_settings();

// By its name ('-' and '_' are the same). Throws invalid_request for an unknown one, and names those that there are.
const Setting& find_chat_setting(std::string_view name);

// Sets one by its name. Throws invalid_request for an unknown name or an impossible value, and what `read` throws; then
// leaves the settings as they were. Without `read` no value can name a text.
void set_chat_setting(ChatSettings& settings, std::string_view name, std::string_view value, const ReadText& read = {});

// The tokens whose text holds one of these: what DRY's breakers are to the sampler. Looks at the whole vocabulary.
std::vector<TokenId> dry_breaker_tokens(const std::vector<std::string>& texts, const Tokenizer& tokenizer);

// The request for `messages` (normalized_messages; the system message goes in front). Names of DRY breakers become
// token ids here.
ChatRequest make_request(const ChatSettings& settings, const json::array& messages, const Tokenizer& tokenizer);

}  // namespace glimt
