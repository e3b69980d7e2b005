#include "api/responses_items.h"

#include "api/base64.h"
#include "api/limits.h"
#include "api/problem.h"
#include "api/response_store.h"
#include "api/responses_fields.h"
#include "api/responses_turns.h"
#include "chat/messages.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kAdditionalTools = "additional_tools";
constexpr std::string_view kThinkingMark = "glimt1.";
constexpr std::size_t kShownBytes = 100;                            // of an unknown id
constexpr std::size_t kMaxReferencedBytes = std::size_t{32} << 20;  // as much as a body may have

std::string type_of(const json::object& item) {
  const json::value* type = item.if_contains("type");
  if (type != nullptr && is_text(*type)) return std::string(type->get_string());
  return item.contains("role") ? "message" : item.contains("id") ? "item_reference" : "";
}

const json::object& object_at(const json::array& items, std::size_t i, const std::string& path) {
  if (!items[i].is_object()) refuse(path, fmt::format("must be an object, got {}", shown_json(items[i])));
  return items[i].get_object();
}

std::string place_of(bool before, std::size_t i) {
  return fmt::format("{}[{}]", before ? "previous_response_id: items" : "input", i);
}

// ---- references ----

// The item that is meant; nothing if it may be missing.
std::optional<json::object> referred_item(const json::object& reference, const std::string& path,
                                          const ApiOptions& options) {
  std::vector<std::string> ignored;
  const FieldReader fields(reference, kResponsesItemReference, path, UnknownFields::ignore, ignored);
  const std::string id = fields.string_or("id", {});
  std::optional<json::object> item;
  if (options.responses != nullptr) item = options.responses->item(options.key_owner, id);
  if (!item && !id.starts_with("rs_")) {
    throw ApiError(ErrorKind::not_found,
                   {.status = 404,
                    .message = fmt::format("Item with id '{}' not found.", id.substr(0, kShownBytes)),
                    .param = path,
                    .code = {}});
  }
  return item;
}

json::array without_references(const json::array& items, const ApiOptions& options) {
  json::array resolved;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string path = fmt::format("input[{}]", i);
    const json::object& item = object_at(items, i, path);
    if (type_of(item) != "item_reference") {
      resolved.push_back(item);
    } else if (std::optional<json::object> referred = referred_item(item, path, options)) {
      bytes += dump_json(*referred).size();
      if (bytes > kMaxReferencedBytes) refuse(path, fmt::format("refers to more than {} bytes", kMaxReferencedBytes));
      resolved.push_back(std::move(*referred));
    }
  }
  return resolved;
}

json::array earlier_items(const std::string& id, const ApiOptions& options) {
  std::optional<json::array> items;
  if (options.responses != nullptr) items = options.responses->conversation(options.key_owner, id);
  if (items) return std::move(*items);
  throw ApiError(ErrorKind::invalid_request,
                 {.status = 400,
                  .message = fmt::format("Previous response with id '{}' not found.", id.substr(0, kShownBytes)),
                  .param = "previous_response_id",
                  .code = "previous_response_not_found"});
}

// ---- texts ----

std::string text_of_part(const json::value& part, const std::string& path, std::vector<std::string>& ignored) {
  if (is_text(part)) return std::string(part.get_string());
  if (!part.is_object()) refuse(path, fmt::format("must be a text part, got {}", shown_json(part)));
  const std::string type = type_of(part.get_object());
  if (type == "input_image" || type == "input_file" || type == "input_audio") {
    refuse(path + ".type", fmt::format("{} is not supported: this model reads text only", type), "unsupported_value");
  }
  const FieldReader fields(part.get_object(), kResponsesTextPart, path, UnknownFields::ignore, ignored);
  fields.one_of("type", "text", {"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"});
  return fields.string_or(type == "refusal" ? "refusal" : "text", {});
}

// Of a string or a list of parts; `between` comes between those.
std::string text_of(const FieldReader& fields, std::string_view name, std::vector<std::string>& ignored,
                    std::string_view between = {}) {
  const json::value* value = fields.find(name);
  if (value == nullptr) return {};
  if (is_text(*value)) return std::string(value->get_string());
  std::string text;
  const json::array& parts = fields.array_or_empty(name);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += between;
    text += text_of_part(parts[i], fmt::format("{}[{}]", fields.path(name), i), ignored);
  }
  return text;
}

std::string thinking_of(const FieldReader& item, std::vector<std::string>& ignored) {
  std::string thinking = text_of(item, "content", ignored);
  if (thinking.empty()) thinking = thinking_of_encrypted(item.string_or("encrypted_content", {}));
  if (thinking.empty()) thinking = text_of(item, "summary", ignored, "\n\n");
  return thinking;
}

// What is no object (a model wrote it, or a cut history) is one argument that holds the text.
json::object arguments_of(const FieldReader& call) {
  const json::value* given = call.find("arguments");
  if (given == nullptr) return {};
  if (given->is_object()) return given->get_object();
  const std::string text = call.string_or("arguments", {});
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return {};
  try {
    json::value parsed = parse_json(text, "arguments");
    if (parsed.is_object()) return std::move(parsed.get_object());
  } catch (const Error&) {
  }
  return {{"arguments", text}};
}

// ---- items ----

