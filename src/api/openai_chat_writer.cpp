#include "api/openai_chat_writer.h"

#include "api/answer_details.h"
#include "api/openai_answer.h"
#include "api/wire.h"
#include "text/utf8.h"

#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace glimt {
namespace {

constexpr std::string_view kChunk = "chat.completion.chunk";

json::object call_object(const std::string& id, std::string_view name, std::string_view arguments) {
  return {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
}

json::array token_items(TokenLogprobs& logprobs, const std::vector<ContentToken>& tokens, const ChatAnswerForm& form) {
  json::array items = logprobs.chat(tokens);
  if (form.details) add_token_details(items, tokens);
  return items;
}

// ---- in one piece ----

class WholeChat final : public AnswerWriter {
 public:
  WholeChat(AnswerHead head, ChatAnswerForm form) : head_(std::move(head)), form_(form), choices_(form.choices) {}

  std::string_view content_type() const override { return kJsonType; }
  std::string start() override { return {}; }
  std::string keep_alive() override { return {}; }
  std::string fail(const Problem&) override { return {}; }

  std::string part(std::size_t choice, const AnswerPart& part) override {
    Choice& of = choices_.at(choice);
    if (const auto* delta = std::get_if<ContentDelta>(&part.event); delta != nullptr && form_.logprobs) {
      for (json::value& item : token_items(of.logprobs, part.tokens, form_)) of.tokens.push_back(std::move(item));
    }
    of.output.add(part.event);
    return {};
  }

  std::string end(std::size_t choice, const AnswerSummary& summary) override {
    choices_.at(choice).summary = summary;
    usage_.add(choice, summary);
    return {};
  }

  std::string finish() override {
    json::object body = openai_response(head_, head_.new_id("chatcmpl-"), "chat.completion");
    json::array& choices = body["choices"].emplace_array();
    for (std::size_t i = 0; i < choices_.size(); ++i) choices.push_back(choice_object(i));
    body["usage"] = usage_.to_json(head_.prompt_tokens, form_.choices);
    if (form_.details) body["glimt"] = answer_details(head_, choices_.front().summary);
    return wire_json(body);
  }

 private:
  struct Choice {
    ParsedOutput output;
    TokenLogprobs logprobs;
    json::array tokens;
    AnswerSummary summary;
  };

  json::object message_of(const ParsedOutput& output) const {
    json::object message{{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
    if (!output.content.empty() || output.tool_calls.empty()) message["content"] = valid_utf8(output.content);
    if (!output.thinking.empty()) message["reasoning_content"] = valid_utf8(output.thinking);
    json::array calls;
    for (const ToolCall& call : output.tool_calls) {
      calls.push_back(call_object(head_.new_id("call_"), valid_utf8(call.name), wire_json(call.arguments)));
    }
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    return message;
  }

  json::object choice_object(std::size_t index) {
    Choice& choice = choices_[index];
    json::value logprobs;
    if (form_.logprobs) logprobs = {{"content", std::move(choice.tokens)}, {"refusal", nullptr}};
    return {{"index", index},
            {"message", message_of(choice.output)},
            {"logprobs", std::move(logprobs)},
            {"finish_reason", openai_finish_reason(choice.summary, choice.output.tool_calls.size(), false)}};
  }

  AnswerHead head_;
  ChatAnswerForm form_;
  std::vector<Choice> choices_;
  OpenAiUsage usage_;
};

// ---- in pieces ----

class StreamedChat final : public AnswerWriter {
 public:
  StreamedChat(AnswerHead head, ChatAnswerForm form)
      : head_(std::move(head)),
        id_(head_.id.empty() ? head_.new_id("chatcmpl-") : head_.id),
        form_(form),
        choices_(form.choices) {}

  std::string_view content_type() const override { return kEventStreamType; }
  std::string keep_alive() override { return sse_comment("still at it"); }

  std::string progress(const AnswerProgress& progress) override {
    return form_.details ? sse_data(chunk_object(0, {}, nullptr, {}, progress_details(progress))) : std::string();
  }

  std::string start() override {
    std::string out;
    for (std::size_t i = 0; i < choices_.size(); ++i) out += chunk(i, {{"role", "assistant"}, {"content", ""}});
    return out;
  }

  std::string part(std::size_t choice, const AnswerPart& part) override {
    return std::visit(
        [&]<typename Event>(const Event& event) -> std::string {
          if constexpr (std::is_same_v<Event, ThinkingDelta>) {
            return text(choice, "reasoning_content", choices_.at(choice).thinking.next(event.text));
          } else if constexpr (std::is_same_v<Event, ContentDelta>) {
            return content(choice, event.text, part.tokens);
          } else {
            return call(choice, event);
          }
        },
        part.event);
  }

  std::string end(std::size_t choice, const AnswerSummary& summary) override {
    Choice& of = choices_.at(choice);
    usage_.add(choice, summary);
    if (choice == 0) first_ = summary;
    std::string out = rest_of_text(choice);
    return out + chunk(choice, {}, nullptr, openai_finish_reason(summary, of.calls, of.cut));
  }

  std::string finish() override {
    if (!form_.include_usage) return std::string(kOpenAiDone);
    json::object chunk = openai_response(head_, id_, kChunk);
    if (form_.details) chunk["glimt"] = answer_details(head_, first_);
    return openai_usage_chunk(std::move(chunk), usage_.to_json(head_.prompt_tokens, form_.choices)) +
           std::string(kOpenAiDone);
  }

  std::string fail(const Problem& problem) override { return openai_stream_error(head_, problem); }

 private:
  struct Choice {
    Characters thinking, content, arguments;
    TokenLogprobs logprobs;
    std::size_t calls = 0;       // complete ones
    bool has_arguments = false;  // the call at hand
    bool cut = false;            // a call was shown that came to nothing
  };

  json::object chunk_object(std::size_t choice, json::object delta, json::value logprobs,
                            std::string_view finish_reason, json::object details = {}) const {
    json::object body = openai_response(head_, id_, kChunk);
    const json::value reason = finish_reason.empty() ? json::value() : json::value(finish_reason);
    body["choices"] = json::array{
        {{"index", choice}, {"delta", std::move(delta)}, {"logprobs", std::move(logprobs)}, {"finish_reason", reason}}};
    if (form_.include_usage) body["usage"] = nullptr;
    if (!details.empty()) body["glimt"] = std::move(details);
    return body;
  }

  std::string chunk(std::size_t choice, json::object delta, json::value logprobs = nullptr,
                    std::string_view finish_reason = {}) const {
    return sse_data(chunk_object(choice, std::move(delta), std::move(logprobs), finish_reason));
  }

  std::string text(std::size_t choice, std::string_view field, const std::string& text) const {
    return text.empty() ? std::string() : chunk(choice, {{field, text}});
  }

  std::string content(std::size_t choice, std::string_view bytes, const std::vector<ContentToken>& tokens) {
    Choice& of = choices_.at(choice);
    std::string out = text(choice, "reasoning_content", of.thinking.rest());
    const std::string ready = of.content.next(bytes);
    if (!form_.logprobs) return out + text(choice, "content", ready);
    if (ready.empty() && tokens.empty()) return out;
    json::object logprobs{{"content", token_items(of.logprobs, tokens, form_)}, {"refusal", nullptr}};
    return out + chunk(choice, {{"content", ready}}, std::move(logprobs));
  }

  // A character that the model began and did not end.
  std::string rest_of_text(std::size_t choice) {
    Choice& of = choices_.at(choice);
    const std::string thinking = text(choice, "reasoning_content", of.thinking.rest());
    return thinking + text(choice, "content", of.content.rest());
  }

  std::string arguments(std::size_t choice, std::size_t index, const std::string& json) {
    if (json.empty()) return {};
    choices_.at(choice).has_arguments = true;
    const json::object call{{"index", index}, {"function", {{"arguments", json}}}};
    return chunk(choice, {{"tool_calls", json::array{call}}});
  }

  std::string call(std::size_t choice, const ToolCallStart& start) {
    std::string out = rest_of_text(choice);
    choices_.at(choice).has_arguments = false;
    json::object call{{"index", start.index}};
    for (auto& [key, value] : call_object(head_.new_id("call_"), valid_utf8(start.name), "")) call[key] = value;
    return out + chunk(choice, {{"tool_calls", json::array{std::move(call)}}});
  }

  std::string call(std::size_t choice, const ToolCallDelta& delta) {
    return arguments(choice, delta.index, choices_.at(choice).arguments.next(delta.json));
  }

  std::string call(std::size_t choice, const ToolCallComplete& complete) {
    Choice& of = choices_.at(choice);
    ++of.calls;
    std::string out = arguments(choice, complete.index, of.arguments.rest());
    if (!of.has_arguments) out += arguments(choice, complete.index, wire_json(complete.call.arguments));
    return out;
  }

  std::string call(std::size_t choice, const ToolCallCut& cut) {
    if (!cut.announced) return content(choice, cut.text, {});
    Choice& of = choices_.at(choice);
    of.cut = true;
    return arguments(choice, cut.index, of.arguments.rest());
  }

  AnswerHead head_;
  std::string id_;
  ChatAnswerForm form_;
  std::vector<Choice> choices_;
  OpenAiUsage usage_;
  AnswerSummary first_;
};

}  // namespace

std::unique_ptr<AnswerWriter> chat_completion_writer(const AnswerHead& head, const ChatAnswerForm& form) {
  if (form.stream) return std::make_unique<StreamedChat>(head, form);
  return std::make_unique<WholeChat>(head, form);
}

}  // namespace glimt
