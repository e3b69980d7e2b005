#include "api/anthropic_writer.h"

#include "api/anthropic_blocks.h"
#include "api/wire.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

// `cut`: a call was shown and did not come to its end.
std::string_view stop_reason(const AnswerSummary& summary, bool called, bool cut) {
  switch (summary.end) {
    case AnswerEnd::stop_string: return "stop_sequence";
    case AnswerEnd::length: return summary.context_full ? "model_context_window_exceeded" : "max_tokens";
    case AnswerEnd::repetition:
    case AnswerEnd::cancelled: return "max_tokens";
    case AnswerEnd::end_token:
    case AnswerEnd::one_call: break;
  }
  if (cut) return "max_tokens";
  return called ? "tool_use" : "end_turn";
}

json::value stop_sequence(const AnswerSummary& summary) {
  if (summary.end != AnswerEnd::stop_string) return nullptr;
  return json::value(summary.stop_string);
}

// Their sum is the prompt, unlike in other dialects.
json::object usage(std::size_t prompt, std::size_t reused, std::size_t generated) {
  return {{"input_tokens", prompt - std::min(prompt, reused)},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", reused},
          {"output_tokens", generated}};
}

json::object usage(const AnswerSummary& summary) {
  return usage(summary.prompt_tokens, summary.reused_tokens, summary.generated_tokens);
}

json::object message(const AnswerHead& head, json::array content) {
  return {{"id", head.new_id("msg_")},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head.model},
          {"content", std::move(content)}};
}

class MessagesWriter final : public AnswerWriter {
 public:
  explicit MessagesWriter(const AnswerHead& head) : head_(head), blocks_(head.new_id) {}

  std::string_view content_type() const override { return kJsonType; }
  std::string start() override { return {}; }
  std::string part(std::size_t choice, const AnswerPart& part) override;
  std::string end(std::size_t choice, const AnswerSummary& summary) override;
  std::string finish() override;
  std::string keep_alive() override { return {}; }
  std::string fail(const Problem& /*problem*/) override { return {}; }

 private:
  void fold(std::vector<BlockEvent> events);

  AnswerHead head_;
  AnthropicBlocks blocks_;
  json::array content_;
  AnswerSummary summary_;
};

void append(json::object& block, std::string_view field, const json::object& delta) {
  const json::string& more = delta.at(field).get_string();
  block[field].get_string().append(more);
}

void MessagesWriter::fold(std::vector<BlockEvent> events) {
  for (BlockEvent& event : events) {
    if (json::value* block = event.data.if_contains("content_block")) content_.push_back(std::move(*block));
    if (!event.data.contains("delta")) continue;
    const json::object& delta = event.data.at("delta").get_object();
    json::object& block = content_.back().get_object();
    for (const std::string_view field : {"thinking", "signature", "text"}) {
      if (delta.contains(field)) append(block, field, delta);
    }
  }
}

std::string MessagesWriter::part(std::size_t /*choice*/, const AnswerPart& part) {
  fold(blocks_.add(part.event));
  if (const auto* complete = std::get_if<ToolCallComplete>(&part.event)) {
    content_.back().get_object()["input"] = complete->call.arguments;
  }
  // Nobody has seen the call, so it is the text that it was.
  if (const auto* cut = std::get_if<ToolCallCut>(&part.event); cut != nullptr && cut->announced) {
    content_.pop_back();
    fold(blocks_.add(ContentDelta{cut->text}));
  }
  return {};
}

std::string MessagesWriter::end(std::size_t /*choice*/, const AnswerSummary& summary) {
  fold(blocks_.finish());
  summary_ = summary;
  return {};
}

std::string MessagesWriter::finish() {
  json::object answer = message(head_, std::move(content_));
  answer["stop_reason"] = stop_reason(summary_, blocks_.called(), false);
  answer["stop_sequence"] = stop_sequence(summary_);
  answer["usage"] = usage(summary_);
  return wire_json(answer);
}

class MessagesStreamWriter final : public AnswerWriter {
 public:
  explicit MessagesStreamWriter(const AnswerHead& head) : head_(head), blocks_(head.new_id) {}

  std::string_view content_type() const override { return kEventStreamType; }
  std::string start() override;
  std::string part(std::size_t choice, const AnswerPart& part) override;
  std::string end(std::size_t choice, const AnswerSummary& summary) override;
  std::string finish() override { return sse_event("message_stop", {{"type", "message_stop"}}); }
  std::string keep_alive() override { return sse_event("ping", {{"type", "ping"}}); }
  std::string fail(const Problem& problem) override;

 private:
  static std::string frames(const std::vector<BlockEvent>& events);

  AnswerHead head_;
  AnthropicBlocks blocks_;
};

std::string MessagesStreamWriter::frames(const std::vector<BlockEvent>& events) {
  std::string out;
  for (const BlockEvent& event : events) out += sse_event(event.type, event.data);
  return out;
}

// Goes out before the cache is asked, so all of the prompt counts as input; the usage at the end is the one that holds.
std::string MessagesStreamWriter::start() {
  json::object begun = message(head_, {});
  begun["stop_reason"] = nullptr;
  begun["stop_sequence"] = nullptr;
  begun["usage"] = usage(head_.prompt_tokens, 0, 1);
  return sse_event("message_start", {{"type", "message_start"}, {"message", std::move(begun)}});
}

std::string MessagesStreamWriter::part(std::size_t /*choice*/, const AnswerPart& part) {
  return frames(blocks_.add(part.event));
}

std::string MessagesStreamWriter::end(std::size_t /*choice*/, const AnswerSummary& summary) {
  std::string out = frames(blocks_.finish());
  json::object delta{{"stop_reason", stop_reason(summary, blocks_.called(), blocks_.call_cut())},
                     {"stop_sequence", stop_sequence(summary)}};
  return out + sse_event("message_delta",
                         {{"type", "message_delta"}, {"delta", std::move(delta)}, {"usage", usage(summary)}});
}

std::string MessagesStreamWriter::fail(const Problem& problem) {
  return sse_event("error", problem_body(Dialect::anthropic, problem, head_.request_id));
}

}  // namespace

std::unique_ptr<AnswerWriter> messages_writer(const AnswerHead& head) { return std::make_unique<MessagesWriter>(head); }

std::unique_ptr<AnswerWriter> messages_stream_writer(const AnswerHead& head) {
  return std::make_unique<MessagesStreamWriter>(head);
}

}  // namespace glimt
