// Which fields an object of a request may have: one table a kind of object. Requests are checked by it, and
// /openapi.json and docs/API.md are made from it, so that they cannot tell different stories.
#pragma once

#include "base/json.h"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ApiField {
  enum class Use : std::uint8_t {
    honoured,  // does what the dialect says
    carried,   // clients send it along; accepted in its type, and without effect here
    refused,   // a value other than null is an error: it asks for what glimt does not do
  };

  std::string_view name;
  Use use;
  std::string_view schema;  // a JSON schema of the value, as JSON text, "type" first if it has one; "{}" for anything
  std::string_view about;   // one line for a reader; of a refused field: what the error says, "is not supported"
  bool required = false;
};

struct ApiObject {
  std::string_view name;  // in /openapi.json: "ChatCompletionRequest"
  std::span<const ApiField> fields;
};

// What happens to fields that no table has.
enum class UnknownFields : std::uint8_t {
  refuse,  // OpenAI's and Anthropic's services do
  ignore,  // Ollama does; `serve --ignore-unknown-fields`
};

// Reads one object by its table. Null counts as absent. A getter throws ApiError (400) that names the field, what was
// wanted and what came. The object and the table must outlive it.
class FieldReader {
 public:
  // Throws at once for fields that the table refuses, that it does not have (code "unknown_parameter"; the message names
  // them all, and the flag that accepts them), for required ones that are missing, and for a value whose type differs
  // from the schema's "type". Names of ignored fields are added to `ignored`, as paths. `where` is the path of the
  // object, empty for the body itself: "tools[2]".
  FieldReader(const json::object& object, const ApiObject& table, std::string where, UnknownFields unknown,
              std::vector<std::string>& ignored);

  const json::value* find(std::string_view name) const;  // null pointer if absent or null
  bool has(std::string_view name) const { return find(name) != nullptr; }

  std::string string_or(std::string_view name, std::string fallback) const;
  bool boolean_or(std::string_view name, bool fallback) const;
  std::int64_t integer_or(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const;
  double number_or(std::string_view name, double fallback, double min, double max) const;
  std::string one_of(std::string_view name, std::string fallback, std::initializer_list<std::string_view> words) const;
  const json::array& array_or_empty(std::string_view name) const;
  const json::object& object_or_empty(std::string_view name) const;

  const json::object& all() const { return object_; }
  json::object known() const;  // a copy without the fields that are null or not in the table

  std::string path(std::string_view name) const;                                  // "tools[2].function"
  [[noreturn]] void wrong(std::string_view name, std::string_view wanted) const;  // 400; says what came

 private:
  const ApiField* field(std::string_view name) const;

  const json::object& object_;
  const ApiObject& table_;
  std::string where_;
};

// The start of a value as JSON, for a message: at most some 60 bytes.
std::string shown_json(const json::value& value);

// Throws ApiError, 400: "path: wanted". `code` is OpenAI's word, if it has one.
[[noreturn]] void refuse(std::string path, std::string_view what, std::string_view code = {});

}  // namespace glimt
