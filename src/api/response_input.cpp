#include "api/response_input.h"

#include "api/problem.h"
#include "api/response_store.h"
#include "api/responses.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace glimt {
namespace {

constexpr std::size_t kMostItems = 100;

// clang-format off
constexpr ApiField kQueryFields[] = {
    {"limit", ApiField::Use::honoured, R"({"type": "integer", "minimum": 1, "maximum": 100})", "items of a page; 20 without it"},
    {"order", ApiField::Use::honoured, R"({"type": "string", "enum": ["asc", "desc"]})", "asc: as they came; desc without it"},
    {"after", ApiField::Use::honoured, R"({"type": "string"})", "the last item's id of the page before"},
};
constexpr ApiField kListFields[] = {
    {"object", ApiField::Use::honoured, R"({"type": "string", "enum": ["list"]})", "", true},
    {"data", ApiField::Use::honoured, R"({"type": "array", "items": {"type": "object", "required": ["id", "type"]}})", "items, as the request had them", true},
    {"first_id", ApiField::Use::honoured, R"({"type": ["string", "null"]})", "of the page", true},
    {"last_id", ApiField::Use::honoured, R"({"type": ["string", "null"]})", "of the page", true},
    {"has_more", ApiField::Use::honoured, R"({"type": "boolean"})", "whether a page follows", true},
};
// clang-format on

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && is_text(*value) ? std::string(value->get_string()) : std::string();
}

std::string_view prefix_of(std::string_view type) {
  if (type == "reasoning") return "rs";
  if (type == "function_call") return "fc";
  if (type == "custom_tool_call") return "ctc";
  return type == "message" ? "msg" : "item";
}

// In the form that clients know of answers: text is a list of parts.
json::object shown_item(const json::object& item, const std::string& response_id, std::size_t index) {
  const std::string given = text_at(item, "type");
  const std::string type = given.empty() ? "message" : given;
  const std::string id = text_at(item, "id");
  const std::string own_id =
      fmt::format("{}_{}_{}", prefix_of(type), std::string_view(response_id).substr(response_id.find('_') + 1), index);
  json::object shown{{"type", type}, {"id", id.empty() ? own_id : id}};
  for (const auto& [name, value] : item) shown.emplace(name, value);
  if (type != "message") return shown;
  if (const json::value& content = shown["content"]; is_text(content)) {
    const char* part = text_at(item, "role") == "assistant" ? "output_text" : "input_text";
    shown["content"] = json::array{json::object{{"type", part}, {"text", content}}};
  }
  shown.emplace("status", "completed");
  return shown;
}

json::array items_of(const std::string& id, const ApiOptions& options) {
  std::optional<json::array> items;
  if (options.responses != nullptr) items = options.responses->input(options.key_owner, id);
  if (!items) throw response_not_found(id);
  json::array shown;
  for (std::size_t i = 0; i < items->size(); ++i) shown.push_back(shown_item((*items)[i].as_object(), id, i));
  return shown;
}

std::size_t number_of_items(const std::string& text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > kMostItems) {
    refuse("limit", fmt::format("must be a number from 1 to {}, got {}", kMostItems, shown_json(json::value(text))));
  }
  return number;
}

}  // namespace

const ApiObject kInputItemsQuery{"ResponsesInputItemsQuery", kQueryFields};
const ApiObject kInputItems{"ResponsesInputItems", kListFields};

InputItemsPage input_items_page(std::span<const std::pair<std::string, std::string>> query) {
  InputItemsPage page;
  for (const auto& [name, value] : query) {
    if (name == "limit") page.limit = number_of_items(value);
    if (name == "after") page.after = value;
    if (name != "order") continue;
    if (value != "asc" && value != "desc") {
      refuse("order", fmt::format("must be 'asc' or 'desc', got {}", shown_json(json::value(value))));
    }
    page.newest_first = value == "desc";
  }
  return page;
}

json::object response_input_items(const std::string& id, const InputItemsPage& page, const ApiOptions& options) {
  json::array all = items_of(id, options);
  if (page.newest_first) std::reverse(all.begin(), all.end());
  auto first = all.begin();
  if (!page.after.empty()) {
    const auto is_it = [&](const json::value& item) { return text_at(item.as_object(), "id") == page.after; };
    first = std::find_if(all.begin(), all.end(), is_it);
    if (first == all.end()) refuse("after", "is the id of none of the items");
    ++first;
  }
  const auto last = first + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(page.limit), all.end() - first);
  json::array data(first, last);
  const auto id_of = [](const json::value& item) { return json::value(text_at(item.as_object(), "id")); };
  const json::value first_id = data.empty() ? json::value() : id_of(data.front());
  const json::value last_id = data.empty() ? json::value() : id_of(data.back());
  return {{"object", "list"},
          {"data", std::move(data)},
          {"first_id", first_id},
          {"last_id", last_id},
          {"has_more", last != all.end()}};
}

}  // namespace glimt