// Items that only a service with tools of its own writes.
bool is_of_hosted_tool(std::string_view type) {
  constexpr std::string_view kOthers[] = {
      "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "tool_search_output",
      "ghost_snapshot", "compaction",           "compaction_trigger",    "program",
      "program_output"};
  return type.ends_with("_call") || type.ends_with("_call_output") ||
         std::find(std::begin(kOthers), std::end(kOthers), type) != std::end(kOthers);
}

bool is_output(std::string_view type) { return type == "function_call_output" || type == "custom_tool_call_output"; }

class ItemReader {
 public:
  ItemReader(ResponsesTurns& turns, const ResponsesTools& tools, std::vector<std::string>& ignored)
      : turns_(turns), tools_(tools), ignored_(ignored) {}

  void read(const json::object& item, const std::string& path) {
    const std::string type = type_of(item);
    if (type == "message") return message(fields(item, kResponsesMessage, path));
    if (type == "reasoning") return turns_.think(thinking_of(fields(item, kResponsesReasoningItem, path), ignored_));
    if (type == "function_call") return call(fields(item, kResponsesCall, path), false);
    if (type == "custom_tool_call") return call(fields(item, kResponsesCustomCall, path), true);
    if (type == kAdditionalTools) return;  // read with the tools
    if (is_output(type)) return output(fields(item, kResponsesCallOutput, path));
    if (!is_of_hosted_tool(type)) {
      refuse(path + ".type", fmt::format("items of type {} are not understood", shown_json(json::value(type))));
    }
  }

 private:
  FieldReader fields(const json::object& item, const ApiObject& table, const std::string& path) {
    return {item, table, path, UnknownFields::ignore, ignored_};
  }

  void message(const FieldReader& item) {
    const std::string role = item.one_of("role", {}, {"user", "assistant", "system", "developer"});
    std::string text = text_of(item, "content", ignored_);
    if (role == "assistant") return turns_.say(text);
    turns_.other(role == "user" ? "user" : "system", std::move(text));
  }

  void call(const FieldReader& item, bool custom) {
    const std::string name = tools_.shown_name(item.string_or("name", {}), item.string_or("namespace", {}));
    json::object arguments = custom ? json::object{{ResponsesTools::kInput, item.string_or("input", {})}}  //
                                    : arguments_of(item);
    turns_.call(item.string_or("call_id", {}), name, std::move(arguments));
  }

  void output(const FieldReader& item) {
    turns_.output(item.string_or("call_id", {}), text_of(item, "output", ignored_));
  }

  ResponsesTurns& turns_;
  const ResponsesTools& tools_;
  std::vector<std::string>& ignored_;
};

void expect_outputs(const json::array& items, ResponsesTurns& turns) {
  for (const json::value& item : items) {
    const json::value* id = item.get_object().if_contains("call_id");
    if (id != nullptr && is_text(*id) && is_output(type_of(item.get_object()))) {
      turns.expect_output(std::string(id->get_string()));
    }
  }
}

}  // namespace

std::string encrypted_content(std::string_view thinking) {
  return std::string(kThinkingMark) + base64_encode(thinking);
}

std::string thinking_of_encrypted(std::string_view content) {
  if (!content.starts_with(kThinkingMark)) return {};
  return base64_decode(content.substr(kThinkingMark.size())).value_or("");
}

ResponsesInput resolve_input(const json::value& input, const std::string& previous_response_id,
                             const ApiOptions& options) {
  ResponsesInput resolved;
  if (!previous_response_id.empty()) resolved.before = earlier_items(previous_response_id, options);
  if (const json::array* items = input.if_array()) {
    check_count("input", items->size(), kMaxMessages);
    resolved.items = without_references(*items, options);
  } else if (!input.is_null()) {
    resolved.items.push_back(json::object{{"type", "message"}, {"role", "user"}, {"content", input}});
  }
  return resolved;
}

std::vector<ResponsesTools::List> additional_tools(const ResponsesInput& input, std::vector<std::string>& ignored) {
  std::vector<ResponsesTools::List> lists;
  for (const json::array* items : {&input.before, &input.items}) {
    for (std::size_t i = 0; i < items->size(); ++i) {
      const json::object& item = (*items)[i].get_object();
      if (type_of(item) != kAdditionalTools) continue;
      const FieldReader fields(item, kResponsesAdditionalTools, place_of(items == &input.before, i),
                               UnknownFields::ignore, ignored);
      lists.push_back({fields.array_or_empty("tools"), fields.path("tools"), true});
    }
  }
  return lists;
}

json::array messages_of_items(const ResponsesInput& input, const ResponsesTools& tools,
                              std::vector<std::string>& ignored) {
  ResponsesTurns turns;
  expect_outputs(input.before, turns);
  expect_outputs(input.items, turns);
  ItemReader reader(turns, tools, ignored);
  for (std::size_t i = 0; i < input.before.size(); ++i) {
    reader.read(input.before[i].get_object(), place_of(true, i));
  }
  for (std::size_t i = 0; i < input.items.size(); ++i) {
    reader.read(input.items[i].get_object(), place_of(false, i));
  }
  return normalized_messages(turns.finish());  // also puts outputs into the order of their calls
}

}  // namespace glimt
