#include "api/openai_answer.h"
#include "api/openai_completions.h"
#include "api/wire.h"

#include <utility>
#include <variant>
#include <vector>

namespace glimt {
namespace {

constexpr std::string_view kKind = "text_completion";

// All text is content here, also what would be thinking or a call behind a chat template.
std::string_view text_of(const OutputEvent& event) {
  if (const auto* thinking = std::get_if<ThinkingDelta>(&event)) return thinking->text;
  if (const auto* content = std::get_if<ContentDelta>(&event)) return content->text;
  if (const auto* cut = std::get_if<ToolCallCut>(&event)) return cut->text;
  return {};
}

json::object choice_object(std::size_t index, std::string_view text, json::value logprobs, std::string_view reason) {
  const json::value finish = reason.empty() ? json::value() : json::value(reason);
  return {{"index", index}, {"text", text}, {"logprobs", std::move(logprobs)}, {"finish_reason", finish}};
}

// ---- in one piece ----

class WholeCompletion final : public AnswerWriter {
 public:
  WholeCompletion(AnswerHead head, CompletionForm form)
      : head_(std::move(head)), form_(form), choices_(form.choices_a_prompt * form.prompts) {}

  std::string_view content_type() const override { return kJsonType; }
  std::string start() override { return {}; }
  std::string keep_alive() override { return {}; }
  std::string fail(const Problem&) override { return {}; }

  std::string part(std::size_t choice, const AnswerPart& part) override {
    Choice& of = choices_.at(choice);
    of.text += text_of(part.event);
    if (form_.logprobs) of.tokens.insert(of.tokens.end(), part.tokens.begin(), part.tokens.end());
    return {};
  }

  std::string end(std::size_t choice, const AnswerSummary& summary) override {
    choices_.at(choice).reason = openai_finish_reason(summary, 0, false);
    usage_.add(choice, summary);
    return {};
  }

  std::string finish() override {
    json::object body = openai_response(head_, head_.new_id("cmpl-"), kKind);
    json::array& choices = body["choices"].emplace_array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      json::value logprobs;
      if (form_.logprobs) logprobs = TokenLogprobs().completion(choices_[i].tokens);
      choices.push_back(choice_object(i, valid_utf8(choices_[i].text), std::move(logprobs), choices_[i].reason));
    }
    body["usage"] = usage_.to_json(head_.prompt_tokens, form_.choices_a_prompt);
    return wire_json(body);
  }

 private:
  struct Choice {
    std::string text;
    std::vector<ContentToken> tokens;
    std::string_view reason;
  };

  AnswerHead head_;
  CompletionForm form_;
  std::vector<Choice> choices_;
  OpenAiUsage usage_;
};

// ---- in pieces ----

class StreamedCompletion final : public AnswerWriter {
 public:
  StreamedCompletion(AnswerHead head, CompletionForm form)
      : head_(std::move(head)),
        id_(head_.new_id("cmpl-")),
        form_(form),
        choices_(form.choices_a_prompt * form.prompts) {}

  std::string_view content_type() const override { return kEventStreamType; }
  std::string start() override { return sse_comment("begins"); }
  std::string keep_alive() override { return sse_comment("still at it"); }
  std::string fail(const Problem& problem) override { return openai_stream_error(head_, problem); }

  std::string part(std::size_t choice, const AnswerPart& part) override {
    Choice& of = choices_.at(choice);
    const std::string ready = of.characters.next(text_of(part.event));
    const bool has_tokens = form_.logprobs && !part.tokens.empty();
    if (ready.empty() && !has_tokens) return {};
    json::value logprobs;
    if (has_tokens) logprobs = of.logprobs.completion(part.tokens);
    return chunk(choice_object(choice, ready, std::move(logprobs), {}));
  }

  std::string end(std::size_t choice, const AnswerSummary& summary) override {
    usage_.add(choice, summary);
    const std::string rest = choices_.at(choice).characters.rest();
    return chunk(choice_object(choice, rest, nullptr, openai_finish_reason(summary, 0, false)));
  }

  std::string finish() override {
    if (!form_.include_usage) return std::string(kOpenAiDone);
    return openai_usage_chunk(openai_response(head_, id_, kKind),
                              usage_.to_json(head_.prompt_tokens, form_.choices_a_prompt)) +
           std::string(kOpenAiDone);
  }

 private:
  struct Choice {
    Characters characters;
    TokenLogprobs logprobs;
  };

  std::string chunk(json::object choice) const {
    json::object body = openai_response(head_, id_, kKind);
    body["choices"] = json::array{std::move(choice)};
    if (form_.include_usage) body["usage"] = nullptr;
    return sse_data(body);
  }

  AnswerHead head_;
  std::string id_;
  CompletionForm form_;
  std::vector<Choice> choices_;
  OpenAiUsage usage_;
};

}  // namespace

std::unique_ptr<AnswerWriter> completion_writer(const AnswerHead& head, const CompletionForm& form) {
  if (form.stream) return std::make_unique<StreamedCompletion>(head, form);
  return std::make_unique<WholeCompletion>(head, form);
}

}  // namespace glimt
