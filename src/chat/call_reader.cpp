#include "chat/call_reader.h"

#include "base/text.h"
#include "chat/loose_call.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxUnknownNameBytes = 128;

bool is_space(char c) { return kWhiteSpace.find(c) != std::string_view::npos; }

// The names that tools have anywhere, and not JSON, prose or code.
bool looks_like_a_name(std::string_view text) {
  const auto fits = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("_-.:/").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kMaxUnknownNameBytes && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

void CallReader::start() {
  state_ = State::name;
  complete_ = named_ = long_name_ = value_is_text_ = false;
  raw_ = text_of(GlmTag::call);
  name_.clear();
  call_ = {};
  arguments_ = {};
}

bool CallReader::take(char c) {
  if (raw_.size() >= rules_.max_bytes) return false;
  switch (state_) {
    case State::name:
      long_name_ = long_name_ || (name_.size() == kMaxNameBytes && may_go_on(name_));
      if (name_.size() >= kMaxNameBytes && !long_name_) return false;
      name_ += c;
      break;
    case State::key: key_ += c; break;
    case State::value:
      value_ += c;
      if (value_is_text_ && rules_.streamed) arguments_.add_text(c);
      break;
    case State::before_value:
    case State::after_value:
      if (!is_space(c)) return false;
      break;
  }
  raw_ += c;
  return true;
}

bool CallReader::take(GlmTag tag) {
  const std::string_view text = text_of(tag);
  if (raw_.size() + text.size() > rules_.max_bytes) return false;
  if (state_ == State::value && tag != GlmTag::value_end) {
    for (const char c : text) take(c);
    return true;
  }
  if (!step(tag)) return false;
  raw_ += text;
  return true;
}

bool CallReader::step(GlmTag tag) {
  switch (state_) {
    case State::name:
      if (tag == GlmTag::call_end) return end_without_arguments();
      return tag == GlmTag::key && end_name();
    case State::after_value:
      if (tag == GlmTag::key) begin_key();
      if (tag == GlmTag::call_end) end_arguments();
      return tag == GlmTag::key || tag == GlmTag::call_end;
    case State::key:
      if (tag == GlmTag::key_end) state_ = State::before_value;
      if (tag == GlmTag::value) begin_value();
      return tag == GlmTag::key_end || tag == GlmTag::value;
    case State::before_value:
      if (tag == GlmTag::value) begin_value();
      return tag == GlmTag::value;
    case State::value: end_value(); return true;
  }
  return false;
}

bool CallReader::end_name() {
  call_.name = trimmed(name_);
  if (!may_be_called(call_.name)) return false;
  named_ = true;
  begin_key();
  return true;
}

bool CallReader::end_without_arguments() {
  call_.name = trimmed(name_);
  if (!may_be_called(call_.name)) {
    std::optional<ToolCall> loose = read_loose_call(name_, rules_.tools);
    if (!loose || !may_be_called(loose->name)) return false;
    call_ = std::move(*loose);
    if (rules_.streamed) {
      for (const auto& [key, value] : call_.arguments) arguments_.add(key, value);
    }
  }
  named_ = true;
  end_arguments();
  return true;
}

void CallReader::begin_key() {
  key_.clear();
  value_.clear();
  state_ = State::key;
}

void CallReader::begin_value() {
  const ToolSchema* schema = rules_.tools.find(call_.name);
  const auto declared = [&](std::string_view key) { return schema != nullptr && schema->parameters.contains(key); };
  if (!declared(key_) && declared(trimmed(key_))) key_ = trimmed(key_);
  value_is_text_ = rules_.tools.is_text(call_.name, key_);
  if (value_is_text_ && rules_.streamed) arguments_.begin_text(key_);
  state_ = State::value;
}

void CallReader::end_value() {
  json::value value = rules_.tools.argument(call_.name, key_, value_);
  if (rules_.streamed) value_is_text_ ? arguments_.end_text() : arguments_.add(key_, value);
  call_.arguments[key_] = std::move(value);
  state_ = State::after_value;
}

void CallReader::end_arguments() {
  if (rules_.streamed) arguments_.end();
  complete_ = true;
}

bool CallReader::may_be_called(std::string_view name) const {
  const std::vector<std::string>& allowed = rules_.allowed;
  if (!allowed.empty()) return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  return rules_.tools.find(name) != nullptr || looks_like_a_name(name);
}

// Prose behind a stray tag must not be withheld for long: what is longer than a name has to look like a call.
bool CallReader::may_go_on(std::string_view long_name) const {
  const std::string_view text = trimmed(long_name);
  if (text.starts_with('{')) return true;
  return rules_.tools.find(text.substr(0, text.find_first_of(" \t\n\v\f\r({"))) != nullptr;
}

bool CallReader::lacks_only_its_end() const {
  const std::string_view name = state_ == State::name ? trimmed(name_) : std::string_view(call_.name);
  const ToolSchema* schema = rules_.tools.find(name);
  if (schema == nullptr || !may_be_called(name)) return false;
  if (state_ != State::name && state_ != State::after_value) return false;
  return std::all_of(schema->required.begin(), schema->required.end(),
                     [&](const std::string& key) { return call_.arguments.contains(key); });
}

ToolCall CallReader::take_call() {
  if (!complete_) {
    if (!named_) call_.name = trimmed(name_);
    end_arguments();
  }
  return std::exchange(call_, {});
}

std::string CallReader::take_raw() { return std::exchange(raw_, {}); }

}  // namespace glimt
