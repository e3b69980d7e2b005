#include "grammar/grammar.h"

#include "base/error.h"
#include "grammar/schema.h"
#include "grammar/schema_keywords.h"
#include "grammar/tool_grammar.h"
#include "text/glm_tags.h"
#include "text/rust_text.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kWhere = "grammar";

void set(std::vector<std::uint32_t>& words, TokenId id) {
  words[static_cast<std::size_t>(id) / 32] |= std::uint32_t{1} << (id % 32);
}

bool is_set(std::span<const std::uint32_t> words, TokenId id) {
  const auto word = static_cast<std::size_t>(id) / 32;
  return id >= 0 && word < words.size() && ((words[word] >> (id % 32)) & 1) != 0;
}

}  // namespace

// ---- GrammarEnvironment -------------------------------------------------------------------------------------------

void GrammarEnvironment::Free::operator()(GtGrammarEnv* handle) const { gt_grammar_env_free(handle); }

GrammarEnvironment::GrammarEnvironment(const Tokenizer& tokenizer, std::size_t vocab_width,
                                       std::span<const TokenId> ends)
    : vocab_width_(std::max(vocab_width, tokenizer.vocab_size())),
      ends_(ends.begin(), ends.end()),
      controls_(tokenizer.controls().tokens()),
      text_mask_(mask_words()) {
  const std::vector<std::uint32_t> ids(ends.begin(), ends.end());
  GtGrammarEnv* handle = nullptr;
  GtBytes error{};
  rust_text::check(gt_grammar_env_new(tokenizer.handle(), vocab_width, ids.data(), ids.size(), &handle, &error), error,
                   kWhere);
  handle_.reset(handle);
  for (std::size_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (tokenizer.contains(id) && !tokenizer.is_control(id)) set(text_mask_, id);
  }
}

TokenId GrammarEnvironment::control(std::string_view text) const {
  const auto found =
      std::find_if(controls_.begin(), controls_.end(), [&](const ControlToken& token) { return token.text == text; });
  if (found == controls_.end()) fail(ErrorKind::unsupported, kWhere, "the tokenizer has no control token {}", text);
  return found->id;
}

// ---- Matcher ------------------------------------------------------------------------------------------------------

void Matcher::Free::operator()(GtMatcher* handle) const { gt_matcher_free(handle); }

Matcher::Matcher(std::shared_ptr<const GrammarEnvironment> environment, std::unique_ptr<GtMatcher, Free> handle,
                 std::optional<TokenId> free_until)
    : environment_(std::move(environment)),
      handle_(std::move(handle)),
      thinking_end_(free_until),
      free_until_(free_until) {}

Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;

Matcher Matcher::clone() const {
  GtMatcher* handle = nullptr;
  GtBytes error{};
  rust_text::check(gt_matcher_clone(handle_.get(), &handle, &error), error, kWhere);
  Matcher copy(environment_, std::unique_ptr<GtMatcher, Free>(handle), thinking_end_);
  copy.free_until_ = free_until_;
  copy.free_tokens_ = free_tokens_;
  copy.tokens_ = tokens_;
  return copy;
}

void Matcher::mask(std::span<std::uint32_t> words) {
  assert(words.size() == environment_->mask_words());
  if (free_until_) {
    std::copy(environment_->text_mask_.begin(), environment_->text_mask_.end(), words.begin());
    const auto id = static_cast<std::size_t>(*free_until_);
    words[id / 32] |= std::uint32_t{1} << (id % 32);
    return;
  }
  GtBytes error{};
  rust_text::check(gt_matcher_mask(handle_.get(), words.data(), words.size(), &error), error, kWhere);
}

bool Matcher::accept(TokenId id) {
  if (id < 0) return false;
  if (free_until_) {
    if (id != *free_until_ && !is_set(environment_->text_mask_, id)) return false;
    ++free_tokens_;
    if (id == *free_until_) free_until_.reset();
    return true;
  }
  int accepted = 0;
  GtBytes error{};
  rust_text::check(gt_matcher_consume(handle_.get(), static_cast<std::uint32_t>(id), &accepted, &error), error, kWhere);
  if (accepted == 0) return false;
  ++tokens_;
  return true;
}

void Matcher::rollback(std::size_t count) {
  assert(count <= accepted());
  const std::size_t of_grammar = std::min(count, tokens_);
  GtBytes error{};
  rust_text::check(gt_matcher_rollback(handle_.get(), of_grammar, &error), error, kWhere);
  tokens_ -= of_grammar;
  if (count == of_grammar) return;
  free_tokens_ -= count - of_grammar;
  free_until_ = thinking_end_;
}

std::vector<TokenId> Matcher::forced() {
  if (free_until_) return {};
  GtIds ids{};
  GtBytes error{};
  rust_text::check(gt_matcher_forced(handle_.get(), &ids, &error), error, kWhere);
  const std::vector<std::uint32_t> tokens = rust_text::take(ids);
  return {tokens.begin(), tokens.end()};
}

Matcher::State Matcher::state() {
  if (free_until_) return State::unfinished;
  int state = 0;
  GtBytes error{};
  rust_text::check(gt_matcher_state(handle_.get(), &state, &error), error, kWhere);
  switch (state) {
    case GT_MATCHER_ACCEPTING: return State::accepting;
    case GT_MATCHER_COMPLETE: return State::complete;
    case GT_MATCHER_ENDED: return State::ended;
    default: return State::unfinished;
  }
}

