#include "api/responses_output.h"

#include "api/content_tokens.h"
#include "api/responses_items.h"
#include "api/wire.h"

#include <utility>
#include <variant>

namespace glimt {
namespace {

json::object text_part(std::string_view text, json::array logprobs = {}) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", json::array()}, {"logprobs", std::move(logprobs)}};
}

json::object summary_part(std::string_view text) { return {{"type", "summary_text"}, {"text", text}}; }

// Fields of a call by the tool that it calls.
json::object call_item(std::string_view type, const ResponsesOutput::NewId& new_id, const ResponsesTool& tool) {
  json::object item{{"type", type}, {"id", new_id(tool.custom ? "ctc_" : "fc_")}};
  item["call_id"] = new_id("call_");
  item["name"] = tool.name;
  if (!tool.name_space.empty()) item["namespace"] = tool.name_space;
  return item;
}

// The one argument of a custom tool. Where a model made up others, its client sees what it wrote.
std::string input_of(const json::object& arguments) {
  const json::value* input = arguments.if_contains(ResponsesTools::kInput);
  return input != nullptr && is_text(*input) ? std::string(input->get_string()) : dump_json(arguments);
}

}  // namespace

ResponsesOutput::ResponsesOutput(const ResponsesTools& tools, bool encrypted_thinking, NewId new_id, Emit emit)
    : tools_(tools), encrypted_thinking_(encrypted_thinking), new_id_(std::move(new_id)), emit_(std::move(emit)) {}

void ResponsesOutput::add(const AnswerPart& part) {
  if (const auto* delta = std::get_if<ThinkingDelta>(&part.event)) {
    add_text(Kind::reasoning, delta->text, {});
  } else if (const auto* content = std::get_if<ContentDelta>(&part.event)) {
    add_text(Kind::message, content->text, part.tokens);
  } else if (const auto* start = std::get_if<ToolCallStart>(&part.event)) {
    start_call(start->name);
  } else if (const auto* arguments = std::get_if<ToolCallDelta>(&part.event)) {
    if (!call_is_custom_) grow(arguments->json, {});
  } else if (const auto* complete = std::get_if<ToolCallComplete>(&part.event)) {
    call_is_custom_ ? add_custom_call(tools_.called(complete->call.name), complete->call) : close("completed");
  } else if (const auto* cut = std::get_if<ToolCallCut>(&part.event)) {
    cut->announced ? cut_call() : add_text(Kind::message, cut->text, part.tokens);
  }
}

void ResponsesOutput::finish(bool cut) { close(cut ? "incomplete" : "completed"); }

// ---- opening and growing ----

void ResponsesOutput::add_text(Kind kind, std::string_view text, const std::vector<ContentToken>& tokens) {
  if (text.empty() && tokens.empty()) return;
  if (!open_ || open_->kind != kind) open_text(kind);
  grow(text, content_tokens_json(tokens));
}

void ResponsesOutput::open_text(Kind kind) {
  close("completed");
  if (kind == Kind::reasoning) {
    begin(kind, {{"type", "reasoning"}, {"id", new_id_("rs_")}, {"summary", json::array()}});
    emit_of_part("response.reasoning_summary_part.added", {{"part", summary_part("")}});
  } else {
    begin(kind, {{"type", "message"},
                 {"id", new_id_("msg_")},
                 {"role", "assistant"},
                 {"status", "in_progress"},
                 {"content", json::array()}});
    emit_of_part("response.content_part.added", {{"part", text_part("")}});
  }
}

void ResponsesOutput::grow(std::string_view piece, json::array logprobs) {
  std::string text;
  open_->characters.push(piece, text);
  if (text.empty() && logprobs.empty()) return;
  open_->text += text;
  if (open_->kind == Kind::call) return emit("response.function_call_arguments.delta", {{"delta", text}});
  if (open_->kind == Kind::reasoning) return emit_of_part("response.reasoning_summary_text.delta", {{"delta", text}});
  open_->logprobs.insert(open_->logprobs.end(), logprobs.begin(), logprobs.end());
  emit_of_part("response.output_text.delta", {{"delta", text}, {"logprobs", std::move(logprobs)}});
}

