#include "chat/settings.h"

#include "base/double.h"
#include "base/error.h"
#include "base/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <type_traits>

namespace glimt {
namespace {

template <typename T>
T number(std::string_view name, std::string_view text) {
  T value{};
  const char* const last = text.data() + text.size();
  std::from_chars_result read{};
  if constexpr (std::is_same_v<T, double>) {
    read = read_double(text.data(), last, value);
  } else {
    read = std::from_chars(text.data(), last, value);
  }
  if (read.ec != std::errc() || read.ptr != last) {
    fail(ErrorKind::invalid_request, name, "a number is wanted, got '{}'", text);
  }
  return value;
}

double number_for(const SamplingField& field, std::string_view text) {
  const double value = field.type == SamplingField::Type::integer
                           ? static_cast<double>(number<std::int64_t>(field.name, text))
                           : number<double>(field.name, text);
  field.check(value, field.name);
  return value;
}

bool yes_or_no(std::string_view name, std::string_view text) {
  if (text == "on" || text == "true" || text == "1") return true;
  if (text == "off" || text == "false" || text == "0") return false;
  fail(ErrorKind::invalid_request, name, "on or off is wanted, got '{}'", text);
}

std::string on_or_off(bool value) { return value ? "on" : "off"; }
std::string or_none(std::string_view text) { return text == "none" ? std::string() : std::string(text); }
std::string shown_or_none(const std::string& text) { return text.empty() ? "none" : text; }

void require_text(std::string_view name, std::string_view text) {
  if (text.empty()) fail(ErrorKind::invalid_request, name, "must not be empty");
}

NamedText named_text(std::string_view setting, std::string_view value, const ReadText& read) {
  if (value == "none" || value.empty()) return {};
  if (!read) fail(ErrorKind::invalid_request, setting, "'{}' cannot be read here", value);
  const std::string name(value);
  return {name, read(name)};
}

void set_format(ChatSettings& s, std::string_view value, const ReadText& read) {
  NamedText format = value == kJsonFormat ? NamedText{std::string(kJsonFormat), {}} : named_text("format", value, read);
  if (!format.text.empty()) parse_json(format.text, format.name);  // says now what is wrong with it
  s.form.format = std::move(format);
}

void add_bias(ChatSettings& s, std::string_view text, const ReadText&) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    fail(ErrorKind::invalid_request, "logit_bias", "TOKEN=BIAS with a token id is wanted, e.g. 123=-5, got '{}'", text);
  }
  const auto token = number<TokenId>("logit_bias", text.substr(0, equals));
  s.sampling.logit_bias[token] = static_cast<float>(number<double>("logit_bias", text.substr(equals + 1)));
}

std::string list(const std::vector<std::string>& words) {
  return words.empty() ? "none" : dump_json(json::value_from(words));
}

std::string bias_list(const ChatSettings& s) {
  std::vector<std::string> words;
  for (const auto& [token, bias] : s.sampling.logit_bias) words.push_back(fmt::format("{}={}", token, bias));
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, " "));
}

void set_seed(ChatSettings& s, std::string_view text, const ReadText&) {
  s.sampling.seed.reset();
  if (text != "random") s.sampling.seed = number<std::uint64_t>("seed", text);
}

void set_top_logprobs(ChatSettings& s, std::string_view text, const ReadText&) {
  s.sampling.top_logprobs = static_cast<int>(number_for(*find_sampling_field("top_logprobs"), text));
  s.sampling.logprobs = s.sampling.logprobs || s.sampling.top_logprobs > 0;
}

void set_logprobs(ChatSettings& s, std::string_view text, const ReadText&) {
  s.sampling.logprobs = yes_or_no("logprobs", text);
  if (!s.sampling.logprobs) s.sampling.top_logprobs = 0;
}

using Text = std::string_view;
constexpr auto kAnswer = Setting::Group::answer;
constexpr auto kSampling = Setting::Group::sampling;

// clang-format off
const Setting kAnswerSettings[] = {
    {"max_tokens", "N", "the longest answer, thinking included; 0: no limit", kAnswer, false, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { s.max_tokens = number<std::size_t>("max_tokens", text); },
     [](const ChatSettings& s) { return fmt::format("{}", s.max_tokens); }},
    {"thinking_budget", "N", "tokens of thinking after which it is closed; 0: no limit", kAnswer, false, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { s.thinking_budget = number<std::size_t>("thinking_budget", text); },
     [](const ChatSettings& s) { return fmt::format("{}", s.thinking_budget); }},
    {"stop", "TEXT", "the answer ends before this text, which the thinking may hold", kAnswer, true, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { require_text("stop", text); s.stop.emplace_back(text); },
     [](const ChatSettings& s) { return list(s.stop); }},
    {"stop_in_thinking", "on|off", "stop texts end the answer in the thinking as well", kAnswer, false, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { s.stop_in_thinking = yes_or_no("stop_in_thinking", text); },
     [](const ChatSettings& s) { return on_or_off(s.stop_in_thinking); }},
    {"format", "json|FILE", "the answer is a JSON object, or fits the JSON schema in FILE; none: free", kAnswer, false,
     nullptr, set_format, [](const ChatSettings& s) { return shown_or_none(s.form.format.name); }},
    {"regex", "PATTERN", "the whole answer matches (Rust's syntax); none: free", kAnswer, false, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { s.form.regex = or_none(text); },
     [](const ChatSettings& s) { return shown_or_none(s.form.regex); }},
    {"grammar", "FILE", "the answer fits the Lark grammar in FILE; none: free", kAnswer, false, nullptr,
     [](ChatSettings& s, Text text, const ReadText& read) { s.form.grammar = named_text("grammar", text, read); },
     [](const ChatSettings& s) { return shown_or_none(s.form.grammar.name); }},
    {"tool_choice", "HOW", "what may be called: auto, required (some tool is), none, or the name of the tool", kAnswer, false,
     nullptr, [](ChatSettings& s, Text text, const ReadText&) { require_text("tool_choice", text); s.form.tool_choice = text; },
     [](const ChatSettings& s) { return s.form.tool_choice; }},
    {"logprobs", "on|off", "show the log probability of each token", kAnswer, false, nullptr, set_logprobs,
     [](const ChatSettings& s) { return on_or_off(s.sampling.logprobs); }},
};

