#include "text/chat_template.h"

#include "base/error.h"
#include "base/file.h"
#include "text/glm_tags.h"
#include "text/literal_marks.h"
#include "text/rust_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kWhere = "chat template";
constexpr std::size_t kMaxTemplateBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

// ---- the template's file ----

struct Sources {
  std::string default_template;
  std::optional<std::string> tool_use;
};

Sources named_templates(const json::array& list, std::string_view where) {
  std::optional<std::string> default_template;
  Sources sources;
  for (const json::value& item : list) {
    if (!item.is_object()) fail(ErrorKind::bad_file, where, "field 'chat_template' must be a list of objects");
    const JsonFields fields(item.get_object(), std::string(where) + ": chat_template");
    const std::string name = fields.string("name");
    if (name == "default") default_template = fields.string("template");
    if (name == "tool_use") sources.tool_use = fields.string("template");
  }
  if (!default_template) fail(ErrorKind::bad_file, where, "field 'chat_template' has no template named 'default'");
  sources.default_template = *default_template;
  return sources;
}

Sources templates_of_config(const json::object& config, std::string_view where) {
  const json::value* value = config.if_contains("chat_template");
  if (value == nullptr || value->is_null()) {
    fail(ErrorKind::not_found, where, "has no 'chat_template', and there is no chat_template.jinja beside it");
  }
  if (is_text(*value)) return {std::string(value->get_string()), std::nullopt};
  if (const json::array* list = value->if_array()) return named_templates(*list, where);
  fail(ErrorKind::bad_file, where, "field 'chat_template' must be a string or a list");
}

// Hugging Face hands these to every template; a value is a string or an object with the string in "content".
json::object special_tokens_of_config(const json::object& config) {
  constexpr std::array<std::string_view, 7> kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                      "pad_token", "cls_token", "mask_token"};
  json::object tokens;
  for (const std::string_view name : kNames) {
    const json::value* value = config.if_contains(name);
    if (value != nullptr && value->is_object()) value = value->get_object().if_contains("content");
    if (value != nullptr && value->is_string()) tokens[name] = *value;
  }
  return tokens;
}

// ---- the request ----

bool is_null_or_absent(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null();
}

// As transformers does: the first of the three names that has a value is the reasoning under the other names too.
void unify_reasoning(json::object& message) {
  for (const std::string_view name : {"reasoning_content", "thinking", "reasoning"}) {
    if (is_null_or_absent(message, name)) continue;
    const json::value reasoning = message.at(name);
    message["reasoning_content"] = reasoning;
    if (!message.contains("thinking")) message["thinking"] = reasoning;
    return;
  }
}

// The request with every variable that Hugging Face defines.
json::object completed(const json::object& request) {
  json::object out = request;
  const json::value* messages = out.if_contains("messages");
  if (messages == nullptr || !messages->is_array()) {
    fail(ErrorKind::invalid_request, "request", "field 'messages' must be an array");
  }
  for (json::value& message : out["messages"].get_array()) {
    if (!message.is_object()) fail(ErrorKind::invalid_request, "request", "every message must be an object");
    unify_reasoning(message.get_object());
  }
  for (const std::string_view name : {"tools", "documents"}) {
    if (!out.contains(name)) out[name] = nullptr;
  }
  if (!out.contains("add_generation_prompt")) out["add_generation_prompt"] = true;
  return out;
}

// ---- "</think>" inside of an assistant's content ----

// The text of a content as GLM's template prints it, or nothing if it is not made of text alone.
std::optional<std::string> visible_text(const json::value& content) {
  if (const json::string* text = content.if_string()) return std::string(view(*text));
  const json::array* parts = content.if_array();
  if (parts == nullptr) return std::nullopt;
  std::string all;
  for (const json::value& part : *parts) {
    const json::value* text = &part;
    if (const json::object* object = part.if_object()) {
      const json::value* type = object->if_contains("type");
      if (type == nullptr || *type != "text") continue;
      text = object->if_contains("text");
      if (text == nullptr || !text->is_string()) return std::nullopt;
    }
    if (text->is_string()) all += view(text->get_string());
  }
  return all;
}

std::string without_newlines_in_front(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return std::string(text);
}

