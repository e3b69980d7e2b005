#include "api/anthropic_history.h"

#include "api/anthropic_fields.h"
#include "base/text.h"
#include "chat/messages.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kBillingHeader = "x-anthropic-billing-header:";

bool is_billing(std::string_view text) { return text.starts_with(kBillingHeader); }

// A text that somebody has joined from blocks keeps what follows the line.
std::string without_billing_line(std::string text) {
  if (is_billing(text)) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

// What one message of the client adds to the conversation.
struct Said {
  std::string text;
  std::string thinking;
  json::array calls;
};

class HistoryReader {
 public:
  HistoryReader(UnknownFields unknown, std::vector<std::string>& ignored) : unknown_(unknown), ignored_(ignored) {}

  void add_system(const json::value& content, const std::string& where);
  void add_message(const json::value& message, const std::string& where);
  json::array take() { return std::move(messages_); }
  std::vector<std::string> take_found_tools() { return std::move(found_tools_); }

 private:
  FieldReader fields(const json::object& object, const ApiObject& table, const std::string& where) {
    return {told(object, table), table, where, unknown_, ignored_};
  }
  const json::object& told(const json::object& object, const ApiObject& table);

  [[noreturn]] static void wrong_block(const std::string& where, std::string_view type, std::string_view role);
  std::string texts_of(const json::value* content, const std::string& where, bool drop_billing = false);
  std::string text_of(const json::value& block, const std::string& where);
  std::string result_text(const json::value* content, const std::string& where);
  void add_result(const json::object& block, const std::string& where);
  void add_user(const json::value* content, const std::string& where);
  void add_assistant(const json::value* content, const std::string& where);
  void add_assistant_block(const json::value& block, const std::string& where, Said& said);

  UnknownFields unknown_;
  std::vector<std::string>& ignored_;
  json::array messages_;
  std::vector<std::string> found_tools_;
  std::deque<json::object> told_;
};

// History is an answer that is handed back: what is empty and unknown in it was put there by a client's data classes.
bool is_filler(const json::key_value_pair& field, const ApiObject& table) {
  const json::value& value = field.value();
  const bool empty = (value.is_string() && value.get_string().empty()) ||
                     (value.is_array() && value.get_array().empty()) ||
                     (value.is_object() && value.get_object().empty());
  const auto is_it = [&](const ApiField& known) { return known.name == std::string_view(field.key()); };
  return empty && std::none_of(table.fields.begin(), table.fields.end(), is_it);
}

// The object without its fillers.
const json::object& HistoryReader::told(const json::object& object, const ApiObject& table) {
  const auto filler = [&](const json::key_value_pair& field) { return is_filler(field, table); };
  if (std::none_of(object.begin(), object.end(), filler)) return object;
  json::object& out = told_.emplace_back();
  for (const json::key_value_pair& field : object) {
    if (!filler(field)) out.emplace(field.key(), field.value());
  }
  return out;
}

const json::object& block_object(const json::value& block, const std::string& where) {
  if (!block.is_object()) {
    refuse(where, fmt::format("must be a block, {{\"type\": …}}, got {}", shown_json(block)));
  }
  return block.get_object();
}

std::string type_of(const json::object& block, const std::string& where) {
  const json::value* type = block.if_contains("type");
  if (type == nullptr || !is_text(*type)) refuse(where + ".type", "must be a string, the kind of block");
  return std::string(type->get_string());
}

// "messages.0.content" of "messages.0", and "messages.0.content.1".
std::string content_path(const std::string& where) { return where + ".content"; }
std::string item_path(const std::string& where, std::size_t i) { return fmt::format("{}.{}", where, i); }

const json::array* blocks_of(const json::value& content, const std::string& where) {
  if (is_text(content)) return nullptr;
  if (const json::array* blocks = content.if_array()) return blocks;
  refuse(where, fmt::format("must be a string or a list of blocks, got {}", shown_json(content)));
}

void HistoryReader::wrong_block(const std::string& where, std::string_view type, std::string_view role) {
  for (const std::string_view known : {"text", "thinking", "redacted_thinking", "tool_use", "tool_result"}) {
    if (type == known) refuse(where, fmt::format("a block of type '{}' cannot be in {}", type, role));
  }
  refuse(where,
         fmt::format("a block of type {} is not supported: this model reads text only", shown_json(json::value(type))));
}

std::string HistoryReader::text_of(const json::value& block, const std::string& where) {
  return fields(block_object(block, where), kAnthropicTextBlock, where).string_or("text", "");
}

// Of a content that is text alone.
std::string HistoryReader::texts_of(const json::value* content, const std::string& where, bool drop_billing) {
  if (content == nullptr) return {};
  const json::array* blocks = blocks_of(*content, where);
  if (blocks == nullptr) {
    std::string text(content->get_string());
    return drop_billing ? without_billing_line(std::move(text)) : text;
  }
  std::string all;
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    const std::string place = item_path(where, i);
    const std::string type = type_of(block_object((*blocks)[i], place), place);
    if (type != "text") wrong_block(place, type, "a content that is text alone");
    const std::string text = text_of((*blocks)[i], place);
    if (!drop_billing || !is_billing(text)) all += text;
  }
  return all;
}

