#include "api/responses_writer.h"

#include "api/responses_output.h"
#include "api/wire.h"

#include <optional>
#include <utility>

namespace glimt {
namespace {

json::object usage_json(const AnswerSummary& summary) {
  return {{"input_tokens", summary.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", summary.reused_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", summary.generated_tokens},
          {"output_tokens_details", {{"reasoning_tokens", summary.thinking_tokens}}},
          {"total_tokens", summary.prompt_tokens + summary.generated_tokens}};
}

bool is_cut(AnswerEnd end) {
  return end == AnswerEnd::length || end == AnswerEnd::repetition || end == AnswerEnd::cancelled;
}

class ResponsesWriter final : public AnswerWriter {
 public:
  ResponsesWriter(std::shared_ptr<const ResponsesPlan> plan, const AnswerHead& head)
      : plan_(std::move(plan)),
        id_(head.new_id("resp_")),
        model_(head.model),
        created_(head.created),
        output_(plan_->tools, plan_->encrypted_thinking, head.new_id,
                [this](std::string_view type, const json::object& fields) { emit(type, fields); }) {}

  std::string_view content_type() const override { return plan_->stream ? kEventStreamType : kJsonType; }

  std::string start() override {
    emit("response.created", {{"response", response("in_progress")}});
    emit("response.in_progress", {{"response", response("in_progress")}});
    return take();
  }

  std::string part(std::size_t /*choice*/, const AnswerPart& part) override {
    output_.add(part);
    return take();
  }

  std::string end(std::size_t /*choice*/, const AnswerSummary& summary) override {
    cut_ = is_cut(summary.end) || output_.has_cut_call();
    summary_ = summary;
    output_.finish(cut_);
    return take();
  }

  std::string finish() override {
    const json::object body = response(cut_ ? "incomplete" : "completed");
    if (plan_->store != nullptr) {
      plan_->store->keep(plan_->owner, {id_, plan_->previous_id, plan_->input, body});
    }
    if (!plan_->stream) return wire_json(body);
    emit(cut_ ? "response.incomplete" : "response.completed", {{"response", body}});
    return take();
  }

  std::string keep_alive() override { return plan_->stream ? sse_comment("keep-alive") : std::string(); }

  std::string fail(const Problem& problem) override {
    json::object body = response("failed");
    body["error"] = {{"code", problem.code.empty() ? "server_error" : problem.code}, {"message", problem.message}};
    emit("response.failed", {{"response", std::move(body)}});
    return take();
  }

 private:
  void emit(std::string_view type, const json::object& fields) {
    if (!plan_->stream) return;
    json::object event{{"type", type}, {"sequence_number", sequence_++}};
    event.insert(fields.begin(), fields.end());
    out_ += sse_event(type, event);
  }

  std::string take() { return std::exchange(out_, {}); }

  json::object response(std::string_view status) const {
    json::object body{{"id", id_}, {"object", "response"}, {"created_at", created_}, {"status", status}};
    body["error"] = nullptr;
    body["incomplete_details"] = nullptr;
    if (status == "incomplete") body["incomplete_details"] = {{"reason", "max_output_tokens"}};
    body["model"] = model_;
    body["output"] = output_.items();
    for (const auto& [name, value] : plan_->echo) body[name] = value;
    body["usage"] = nullptr;
    if (summary_) body["usage"] = usage_json(*summary_);
    return body;
  }

  std::shared_ptr<const ResponsesPlan> plan_;
  std::string id_;
  std::string model_;
  std::int64_t created_;
  std::string out_;  // events that go out next
  std::uint64_t sequence_ = 0;
  ResponsesOutput output_;
  std::optional<AnswerSummary> summary_;
  bool cut_ = false;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_responses_writer(std::shared_ptr<const ResponsesPlan> plan, const AnswerHead& head) {
  return std::make_unique<ResponsesWriter>(std::move(plan), head);
}

}  // namespace glimt
