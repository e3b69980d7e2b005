#include "api/ollama_answer.h"

#include "api/openai_answer.h"
#include "api/wire.h"
#include "text/utf8.h"

#include <optional>
#include <string>
#include <utility>

namespace glimt {
namespace {

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

std::string_view done_reason(const AnswerSummary& summary) {
  switch (summary.end) {
    case AnswerEnd::length:
    case AnswerEnd::repetition:
    case AnswerEnd::cancelled: return "length";
    case AnswerEnd::end_token:
    case AnswerEnd::stop_string:
    case AnswerEnd::one_call: break;
  }
  return "stop";
}

// What one line says, or all of them.
struct Said {
  std::string content;
  std::string thinking;
  json::array calls;
  json::array tokens;

  bool anything() const { return !content.empty() || !thinking.empty() || !calls.empty(); }
};

class OllamaWriter final : public AnswerWriter {
 public:
  OllamaWriter(const OllamaForm& form, const AnswerHead& head) : form_(form), head_(head) {}

  std::string_view content_type() const override { return form_.stream ? kJsonLinesType : kJsonType; }
  std::string start() override { return {}; }
  std::string part(std::size_t choice, const AnswerPart& part) override;
  std::string end(std::size_t choice, const AnswerSummary& summary) override;
  std::string finish() override;
  std::string keep_alive() override { return form_.stream ? json_line(object({}, false)) : std::string(); }
  std::string fail(const Problem& problem) override;

 private:
  void add(const OutputEvent& event);
  void add_thinking(std::string_view text);
  void add_content(std::string_view text);
  json::object object(Said said, bool done) const;
  std::string lines_of_said();

  OllamaForm form_;
  AnswerHead head_;
  Said said_;  // and not written yet
  Utf8Assembler thinking_;
  Utf8Assembler content_;
  TokenLogprobs logprobs_;
  std::size_t calls_ = 0;
  std::optional<AnswerSummary> summary_;
};

void OllamaWriter::add_thinking(std::string_view text) { thinking_.push(text, said_.thinking); }

void OllamaWriter::add_content(std::string_view text) { content_.push(text, said_.content); }

void OllamaWriter::add(const OutputEvent& event) {
  if (const auto* thinking = std::get_if<ThinkingDelta>(&event)) add_thinking(thinking->text);
  if (const auto* content = std::get_if<ContentDelta>(&event)) add_content(content->text);
  if (const auto* cut = std::get_if<ToolCallCut>(&event)) add_content(cut->text);  // no client has seen the call
  if (const auto* complete = std::get_if<ToolCallComplete>(&event)) {
    json::object function{
        {"index", calls_++}, {"name", valid_utf8(complete->call.name)}, {"arguments", complete->call.arguments}};
    said_.calls.push_back(json::object{{"id", head_.new_id("call_")}, {"function", std::move(function)}});
  }
}

json::object OllamaWriter::object(Said said, bool done) const {
  json::object line{{"model", head_.model}, {"created_at", head_.now()}};
  const bool chat = form_.endpoint == OllamaForm::Endpoint::chat;
  json::object message;
  if (chat) message["role"] = "assistant";
  message[chat ? "content" : "response"] = said.content;
  if (!said.thinking.empty()) message["thinking"] = said.thinking;
  if (!said.calls.empty()) message["tool_calls"] = std::move(said.calls);
  if (chat) {
    line["message"] = std::move(message);
  } else {
    for (auto& [key, value] : message) line.emplace(key, std::move(value));
  }
  line["done"] = done;
  if (!said.tokens.empty()) line["logprobs"] = std::move(said.tokens);
  return line;
}

std::string OllamaWriter::part(std::size_t /*choice*/, const AnswerPart& part) {
  for (json::value& token : logprobs_.chat(part.tokens)) said_.tokens.push_back(std::move(token));
  add(part.event);
  if (!form_.stream || !said_.anything()) return {};
  return json_line(object(std::exchange(said_, {}), false));
}

std::string OllamaWriter::end(std::size_t /*choice*/, const AnswerSummary& summary) {
  summary_ = summary;
  thinking_.finish(said_.thinking);
  content_.finish(said_.content);
  if (!form_.stream || !said_.anything()) return {};
  return json_line(object(std::exchange(said_, {}), false));
}

std::string OllamaWriter::finish() {
  json::object last = object(std::exchange(said_, {}), true);
  if (summary_) {
    last["done_reason"] = done_reason(*summary_);
    last["total_duration"] = nanoseconds(summary_->total_seconds);
    last["load_duration"] = nanoseconds(head_.load_seconds);
    last["prompt_eval_count"] = summary_->prompt_tokens;
    last["prompt_eval_duration"] = nanoseconds(summary_->prefill_seconds);
    last["eval_count"] = summary_->generated_tokens;
    last["eval_duration"] = nanoseconds(summary_->decode_seconds);
  } else {
    last["done_reason"] = form_.unloads ? "unload" : "load";
  }
  return form_.stream ? json_line(last) : wire_json(last);
}

std::string OllamaWriter::fail(const Problem& problem) {
  return json_line(problem_body(Dialect::ollama, problem, head_.request_id));
}

}  // namespace

std::unique_ptr<AnswerWriter> ollama_writer(const OllamaForm& form, const AnswerHead& head) {
  return std::make_unique<OllamaWriter>(form, head);
}

}  // namespace glimt