// ---- Grammar ------------------------------------------------------------------------------------------------------

namespace {

// Regex errors draw the place under the pattern; one line says as much: what the first and the "error: " line say.
std::string one_line(std::string_view message) {
  std::string line(message.substr(0, message.find('\n')));
  constexpr std::string_view kReason = "\nerror: ";
  if (const std::size_t at = message.find(kReason); at != std::string_view::npos) {
    const std::string_view reason = message.substr(at + kReason.size());
    line += fmt::format(" {}", reason.substr(0, reason.find('\n')));
  }
  return line;
}

// The pointers of all keywords `wanted` in a schema, at most a few.
void find_keyword_places(const json::value& schema, std::string_view wanted, const std::string& path,
                         std::vector<std::string>& places) {
  constexpr std::size_t kMost = 4;
  const json::object* fields = schema.if_object();
  if (fields == nullptr) return;
  for (const auto& [name, value] : *fields) {
    if (places.size() == kMost) return;
    if (name == wanted) places.push_back(fmt::format("{}/{}", path, wanted));
    map_subschemas(name, value, [&](const json::value& inner, const std::string& below) {
      find_keyword_places(inner, wanted, path + below, places);
      return json::value();
    });
  }
}

// What llguidance says about schemas that are right and cannot be enforced, in words that help.
std::string advice(std::string_view message) {
  if (message.find("oneOf constraints are not supported") == std::string_view::npos) return std::string(message);
  return "a oneOf is supported where it is plain that a value can fit only one of its schemas, by its type or by a "
         "constant of a required property: use anyOf";
}

// llguidance does not tell which oneOf it means.
[[noreturn]] void throw_explained(const Error& error, const json::value& schema) {
  const std::string_view message = error.what();
  const std::string explained = advice(message);
  if (explained == message) throw error;
  std::vector<std::string> places;
  find_keyword_places(schema, "oneOf", "", places);
  fail(error.kind(), message.substr(0, message.find(": ")), "{}: {}", fmt::join(places, " or "), explained);
}

// "tools: at 7(10): failed to compile JSON schema: …" with the place that line 7 was made of.
[[noreturn]] void throw_explained(const Error& error, const ToolCallGrammar& grammar) {
  constexpr std::string_view kStart = "tools: at ";
  constexpr std::string_view kReason = "failed to compile JSON schema: ";
  const std::string_view message = error.what();
  const std::size_t reason = message.find(kReason);
  if (!message.starts_with(kStart) || reason == std::string_view::npos) throw error;
  std::size_t line = 0;
  std::from_chars(message.data() + kStart.size(), message.data() + reason, line);
  if (line == 0 || line > grammar.places.size() || grammar.places[line - 1].empty()) throw error;
  fail(error.kind(), grammar.places[line - 1], "{}", advice(message.substr(reason + kReason.size())));
}

}  // namespace

Grammar::Grammar(Environment environment, int kind, std::string_view source, std::string_view where) {
  GtMatcher* handle = nullptr;
  GtBytes error{};
  const auto status = gt_matcher_new(environment->handle_.get(), kind, source.data(), source.size(), &handle, &error);
  try {
    rust_text::check(status, error, where);
  } catch (const Error& multi_line) {
    throw Error(multi_line.kind(), one_line(multi_line.what()));
  }
  std::unique_ptr<GtMatcher, Matcher::Free> owner(handle);
  start_ = std::make_shared<const Matcher>(Matcher(std::move(environment), std::move(owner), std::nullopt));
}

Grammar Grammar::json_schema(Environment environment, const json::value& schema, std::string_view where) {
  const std::string source = dump_json(prepare_schema(schema, where));
  try {
    return {std::move(environment), GT_GRAMMAR_JSON_SCHEMA, source, where};
  } catch (const Error& error) {
    throw_explained(error, schema);
  }
}

Grammar Grammar::json_object(Environment environment) {
  return json_schema(std::move(environment), json::object{{"type", "object"}});
}

Grammar Grammar::regex(Environment environment, std::string_view pattern) {
  return {std::move(environment), GT_GRAMMAR_REGEX, pattern, "regex"};
}

Grammar Grammar::lark(Environment environment, std::string_view source) {
  return {std::move(environment), GT_GRAMMAR_LARK, checked_lark(source), "lark"};
}

Grammar Grammar::tool_calls(Environment environment, const json::array& tools, const ToolCallRules& rules) {
  const ToolCallGrammar grammar = tool_call_grammar(*environment, tools, rules);
  try {
    return {std::move(environment), GT_GRAMMAR_TOOLS, grammar.lark, "tools"};
  } catch (const Error& error) {
    throw_explained(error, grammar);
  }
}

Grammar Grammar::after_thinking() const {
  Grammar copy = *this;
  Matcher start = start_->clone();
  start.thinking_end_ = start.free_until_ = start.environment_->control(text_of(GlmTag::think_end));
  copy.start_ = std::make_shared<const Matcher>(std::move(start));
  return copy;
}

const GrammarEnvironment& Grammar::environment() const { return *start_->environment_; }

Matcher Grammar::matcher() const { return start_->clone(); }

}  // namespace glimt