const Setting kOtherSampling[] = {
    {"dry_breaker", "TEXT", "DRY: text that no repeat crosses", kSampling, true, nullptr,
     [](ChatSettings& s, Text text, const ReadText&) { s.dry_breakers.emplace_back(text); },
     [](const ChatSettings& s) { return list(s.dry_breakers); }},
    {"logit_bias", "TOKEN=BIAS", "added to the logit of a token id", kSampling, true, nullptr, add_bias, bias_list},
    {"seed", "N", "same seed, same text; random: a new one each time", kSampling, false, nullptr, set_seed,
     [](const ChatSettings& s) { return s.sampling.seed ? fmt::format("{}", *s.sampling.seed) : "random"; }},
};
// clang-format on

Setting setting_of(const SamplingField& field) {
  Setting setting{field.name, field.unit, field.help, kSampling, false, &field, nullptr, nullptr};
  if (field.name != "top_logprobs") return setting;
  setting.group = kAnswer;
  setting.set = set_top_logprobs;
  return setting;
}

std::vector<Setting> all_settings() {
  std::vector<Setting> all(std::begin(kAnswerSettings), std::end(kAnswerSettings));
  for (const SamplingField& field : sampling_fields()) all.push_back(setting_of(field));
  all.insert(all.end(), std::begin(kOtherSampling), std::end(kOtherSampling));
  std::stable_sort(all.begin(), all.end(), [](const Setting& a, const Setting& b) { return a.group < b.group; });
  return all;
}

void empty(ChatSettings& settings, std::string_view name) {
  if (name == "stop") settings.stop.clear();
  if (name == "dry_breaker") settings.dry_breakers.clear();
  if (name == "logit_bias") settings.sampling.logit_bias.clear();
}

}  // namespace

std::string Setting::shown(const ChatSettings& settings) const {
  if (get != nullptr) return get(settings);
  const double now = field->get(settings.sampling);
  if (field->type == SamplingField::Type::integer) return fmt::format("{}", static_cast<std::int64_t>(now));
  return fmt::format("{}", static_cast<float>(now));
}

std::span<const Setting> chat_settings() {
  static const std::vector<Setting> all = all_settings();
  return all;
}

const Setting& find_chat_setting(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  const std::span<const Setting> all = chat_settings();
  const auto setting = std::find_if(all.begin(), all.end(), [&](const Setting& s) { return s.name == wanted; });
  if (setting != all.end()) return *setting;
  std::vector<std::string_view> names;
  for (const Setting& known : all) names.push_back(known.name);
  fail(ErrorKind::invalid_request, name, "there is no such setting; there are {}", fmt::join(names, ", "));
}

void set_chat_setting(ChatSettings& settings, std::string_view name, std::string_view value, const ReadText& read) {
  const Setting& setting = find_chat_setting(name);
  ChatSettings changed = settings;
  if (setting.repeatable && value == "none") {
    empty(changed, setting.name);
  } else if (setting.set != nullptr) {
    setting.set(changed, value, read);
  } else {
    setting.field->set(changed.sampling, number_for(*setting.field, value));
  }
  changed.sampling.validate();
  settings = std::move(changed);
}

std::vector<TokenId> dry_breaker_tokens(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    const std::string_view piece = tokenizer.piece(token);
    const auto holds = [piece](const std::string& text) { return piece.find(text) != std::string_view::npos; };
    if (std::any_of(texts.begin(), texts.end(), holds)) tokens.push_back(token);
  }
  return tokens;
}

ChatRequest make_request(const ChatSettings& settings, const json::array& messages, const Tokenizer& tokenizer) {
  ChatRequest request;
  if (!settings.system.empty()) request.messages.push_back({{"role", "system"}, {"content", settings.system}});
  request.messages.insert(request.messages.end(), messages.begin(), messages.end());
  request.tools = settings.tools;
  request.thinking = settings.thinking;
  request.sampling = settings.sampling;
  if (request.sampling.dry.multiplier > 0) {
    request.sampling.dry.breakers = dry_breaker_tokens(settings.dry_breakers, tokenizer);
  }
  request.max_tokens = settings.max_tokens;
  request.thinking_budget = settings.thinking_budget;
  request.stop = settings.stop;
  request.stop_in_thinking = settings.stop_in_thinking;
  request.tool_use.banned = settings.form.tool_choice == "none";
  request.constraint = constraint_of(settings.form, settings.tools);
  return request;
}

}  // namespace glimt
