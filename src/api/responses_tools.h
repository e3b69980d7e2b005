// The tools of a request for a Response: functions, custom tools and namespaces of both, as the model sees them.
#pragma once

#include "api/fields.h"
#include "api/tool_choice.h"
#include "base/json.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glimt {

// A tool as the client calls it.
struct ResponsesTool {
  std::string name;
  std::string name_space = {};  // empty: it stands in none
  bool custom = false;          // its calls are custom_tool_call items: one text in place of arguments
};

// Tools of all kinds become functions. A custom tool has one argument, the string `input`. A tool keeps its name unless
// several namespaces have one of that name: then it is shown as "namespace__name". Hosted tools (web_search, …) are
// left out, since nobody here could run them. An immutable value.
class ResponsesTools {
 public:
  struct List {
    const json::array& tools;  // outlives the constructor's call
    std::string path;          // "tools"
    bool may_repeat = false;   // a tool that is there already gets another declaration
  };

  static constexpr std::string_view kInput = "input";

  ResponsesTools() = default;

  // Paths of fields without effect are added to `ignored`. Throws ApiError.
  ResponsesTools(const std::vector<List>& lists, UnknownFields unknown, std::vector<std::string>& ignored);

  const json::array& functions() const { return functions_; }  // in the form of chat/messages.h

  // As the model knows the tool; the name itself for an unknown tool, in any namespace if none is given.
  std::string shown_name(std::string_view name, std::string_view name_space) const;

  // What a call of the model means; one of an unknown tool is a function of that name.
  ResponsesTool called(std::string_view shown_name) const;

  // `value`: the request's tool_choice, or null. Throws ApiError.
  ToolChoice choice(const json::value* value, bool parallel, UnknownFields unknown,
                    std::vector<std::string>& ignored) const;

 private:
  struct Declared {
    ResponsesTool tool;
    json::object function;
    std::string path;
  };

  void name_all(std::vector<Declared> declared);
  void allow(const json::object& tool, const std::string& path, UnknownFields unknown,
             std::vector<std::string>& ignored, ToolChoice& choice) const;

  json::array functions_;
  std::map<std::string, ResponsesTool, std::less<>> by_shown_name_;
  std::map<std::pair<std::string, std::string>, std::string> shown_names_;  // by name space, or none, and name
};

}  // namespace glimt
