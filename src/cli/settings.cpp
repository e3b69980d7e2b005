#include "cli/settings.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "chat/tool_schemas.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/ranges.h>

namespace glimt {
namespace {

template <typename T>
T number(std::string_view name, std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorKind::invalid_request, name, "a number is wanted, got '{}'", text);
  }
  return value;
}

bool yes_or_no(std::string_view name, std::string_view text) {
  if (text == "on" || text == "true" || text == "1") return true;
  if (text == "off" || text == "false" || text == "0") return false;
  fail(ErrorKind::invalid_request, name, "on or off is wanted, got '{}'", text);
}

void add_bias(ChatSettings& s, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    fail(ErrorKind::invalid_request, "logit_bias", "TOKEN=BIAS with a token id is wanted, e.g. 123=-5, got '{}'", text);
  }
  const auto token = number<TokenId>("logit_bias", text.substr(0, equals));
  s.sampling.logit_bias[token] = number<float>("logit_bias", text.substr(equals + 1));
}

std::string list(const std::vector<std::string>& words) {
  return words.empty() ? "none" : dump_json(json::value_from(words));
}

std::string or_none(std::string_view text) { return text == "none" ? std::string() : std::string(text); }
std::string shown(const std::string& text) { return text.empty() ? "none" : text; }

std::string bias_list(const ChatSettings& s) {
  std::vector<std::string> words;
  for (const auto& [token, bias] : s.sampling.logit_bias) words.push_back(fmt::format("{}={}", token, bias));
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, " "));
}