// GLM's template takes thinking out of a content that holds "</think>" (when there is no reasoning_content). A mark
// inside of that word would hide it, so the same split is done here before marks are set.
json::object with_thinking_split(json::object request) {
  constexpr std::string_view kOpen = text_of(GlmTag::think);
  constexpr std::string_view kClose = text_of(GlmTag::think_end);
  for (json::value& value : request["messages"].get_array()) {
    json::object& message = value.get_object();
    const json::value* role = message.if_contains("role");
    const json::value* reasoning = message.if_contains("reasoning_content");
    const json::value* content = message.if_contains("content");
    if (role == nullptr || *role != "assistant" || content == nullptr) continue;
    if (reasoning != nullptr && reasoning->is_string()) continue;
    const std::optional<std::string> text = visible_text(*content);
    if (!text || text->find(kClose) == std::string::npos) continue;

    std::string_view thinking = std::string_view(*text).substr(0, text->find(kClose));
    thinking = thinking.substr(0, thinking.find_last_not_of('\n') + 1);
    const std::size_t open = thinking.rfind(kOpen);
    if (open != std::string_view::npos) thinking.remove_prefix(open + kOpen.size());
    message["reasoning_content"] = without_newlines_in_front(thinking);
    message["content"] = without_newlines_in_front(std::string_view(*text).substr(text->rfind(kClose) + kClose.size()));
  }
  return request;
}

}  // namespace

void ChatTemplate::Free::operator()(GtChatTemplate* handle) const { gt_chat_template_free(handle); }

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatTemplate::ChatTemplate(const std::filesystem::path& model_folder, const Tokenizer& tokenizer)
    : controls_(tokenizer.controls()) {
  const std::filesystem::path jinja = model_folder / "chat_template.jinja";
  const std::filesystem::path config_path = model_folder / "tokenizer_config.json";
  const bool has_jinja = std::filesystem::exists(jinja);
  json::object config;
  if (!has_jinja || std::filesystem::exists(config_path)) {
    const json::value value = parse_json_file(config_path, kMaxConfigBytes);
    if (!value.is_object()) fail(ErrorKind::bad_file, config_path.string(), "must be a JSON object");
    config = value.get_object();
  }
  special_tokens_ = special_tokens_of_config(config);
  const Sources sources = has_jinja ? Sources{read_file(jinja, kMaxTemplateBytes), std::nullopt}
                                    : templates_of_config(config, config_path.string());
  const std::string where = has_jinja ? jinja.string() : config_path.string();
  default_ = compiled(sources.default_template, where);
  if (sources.tool_use) tool_use_ = compiled(*sources.tool_use, where);
  const std::filesystem::path beside = model_folder / "additional_chat_templates" / "tool_use.jinja";
  if (std::filesystem::exists(beside)) tool_use_ = compiled(read_file(beside, kMaxTemplateBytes), beside.string());
}

ChatTemplate::ChatTemplate(std::string_view source, std::string_view where, const Tokenizer& tokenizer,
                           json::object special_tokens)
    : default_(compiled(source, where)), controls_(tokenizer.controls()), special_tokens_(std::move(special_tokens)) {}

ChatTemplate::Handle ChatTemplate::compiled(std::string_view source, std::string_view where) {
  GtChatTemplate* handle = nullptr;
  GtBytes error{};
  const GtStatus status = gt_chat_template_new(source.data(), source.size(), &handle, &error);
  // A template that is not UTF-8 is a bad file, not a bad request.
  rust_text::check(status == GT_INVALID_INPUT ? GT_BAD_FILE : status, error, where);
  return Handle(handle);
}

std::string ChatTemplate::render_text(const json::object& request) const {
  json::object context = special_tokens_;
  for (const auto& [key, value] : request) context[key] = value;
  const std::string context_json = dump_json(context);
  const bool with_tools = tool_use_ != nullptr && !is_null_or_absent(request, "tools");
  const GtChatTemplate* handle = with_tools ? tool_use_.get() : default_.get();
  GtBytes text{};
  GtBytes error{};
  rust_text::check(gt_chat_template_render(handle, context_json.data(), context_json.size(), &text, &error), error,
                   kWhere);
  return rust_text::take(text);
}

RenderedPrompt ChatTemplate::render(const json::object& request) const {
  const json::object full = completed(request);
  RenderedPrompt prompt{render_text(full), {}};
  const LiteralMarks marks(controls_, prompt.text);

  const auto find_controls = [&](const json::object& same_request) -> std::optional<std::vector<ControlSpan>> {
    try {
      return marks.resolve(prompt.text, render_text(marks.mark(same_request)));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid_request) throw;
      return std::nullopt;  // the template refuses a marked word that it wants to know
    }
  };
  std::optional<std::vector<ControlSpan>> controls = find_controls(full);
  if (!controls) controls = find_controls(with_thinking_split(full));
  if (!controls) {
    fail(ErrorKind::invalid_request, kWhere,
         "a message holds the text of a control token, and this template changes it so that it cannot be told from the "
         "template's own");
  }
  prompt.controls = std::move(*controls);
  return prompt;
}

}  // namespace glimt