void HistoryReader::add_system(const json::value& content, const std::string& where) {
  const std::string text = texts_of(&content, where, true);
  if (!text.empty()) messages_.push_back(json::object{{"role", "system"}, {"content", text}});
}

// A text, or what a search for tools has found.
std::string HistoryReader::result_text(const json::value* content, const std::string& where) {
  const json::array* blocks = content == nullptr ? nullptr : blocks_of(*content, where);
  if (blocks == nullptr) return texts_of(content, where);
  std::string all;
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    const std::string place = item_path(where, i);
    const json::object& block = block_object((*blocks)[i], place);
    const std::string type = type_of(block, place);
    if (type == "text") {
      all += text_of((*blocks)[i], place);
    } else if (type == "tool_reference") {
      found_tools_.push_back(fields(block, kAnthropicToolReference, place).string_or("tool_name", ""));
      all += fmt::format("{}The tool {} is there now.", all.empty() ? "" : "\n", found_tools_.back());
    } else {
      wrong_block(place, type, "the result of a tool");
    }
  }
  return all;
}

void HistoryReader::add_result(const json::object& block, const std::string& where) {
  const FieldReader result = fields(block, kAnthropicToolResultBlock, where);
  std::string text = result_text(result.find("content"), content_path(where));
  if (result.boolean_or("is_error", false)) text.insert(0, "Error: ");
  messages_.push_back(json::object{
      {"role", "tool"}, {"content", std::move(text)}, {"tool_call_id", result.string_or("tool_use_id", "")}});
}

void HistoryReader::add_user(const json::value* content, const std::string& where) {
  const std::size_t before = messages_.size();
  std::string text;
  const auto end_of_text = [&](bool even_empty) {
    if (text.empty() && !even_empty) return;
    messages_.push_back(json::object{{"role", "user"}, {"content", std::exchange(text, {})}});
  };
  const json::array* blocks = content == nullptr ? nullptr : blocks_of(*content, where);
  if (blocks == nullptr) {
    if (content != nullptr) text = std::string(content->get_string());
  } else {
    for (std::size_t i = 0; i < blocks->size(); ++i) {
      const std::string place = item_path(where, i);
      const json::object& block = block_object((*blocks)[i], place);
      const std::string type = type_of(block, place);
      if (type == "text") {
        text += text_of(block, place);
      } else if (type == "tool_result") {
        end_of_text(false);
        add_result(block, place);
      } else {
        wrong_block(place, type, "a message of the user");
      }
    }
  }
  end_of_text(messages_.size() == before);
}

