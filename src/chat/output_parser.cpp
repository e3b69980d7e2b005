#include "chat/output_parser.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMaxSpaceBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::string_view kSpace = " \t\n\v\f\r";

bool is_space(char c) { return kSpace.find(c) != std::string_view::npos; }

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

OutputParser::OutputParser(ToolSchemas tools, bool starts_thinking, std::size_t max_call_bytes)
    : tools_(std::move(tools)),
      max_call_bytes_(max_call_bytes),
      state_(starts_thinking ? State::thinking : State::content) {}

std::vector<OutputEvent> OutputParser::feed(std::string_view text) {
  for (const char c : text) read(c);
  return std::exchange(events_, {});
}

std::vector<OutputEvent> OutputParser::finish() {
  const std::string rest = std::exchange(tag_, {});
  if (in_call()) {
    raw_ += rest;  // half a tag is not part of a name, a key or a value
    end_broken_call();
  } else {
    for (const char c : rest) on_byte(c);
  }
  flush_space();
  return std::exchange(events_, {});
}

// Only the first byte of a tag is '<', so a tag that did not come true can hide no other one.
void OutputParser::read(char c) {
  if (tag_.empty() && c != '<') return on_byte(c);
  tag_ += c;
  const auto* match =
      std::find_if(std::begin(kTags), std::end(kTags), [this](std::string_view tag) { return tag.starts_with(tag_); });
  if (match == std::end(kTags)) {
    const std::string text = std::exchange(tag_, {});
    for (std::size_t i = 0; i + 1 < text.size(); ++i) on_byte(text[i]);
    if (text.size() == 1) return on_byte(c);
    return read(c);
  }
  if (match->size() == tag_.size()) {
    tag_.clear();
    on_tag(static_cast<Tag>(match - std::begin(kTags)));
  }
}

void OutputParser::on_byte(char c) {
  const std::string_view text(&c, 1);
  if (!in_call()) return on_plain(text);
  raw_ += c;
  switch (state_) {
    case State::name: call_.name += c; break;
    case State::key: key_ += c; break;
    case State::value: value_ += c; break;
    case State::before_value:
      if (!is_space(c)) return cancel_call();
      break;
    case State::after_value:
      if (!is_space(c)) {
        raw_.pop_back();
        end_broken_call();
        return on_plain(text);
      }
      break;
    case State::thinking:
    case State::after_thinking:
    case State::content: break;
  }
  limit_call();
}

void OutputParser::limit_call() {
  if (!in_call()) return;
  if (raw_.size() > max_call_bytes_ || (state_ == State::name && call_.name.size() > kMaxNameBytes)) cancel_call();
}

void OutputParser::on_tag(Tag tag) {
  if (in_call()) {
    on_tag_in_call(tag);
    return limit_call();
  }
  const bool first = std::exchange(nothing_yet_, false);
  if (tag == Tag::call) return start_call();
  if (tag == Tag::think && first) {
    state_ = State::thinking;
    return;
  }
  if (tag == Tag::think_end && (state_ == State::thinking || call_ended_thinking_)) {
    call_ended_thinking_ = false;
    space_.clear();
    state_ = State::after_thinking;
    return;
  }
  on_plain(kTags[static_cast<std::size_t>(tag)]);
}

void OutputParser::on_tag_in_call(Tag tag) {
  const std::string_view text = kTags[static_cast<std::size_t>(tag)];
  if (state_ == State::value && tag != Tag::value_end) {
    for (const char c : text) on_byte(c);
    return;
  }
  const bool expects_argument = state_ == State::name || state_ == State::after_value;
  raw_ += text;
  if (state_ == State::value) return end_argument();
  if (state_ == State::key && tag == Tag::key_end) {
    state_ = State::before_value;
  } else if ((state_ == State::key || state_ == State::before_value) && tag == Tag::value) {
    state_ = State::value;
  } else if (expects_argument && tag == Tag::key) {
    end_name();
  } else if (expects_argument && tag == Tag::call_end) {
    trimmed(call_.name).empty() ? cancel_call() : end_call();
  } else {
    raw_.resize(raw_.size() - text.size());
    expects_argument ? end_broken_call() : cancel_call();
    on_tag(tag);
  }
}

void OutputParser::on_plain(std::string_view text) {
  for (const char c : text) {
    if (is_space(c)) {
      if (state_ == State::after_thinking) continue;
      space_ += c;
      if (space_.size() > kMaxSpaceBytes) flush_space();
      continue;
    }
    nothing_yet_ = false;
    if (state_ == State::after_thinking) state_ = State::content;
    flush_space();
    emit_text(std::string_view(&c, 1));
  }
}

void OutputParser::flush_space() {
  if (!space_.empty()) emit_text(std::exchange(space_, {}));
}

void OutputParser::emit_text(std::string_view text) {
  if (state_ == State::thinking) {
    auto* last = events_.empty() ? nullptr : std::get_if<ThinkingDelta>(&events_.back());
    if (last == nullptr) last = &std::get<ThinkingDelta>(events_.emplace_back(ThinkingDelta{}));
    last->text += text;
  } else {
    auto* last = events_.empty() ? nullptr : std::get_if<ContentDelta>(&events_.back());
    if (last == nullptr) last = &std::get<ContentDelta>(events_.emplace_back(ContentDelta{}));
    last->text += text;
  }
}

void OutputParser::start_call() {
  outside_ = state_;
  raw_ = std::exchange(space_, {});
  raw_ += kTags[static_cast<std::size_t>(Tag::call)];
  call_ = {};
  named_ = false;
  state_ = State::name;
}

// At the first <arg_key>. Without a name it is no call, which </tool_call> or the end will find.
void OutputParser::end_name() {
  key_.clear();
  value_.clear();
  state_ = State::key;
  if (named_) return;
  call_.name = trimmed(call_.name);
  if (call_.name.empty()) return cancel_call();
  named_ = true;
  events_.emplace_back(ToolCallStart{calls_, call_.name});
}

void OutputParser::end_argument() {
  const ToolSchema* schema = tools_.find(call_.name);
  const auto declared = [&](std::string_view key) { return schema != nullptr && schema->parameters.contains(key); };
  if (!declared(key_) && declared(trimmed(key_))) key_ = trimmed(key_);
  call_.arguments[key_] = tools_.argument(call_.name, key_, value_);
  state_ = State::after_value;
}

bool OutputParser::is_whole() const {
  const ToolSchema* schema = tools_.find(trimmed(call_.name));
  if (schema == nullptr) return named_;
  return std::all_of(schema->required.begin(), schema->required.end(),
                     [&](const std::string& name) { return call_.arguments.contains(name); });
}

void OutputParser::end_broken_call() {
  if (!is_whole()) return cancel_call();
  const std::string space = state_ == State::after_value ? raw_.substr(raw_.find_last_not_of(kSpace) + 1) : "";
  end_call();
  on_plain(space);
}

void OutputParser::end_call() {
  if (!named_) {
    call_.name = trimmed(call_.name);
    events_.emplace_back(ToolCallStart{calls_, call_.name});
  }
  events_.emplace_back(ToolCallComplete{calls_, std::exchange(call_, {})});
  ++calls_;
  call_ended_thinking_ = call_ended_thinking_ || outside_ == State::thinking;
  raw_.clear();
  state_ = State::content;
}

void OutputParser::cancel_call() {
  if (named_) events_.emplace_back(ToolCallCancelled{calls_});
  call_ = {};
  state_ = outside_;
  on_plain(std::exchange(raw_, {}));
}

}  // namespace glimt
