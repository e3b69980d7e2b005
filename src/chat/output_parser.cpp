#include "chat/output_parser.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMaxSpaceBytes = std::size_t{64} << 10;

}  // namespace

OutputParser::OutputParser(OutputRules rules)
    : stops_(std::move(rules.stop)),
      stop_in_thinking_(rules.stop_in_thinking),
      state_(rules.starts_thinking ? State::thinking : State::content),
      call_(std::move(rules.calls)) {}

std::vector<OutputEvent> OutputParser::feed(std::string_view text) {
  if (!done()) on_text(text);
  return std::exchange(events_, {});
}

std::vector<OutputEvent> OutputParser::feed(GlmTag tag) {
  if (!done()) on_tag(tag);
  return std::exchange(events_, {});
}

std::vector<OutputEvent> OutputParser::finish() {
  if (state_ == State::call) {
    cut_call();
  } else {
    border();
  }
  flush_space();
  return std::exchange(events_, {});
}

OutputParser::Section OutputParser::section() const {
  if (state_ == State::call) return Section::call;
  return state_ == State::thinking ? Section::thinking : Section::content;
}

// ---- text and tags ----

void OutputParser::on_text(std::string_view text) {
  while (!text.empty() && state_ == State::call) {
    if (call_.take(text.front())) {
      text.remove_prefix(1);
    } else {
      break_call();
    }
  }
  if (state_ == State::call) return follow_call();
  plain(text);
}

void OutputParser::on_tag(GlmTag tag) {
  if (state_ == State::call) {
    if (call_.take(tag)) return call_.complete() ? end_call() : follow_call();
    if (tag == GlmTag::call && call_.lacks_only_its_end()) {
      end_call();
    } else {
      break_call();
    }
    if (!done()) on_tag(tag);
    return;
  }
  if (tag == GlmTag::call && !call_.rules().banned) return start_call();
  if (tag == GlmTag::think) return on_think();
  if (tag == GlmTag::think_end) return on_think_end();
  plain(text_of(tag));
}

void OutputParser::on_think() {
  if (nothing_yet_) {
    border();
    state_ = State::thinking;
  } else {
    think_is_text_ = state_ != State::thinking;
    plain(text_of(GlmTag::think));
  }
  nothing_yet_ = false;
}

void OutputParser::on_think_end() {
  nothing_yet_ = false;
  if (state_ == State::thinking || call_ended_thinking_) {
    border();
    space_.clear();
    call_ended_thinking_ = false;
    state_ = State::after_thinking;
  } else if (std::exchange(think_is_text_, false)) {
    plain(text_of(GlmTag::think_end));
  }
}

void OutputParser::plain(std::string_view text) {
  if (state_ == State::after_thinking) {
    text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
    if (text.empty()) return;
    state_ = State::content;
  }
  if (text.find_first_not_of(kWhiteSpace) != std::string_view::npos) nothing_yet_ = false;
  if (state_ == State::thinking && !stop_in_thinking_) return release(text);
  release(stops_.push(text));
}

void OutputParser::release(std::string_view text) {
  const std::size_t end = text.find_last_not_of(kWhiteSpace) + 1;  // 0 if there is nothing but white space
  if (end > 0) {
    flush_space();
    emit(text.substr(0, end));
  }
  space_ += text.substr(end);
  while (space_.size() > kMaxSpaceBytes) {
    emit(std::string_view(space_).substr(0, kMaxSpaceBytes + 1));
    space_.erase(0, kMaxSpaceBytes + 1);
  }
}

void OutputParser::border() { release(stops_.finish()); }

void OutputParser::flush_space() {
  if (!space_.empty()) emit(std::exchange(space_, {}));
}

void OutputParser::emit(std::string_view text) {
  const auto append = [&]<typename Delta>(Delta) {
    auto* last = events_.empty() ? nullptr : std::get_if<Delta>(&events_.back());
    if (last == nullptr) last = &std::get<Delta>(events_.emplace_back(Delta{}));
    last->text += text;
  };
  state_ == State::thinking ? append(ThinkingDelta{}) : append(ContentDelta{});
}

// ---- calls ----

void OutputParser::start_call() {
  border();
  nothing_yet_ = false;
  outside_ = state_;
  announced_ = false;
  call_.start();
  state_ = State::call;
}

void OutputParser::follow_call() {
  if (!call_.named() || !call_.rules().streamed) return;
  announce();
  if (std::string json = call_.take_json(); !json.empty()) events_.emplace_back(ToolCallDelta{calls_, std::move(json)});
}

void OutputParser::announce() {
  if (std::exchange(announced_, true)) return;
  events_.emplace_back(ToolCallStart{calls_, call_.name()});
}

void OutputParser::end_call() {
  ToolCall call = call_.take_call();
  space_.clear();
  if (!std::exchange(announced_, true)) events_.emplace_back(ToolCallStart{calls_, call.name});
  std::string json = call_.rules().streamed ? call_.take_json() : dump_json(call.arguments);
  events_.emplace_back(ToolCallDelta{calls_, std::move(json)});
  events_.emplace_back(ToolCallComplete{calls_++, std::move(call)});
  call_ended_thinking_ = call_ended_thinking_ || outside_ == State::thinking;
  called_once_ = !call_.rules().parallel;
  state_ = State::content;
}

void OutputParser::break_call() {
  if (call_.named()) return cut_call();
  state_ = outside_;
  plain(call_.take_raw());
}

// The white space before the call belongs to the text of a content that goes on, but not to a thinking that has ended.
void OutputParser::cut_call() {
  follow_call();
  std::string text = std::exchange(space_, {});
  if (outside_ != State::content) text.clear();
  text += stops_.push(call_.take_raw());
  text += stops_.finish();
  events_.emplace_back(ToolCallCut{calls_, std::move(text), announced_});
  if (announced_) ++calls_;
  call_ended_thinking_ = call_ended_thinking_ || outside_ == State::thinking;
  state_ = State::content;
}

}  // namespace glimt