// A field of SamplingParams that is one number.
#define GLIMT_NUMBER(field)                                                                                            \
  [](ChatSettings& s, std::string_view text) { s.sampling.field = number<decltype(s.sampling.field)>(#field, text); }, \
      [](const ChatSettings& s) { return fmt::format("{}", s.sampling.field); }

// clang-format off
constexpr Setting kSettings[] = {
    {"temperature", "T", "0 takes the likeliest token", false, GLIMT_NUMBER(temperature)},
    {"top_k", "N", "only the N likeliest tokens; 0: all", false, GLIMT_NUMBER(top_k)},
    {"top_p", "P", "only the likeliest tokens that sum to P", false, GLIMT_NUMBER(top_p)},
    {"min_p", "P", "only tokens at least P times as likely as the best", false, GLIMT_NUMBER(min_p)},
    {"typical_p", "P", "locally typical sampling", false, GLIMT_NUMBER(typical_p)},
    {"repeat_penalty", "X", "above 1: repeated tokens become less likely", false, GLIMT_NUMBER(repeat_penalty)},
    {"presence_penalty", "X", "once for each token that was generated", false, GLIMT_NUMBER(presence_penalty)},
    {"frequency_penalty", "X", "for each time it was generated", false, GLIMT_NUMBER(frequency_penalty)},
    {"repeat_last_n", "N", "tokens that penalties look back on; -1: all", false, GLIMT_NUMBER(repeat_last_n)},
    {"dry_multiplier", "X", "against repeated sequences (DRY); 0: off", false, GLIMT_NUMBER(dry.multiplier)},
    {"dry_base", "X", "DRY: growth with the length of the repeat", false, GLIMT_NUMBER(dry.base)},
    {"dry_allowed_length", "N", "DRY: repeats shorter than N are free", false, GLIMT_NUMBER(dry.allowed_length)},
    {"dry_last_n", "N", "DRY: tokens searched; -1: all", false, GLIMT_NUMBER(dry.last_n)},
    {"dry_breaker", "TEXT", "DRY: text that no repeat crosses", true,
     [](ChatSettings& s, std::string_view text) { s.dry_breakers.emplace_back(text); },
     [](const ChatSettings& s) { return list(s.dry_breakers); }},
    {"logit_bias", "TOKEN=BIAS", "added to the logit of a token id", true, add_bias, bias_list},
    {"seed", "N", "same seed, same text; random: a new one each time", false,
     [](ChatSettings& s, std::string_view text) {
       s.sampling.seed.reset();
       if (text != "random") s.sampling.seed = number<std::uint64_t>("seed", text);
     },
     [](const ChatSettings& s) { return s.sampling.seed ? fmt::format("{}", *s.sampling.seed) : "random"; }},
    {"max_tokens", "N", "the longest answer, thinking included; 0: no limit", false,
     [](ChatSettings& s, std::string_view text) { s.max_tokens = number<std::size_t>("max_tokens", text); },
     [](const ChatSettings& s) { return fmt::format("{}", s.max_tokens); }},
    {"thinking_budget", "N", "tokens of thinking after which it is closed; 0: no limit", false,
     [](ChatSettings& s, std::string_view text) {
       s.thinking_budget = number<std::size_t>("thinking_budget", text);
     },
     [](const ChatSettings& s) { return fmt::format("{}", s.thinking_budget); }},
    {"format", "json|FILE", "the answer is a JSON object, or fits the JSON schema in FILE; none: free", false,
     [](ChatSettings& s, std::string_view text) { s.format = or_none(text); },
     [](const ChatSettings& s) { return shown(s.format); }},
    {"regex", "PATTERN", "the whole answer matches (Rust's syntax); none: free", false,
     [](ChatSettings& s, std::string_view text) { s.regex = or_none(text); },
     [](const ChatSettings& s) { return shown(s.regex); }},
    {"grammar", "FILE", "the answer fits the Lark grammar in FILE; none: free", false,
     [](ChatSettings& s, std::string_view text) { s.grammar = or_none(text); },
     [](const ChatSettings& s) { return shown(s.grammar); }},
    {"tool_choice", "HOW", "auto, required (some tool is called), none, or the name of the tool to call", false,
     [](ChatSettings& s, std::string_view text) {
       if (text.empty()) fail(ErrorKind::invalid_request, "tool_choice", "must not be empty");
       s.tool_choice = text;
     },
     [](const ChatSettings& s) { return s.tool_choice; }},
    {"stop", "TEXT", "the answer ends before this text, which the thinking may hold", true,
     [](ChatSettings& s, std::string_view text) {
       if (text.empty()) fail(ErrorKind::invalid_request, "stop", "must not be empty");
       s.stop.emplace_back(text);
     },
     [](const ChatSettings& s) { return list(s.stop); }},
    {"stop_in_thinking", "on|off", "stop texts end the answer in the thinking as well", false,
     [](ChatSettings& s, std::string_view text) { s.stop_in_thinking = yes_or_no("stop_in_thinking", text); },
     [](const ChatSettings& s) -> std::string { return s.stop_in_thinking ? "on" : "off"; }},
    {"top_logprobs", "N", "show each token with its N likeliest alternatives", false,
     [](ChatSettings& s, std::string_view text) {
       s.sampling.top_logprobs = number<int>("top_logprobs", text);
       s.sampling.logprobs = s.sampling.logprobs || s.sampling.top_logprobs > 0;
     },
     [](const ChatSettings& s) { return fmt::format("{}", s.sampling.top_logprobs); }},
    {"logprobs", "on|off", "show the log probability of each token", false,
     [](ChatSettings& s, std::string_view text) {
       s.sampling.logprobs = yes_or_no("logprobs", text);
       if (!s.sampling.logprobs) s.sampling.top_logprobs = 0;
     },
     [](const ChatSettings& s) -> std::string { return s.sampling.logprobs ? "on" : "off"; }},
};
// clang-format on
#undef GLIMT_NUMBER

void empty(ChatSettings& settings, std::string_view name) {
  if (name == "stop") settings.stop.clear();
  if (name == "dry_breaker") settings.dry_breakers.clear();
  if (name == "logit_bias") settings.sampling.logit_bias.clear();
}

std::string replaced(std::string_view text, char from, char to) {
  std::string result(text);
  std::replace(result.begin(), result.end(), from, to);
  return result;
}

std::vector<TokenId> tokens_that_hold(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    const std::string_view piece = tokenizer.piece(token);
    const auto holds = [piece](const std::string& text) { return piece.find(text) != std::string_view::npos; };
    if (std::any_of(texts.begin(), texts.end(), holds)) tokens.push_back(token);
  }
  return tokens;
}

}  // namespace

std::span<const Setting> chat_settings() { return kSettings; }

const Setting& find_chat_setting(std::string_view name) {
  const std::string wanted = replaced(name, '-', '_');
  const auto* setting =
      std::find_if(std::begin(kSettings), std::end(kSettings), [&](const Setting& s) { return s.name == wanted; });
  if (setting != std::end(kSettings)) return *setting;
  std::vector<std::string_view> names;
  for (const Setting& known : kSettings) names.push_back(known.name);
  fail(ErrorKind::invalid_request, name, "there is no such setting; there are {}", fmt::join(names, ", "));
}