void HistoryReader::add_assistant_block(const json::value& value, const std::string& where, Said& said) {
  const json::object& block = block_object(value, where);
  const std::string type = type_of(block, where);
  if (type == "text") {
    said.text += text_of(block, where);
  } else if (type == "thinking") {
    said.thinking += fields(block, kAnthropicThinkingBlock, where).string_or("thinking", "");
  } else if (type == "redacted_thinking") {
    fields(block, kAnthropicRedactedBlock, where);
  } else if (type == "tool_use") {
    const FieldReader call = fields(block, kAnthropicToolUseBlock, where);
    json::object function{{"name", call.string_or("name", "")}, {"arguments", call.object_or_empty("input")}};
    said.calls.push_back(
        json::object{{"id", call.string_or("id", "")}, {"type", "function"}, {"function", std::move(function)}});
  } else {
    wrong_block(where, type, "a message of the assistant");
  }
}

void HistoryReader::add_assistant(const json::value* content, const std::string& where) {
  Said said;
  const json::array* blocks = content == nullptr ? nullptr : blocks_of(*content, where);
  if (blocks == nullptr) {
    if (content != nullptr) said.text = std::string(content->get_string());
  } else {
    for (std::size_t i = 0; i < blocks->size(); ++i) add_assistant_block((*blocks)[i], item_path(where, i), said);
  }
  json::object message{{"role", "assistant"}, {"content", said.text}};
  if (!said.thinking.empty()) message["reasoning_content"] = std::move(said.thinking);
  if (!said.calls.empty()) message["tool_calls"] = std::move(said.calls);
  messages_.push_back(std::move(message));
}

void HistoryReader::add_message(const json::value& value, const std::string& where) {
  if (!value.is_object()) refuse(where, fmt::format("must be an object, got {}", shown_json(value)));
  const FieldReader message = fields(value.get_object(), kAnthropicMessage, where);
  const std::string role = message.string_or("role", "");
  const json::value* content = message.find("content");
  if (role == "user") {
    add_user(content, content_path(where));
  } else if (role == "assistant") {
    add_assistant(content, content_path(where));
  } else if (role == "system") {
    if (content != nullptr) add_system(*content, content_path(where));
  } else {
    message.wrong("role", "'user', 'assistant' or 'system'");
  }
}

// The beginning of an answer is text: a call or a thought that is cut nobody can go on with.
bool begins_answer(const json::object& last, const std::string& where) {
  if (last.at("role").get_string() != "assistant") return false;
  const std::string_view text(last.at("content").get_string());
  if (!trimmed(text).empty() && !last.contains("tool_calls")) return true;
  refuse(where, "an assistant message at the end is the beginning of the answer: it must be {}", "text, without calls");
}

bool is_user(const json::value& message) { return message.at("role").get_string() == "user"; }

}  // namespace

AnthropicHistory read_anthropic_history(const json::value* system, const json::array& messages, UnknownFields unknown,
                                        std::vector<std::string>& ignored) {
  HistoryReader reader(unknown, ignored);
  if (system != nullptr) reader.add_system(*system, "system");
  for (std::size_t i = 0; i < messages.size(); ++i) reader.add_message(messages[i], item_path("messages", i));
  AnthropicHistory history;
  history.messages = normalized_messages(reader.take());
  history.found_tools = reader.take_found_tools();
  if (!messages.empty() && !history.messages.empty()) {
    history.continues_answer =
        begins_answer(history.messages.back().get_object(), item_path("messages", messages.size() - 1));
  }
  return history;
}

void keep_thinking_turns(json::array& messages, std::size_t turns) {
  std::size_t kept = 0;
  bool counted = false;  // the turn that we are in
  for (std::size_t i = messages.size(); i-- > 0;) {
    json::object& message = messages[i].get_object();
    if (is_user(messages[i])) counted = false;
    if (!message.contains("reasoning_content")) continue;
    if (!std::exchange(counted, true)) ++kept;
    if (kept > turns) message.erase("reasoning_content");
  }
}

}  // namespace glimt