void ResponsesOutput::start_call(const std::string& shown_name) {
  close("completed");
  const ResponsesTool tool = tools_.called(shown_name);
  call_is_custom_ = tool.custom;
  if (tool.custom) return;
  json::object item = call_item("function_call", new_id_, tool);
  item["arguments"] = "";
  item["status"] = "in_progress";
  begin(Kind::call, std::move(item));
}

void ResponsesOutput::add_custom_call(const ResponsesTool& tool, const ToolCall& call) {
  const std::string input = valid_utf8(input_of(call.arguments));
  json::object item = call_item("custom_tool_call", new_id_, tool);
  item["input"] = "";
  item["status"] = "in_progress";
  begin(Kind::call, item);
  if (!input.empty()) emit("response.custom_tool_call_input.delta", {{"delta", input}});
  emit("response.custom_tool_call_input.done", {{"input", input}});
  item["input"] = input;
  item["status"] = "completed";
  end(std::move(item));
}

// ---- closing ----

void ResponsesOutput::close(std::string_view status) {
  if (!open_) return;
  std::string rest;
  open_->characters.finish(rest);
  open_->text += rest;
  switch (open_->kind) {
    case Kind::reasoning: return close_reasoning();
    case Kind::message: return close_message(status);
    case Kind::call: return close_call();
  }
}

void ResponsesOutput::close_reasoning() {
  const json::object part = summary_part(open_->text);
  emit_of_part("response.reasoning_summary_text.done", {{"text", open_->text}});
  emit_of_part("response.reasoning_summary_part.done", {{"part", part}});
  json::object item = open_->item;
  item["summary"] = json::array{part};
  if (encrypted_thinking_) item["encrypted_content"] = encrypted_content(open_->text);
  end(std::move(item));
}

void ResponsesOutput::close_message(std::string_view status) {
  const json::object part = text_part(open_->text, open_->logprobs);
  emit_of_part("response.output_text.done", {{"text", open_->text}, {"logprobs", open_->logprobs}});
  emit_of_part("response.content_part.done", {{"part", part}});
  json::object item = open_->item;
  item["status"] = status;
  item["content"] = json::array{part};
  end(std::move(item));
}

void ResponsesOutput::close_call() {
  json::object item = open_->item;
  emit("response.function_call_arguments.done", {{"name", item.at("name")}, {"arguments", open_->text}});
  item["arguments"] = open_->text;
  item["status"] = "completed";
  end(std::move(item));
}

// A client may run a call that it is told the end of, so this one gets none.
void ResponsesOutput::cut_call() {
  has_cut_call_ = true;
  if (call_is_custom_ || !open_) return;
  open_->item["arguments"] = open_->text;
  open_->item["status"] = "incomplete";
  items_.push_back(std::move(open_->item));
  open_.reset();
}

// ---- events ----

void ResponsesOutput::begin(Kind kind, json::object item) {
  emit_("response.output_item.added", {{"output_index", items_.size()}, {"item", item}});
  open_.emplace(Open{.kind = kind, .item = std::move(item)});
}

void ResponsesOutput::end(json::object item) {
  emit_("response.output_item.done", {{"output_index", items_.size()}, {"item", item}});
  items_.push_back(std::move(item));
  open_.reset();
}

void ResponsesOutput::emit(std::string_view type, const json::object& fields) {
  json::object all{{"item_id", open_->item.at("id")}, {"output_index", items_.size()}};
  all.insert(fields.begin(), fields.end());
  emit_(type, std::move(all));
}

void ResponsesOutput::emit_of_part(std::string_view type, const json::object& fields) {
  json::object all{{open_->kind == Kind::reasoning ? "summary_index" : "content_index", 0}};
  all.insert(fields.begin(), fields.end());
  emit(type, all);
}

}  // namespace glimt
