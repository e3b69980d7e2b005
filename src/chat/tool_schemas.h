// What the tools' JSON schemas say about reading a call: the types of the arguments and which ones are required.
#pragma once

#include "base/json.h"
#include "grammar/schema_types.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ToolSchema {
  std::map<std::string, JsonTypes, std::less<>> parameters;
  std::vector<std::string> required;
  JsonTypes other_parameters = kAnyType;  // of arguments that the schema does not name

  // All required arguments are there, none is undeclared (unless the schema names none), and the types fit.
  bool admits(const json::object& arguments) const;
};

// An immutable value; empty when a conversation has no tools.
class ToolSchemas {
 public:
  ToolSchemas() = default;

  // `tools` in any form that grammar/tool_declaration.h understands, with its errors. Of the schemas it reads what
  // types_of does.
  explicit ToolSchemas(const json::array& tools);

  const ToolSchema* find(std::string_view name) const;  // null for an unknown tool

  bool empty() const { return tools_.empty(); }

  // The argument is text whatever it spells, so it is known before its end: exactly the type string.
  bool is_text(std::string_view tool, std::string_view parameter) const;

  // The argument as the model meant it. Exactly the type string: the raw text, untrimmed. A schema that admits strings
  // beside other types: JSON if it parses to one of those others, else the raw text. Any other schema: JSON if it
  // parses, else the raw text. No schema: JSON if it parses to something that is no string, else the raw text. Never
  // throws.
  json::value argument(std::string_view tool, std::string_view parameter, std::string_view raw) const;

 private:
  JsonTypes types(std::string_view tool, std::string_view parameter) const;

  std::map<std::string, ToolSchema, std::less<>> tools_;
};

}  // namespace glimt
