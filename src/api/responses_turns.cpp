#include "api/responses_turns.h"

#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kBetween = "\n\n";  // texts of one turn

void append(std::string& text, const std::string& more) {
  if (!text.empty() && !more.empty()) text += kBetween;
  text += more;
}

}  // namespace

void ResponsesTurns::think(const std::string& text) {
  if (turn_ && !turn_->content.empty() && turn_->waited_for.empty()) close();  // thinking comes first in a turn
  append(open().thinking, text);
}

void ResponsesTurns::say(const std::string& text) { append(open().content, text); }

void ResponsesTurns::call(const std::string& call_id, const std::string& name, json::object arguments) {
  Turn& turn = open();
  json::object function{{"name", name}, {"arguments", std::move(arguments)}};
  turn.calls.push_back(json::object{{"id", call_id}, {"type", "function"}, {"function", std::move(function)}});
  const auto expected = expected_.find(call_id);
  if (expected != expected_.end() && expected->second > 0) turn.waited_for.insert(call_id);
}

void ResponsesTurns::output(const std::string& call_id, std::string text) {
  json::object message{{"role", "tool"}, {"content", std::move(text)}};
  if (!call_id.empty()) message["tool_call_id"] = call_id;
  const auto expected = expected_.find(call_id);
  if (expected != expected_.end() && expected->second > 0) --expected->second;
  if (!turn_) return messages_.push_back(std::move(message));  // its call is not here: agents cut histories
  if (expected == expected_.end() || expected->second == 0) turn_->waited_for.erase(call_id);
  turn_->outputs.push_back(std::move(message));
}

void ResponsesTurns::other(std::string_view role, std::string text) {
  close();
  messages_.push_back(json::object{{"role", role}, {"content", std::move(text)}});
}

json::array ResponsesTurns::finish() {
  close();
  return std::move(messages_);
}

ResponsesTurns::Turn& ResponsesTurns::open() {
  if (turn_ && !turn_->outputs.empty() && turn_->waited_for.empty()) close();
  if (!turn_) turn_.emplace();
  return *turn_;
}

void ResponsesTurns::close() {
  if (!turn_) return;
  json::object message{{"role", "assistant"}, {"content", turn_->content}};
  if (!turn_->thinking.empty()) message["reasoning_content"] = std::move(turn_->thinking);
  if (!turn_->calls.empty()) message["tool_calls"] = std::move(turn_->calls);
  messages_.push_back(std::move(message));
  for (json::value& output : turn_->outputs) messages_.push_back(std::move(output));
  turn_.reset();
}

}  // namespace glimt