void set_chat_setting(ChatSettings& settings, std::string_view name, std::string_view value) {
  const Setting& setting = find_chat_setting(name);
  ChatSettings changed = settings;
  if (setting.repeatable && value == "none") {
    empty(changed, setting.name);
  } else {
    setting.set(changed, value);
  }
  changed.sampling.validate();
  settings = std::move(changed);
}

void ChatFlags::add_to(CLI::App& command) {
  for (const Setting& setting : kSettings) {
    const std::string name(setting.name);
    const auto take = [this, name](const std::string& value) {
      set_chat_setting(checked_, name, value);
      given_.emplace_back(name, value);
    };
    const std::string flag = "--" + replaced(name, '_', '-');
    std::string help(setting.help);
    help.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(help.front())));
    if (name == "logprobs") {
      command
          .add_flag_callback(
              flag, [take] { take("on"); }, help)
          ->group("Sampling");
      continue;
    }
    CLI::Option* option = command.add_option_function<std::vector<std::string>>(
        flag,
        [take](const std::vector<std::string>& values) {
          for (const std::string& value : values) take(value);
        },
        help + (setting.repeatable ? " (repeatable)" : ""));
    option->type_name(std::string(setting.value))->type_size(1)->group("Sampling");
    option->expected(1)->allow_extra_args(false);
    if (setting.repeatable) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  command.add_flag_callback(
      "--think", [this] { thinking_ = true; }, "Think before answering (default)");
  command.add_flag_callback(
      "--no-think", [this] { thinking_ = false; }, "Answer at once");
  command.add_option("--system", system_, "The system message")->type_name("TEXT");
  command
      .add_option_function<std::string>(
          "--tools", [this](const std::string& path) { tools_ = read_tools(path); },
          "Tools that may be called: a JSON array in OpenAI's form")
      ->type_name("FILE");
}

ChatSettings ChatFlags::over(SamplingParams defaults) const {
  ChatSettings settings;
  settings.sampling = std::move(defaults);
  settings.thinking = thinking_;
  settings.system = system_;
  settings.tools = tools_;
  for (const auto& [name, value] : given_) set_chat_setting(settings, name, value);
  return settings;
}

json::array read_tools(const std::string& path) {
  const json::value tools = parse_json(read_file(path), path);  // its numbers are shown to the model
  if (!tools.is_array()) fail(ErrorKind::bad_file, path, "a JSON array of tools in OpenAI's form is wanted");
  const ToolSchemas checked{tools.get_array()};  // says now what is wrong with them
  return tools.get_array();
}

namespace {

constexpr std::size_t kLargestGrammar = std::size_t{1} << 20;

OutputConstraint constraint_of(const ChatSettings& s) {
  const bool calls = s.tool_choice != "auto" && s.tool_choice != "none";
  const int given = int{!s.format.empty()} + int{!s.regex.empty()} + int{!s.grammar.empty()} + int{calls};
  if (given > 1) {
    fail(ErrorKind::invalid_request, "format, regex, grammar, tool_choice", "only one of them can decide the answer");
  }
  if (s.format == "json") return JsonObjectOutput{};
  if (!s.format.empty()) return JsonSchemaOutput{parse_json_file(s.format)};
  if (!s.regex.empty()) return RegexOutput{s.regex};
  if (!s.grammar.empty()) return LarkOutput{read_file(s.grammar, kLargestGrammar)};
  if (!calls) return {};
  if (s.tools.empty())
    fail(ErrorKind::invalid_request, "tool_choice", "there are no tools to call; --tools names them");
  if (s.tool_choice == "required") return ToolCallOutput{};
  return ToolCallOutput{{.allowed = {s.tool_choice}}};
}

}  // namespace

ChatRequest make_request(const ChatSettings& settings, const json::array& messages, const Tokenizer& tokenizer) {
  ChatRequest request;
  if (!settings.system.empty()) request.messages.push_back({{"role", "system"}, {"content", settings.system}});
  request.messages.insert(request.messages.end(), messages.begin(), messages.end());
  request.tools = settings.tools;
  request.thinking = settings.thinking;
  request.sampling = settings.sampling;
  if (request.sampling.dry.multiplier > 0)
    request.sampling.dry.breakers = tokens_that_hold(settings.dry_breakers, tokenizer);
  request.max_tokens = settings.max_tokens;
  request.thinking_budget = settings.thinking_budget;
  request.stop = settings.stop;
  request.stop_in_thinking = settings.stop_in_thinking;
  request.tool_use.banned = settings.tool_choice == "none";
  request.constraint = constraint_of(settings);
  return request;
}

}  // namespace glimt
