#include "api/ollama_chat.h"

#include "api/history.h"
#include "api/ollama_answer.h"
#include "api/ollama_fields.h"
#include "api/ollama_options.h"
#include "api/tool_choice.h"

#include <string>
#include <utility>

namespace glimt {
namespace {

void set_writer(ParsedRequest& parsed, OllamaForm::Endpoint endpoint) {
  const ApiRequest& request = parsed.request;
  const bool unloads = request.keep_alive && request.keep_alive->count() == 0;
  const OllamaForm form{.endpoint = endpoint, .stream = request.stream, .unloads = unloads};
  parsed.make_writer = [form](const AnswerHead& head) { return ollama_writer(form, head); };
}

bool is_empty(const json::value& value) { return value.is_null() || (value.is_array() && value.get_array().empty()); }

void check_images(const json::array& messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const json::object* message = messages[i].if_object();
    const json::value* images = message == nullptr ? nullptr : message->if_contains("images");
    if (images != nullptr && !is_empty(*images)) {
      refuse(fmt::format("messages[{}].images", i), "are not supported: this model reads text only");
    }
  }
}

// Fields that ask for something else than the model's own template around one user's turn.
void check_plain(const FieldReader& body) {
  if (!body.string_or("suffix", "").empty()) refuse("suffix", "is not supported: the model cannot fill in");
  if (!body.string_or("template", "").empty()) refuse("template", "is not supported: the model has its own");
  if (!body.array_or_empty("context").empty()) {
    refuse("context", "is not supported: a conversation goes to /api/chat");
  }
  if (!body.array_or_empty("images").empty()) refuse("images", "are not supported: this model reads text only");
}

void read_raw(const FieldReader& body, ApiRequest& request, std::string prompt) {
  if (!body.string_or("system", "").empty()) refuse("system", "cannot go with 'raw', which has no template");
  const json::value* think = body.find("think");
  if (think != nullptr && *think != json::value(false)) {
    refuse("think", "cannot go with 'raw': the prompt itself begins the thinking or ends it");
  }
  request.prompts = {std::move(prompt)};
  request.raw_controls = true;
}

}  // namespace

ParsedRequest parse_ollama_chat(const json::object& object, const ApiOptions& /*options*/) {
  ParsedRequest parsed;
  ApiRequest& request = parsed.request;
  const FieldReader body(object, kOllamaChatRequest, "", UnknownFields::ignore, request.ignored);
  read_ollama_answer(body, request);
  const json::array& messages = body.array_or_empty("messages");
  check_images(messages);
  request.chat.messages = read_history(messages, UnknownFields::ignore, request.ignored);
  request.chat.tools = read_function_tools(body.array_or_empty("tools"), UnknownFields::ignore, request.ignored);
  apply_tool_choice({}, "tools", request.chat);
  request.load_only = messages.empty();
  set_writer(parsed, OllamaForm::Endpoint::chat);
  return parsed;
}

ParsedRequest parse_ollama_generate(const json::object& object, const ApiOptions& /*options*/) {
  ParsedRequest parsed;
  ApiRequest& request = parsed.request;
  const FieldReader body(object, kOllamaGenerateRequest, "", UnknownFields::ignore, request.ignored);
  read_ollama_answer(body, request);
  check_plain(body);
  std::string prompt = body.string_or("prompt", "");
  const std::string system = body.string_or("system", "");
  request.load_only = prompt.empty();
  if (!request.load_only && body.boolean_or("raw", false)) {
    read_raw(body, request, std::move(prompt));
  } else if (!request.load_only) {
    if (!system.empty()) request.chat.messages.push_back(json::object{{"role", "system"}, {"content", system}});
    request.chat.messages.push_back(json::object{{"role", "user"}, {"content", std::move(prompt)}});
  }
  set_writer(parsed, OllamaForm::Endpoint::generate);
  return parsed;
}

}  // namespace glimt
