// Judges answers of `glimt eval` against what a question expects. Pure: no model.
#pragma once

#include "chat/tool_schemas.h"
#include "chat/types.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// One line of a questions file: {"task", "messages", "tools"?, "enable_thinking"?, "expect"}, where "expect" is one of
//   {"content": "…"}                                  the content is this, white space at its ends aside
//   {"contains": ["…", …]}                            the content has all of these in it
//   {"tool_calls": [{"name": …, "arguments": {…}}]}   exactly these calls, in this order
// The first two also want that nothing is called.
struct Question {
  std::string task;
  json::array messages;
  json::array tools;
  bool thinking = true;
  std::optional<std::string> content;
  std::vector<std::string> contains;
  std::optional<std::vector<ToolCall>> calls;
};

// Throws invalid_request: "where: field 'expect' …".
Question read_question(const json::value& line, const std::string& where);

// All lines of a file, at most `limit` of them (0: all). Throws not_found, bad_file for an empty file, and what
// read_question throws with FILE:LINE.
std::vector<Question> read_questions(const std::filesystem::path& file, std::size_t limit);

bool is_right(const Question& question, const ParsedOutput& output);

// The answer calls tools, each of them exists, has all required arguments and no undeclared one, with values of the
// declared types, and no tag of a broken call was left in the text.
bool is_well_formed(const ParsedOutput& output, const ToolSchemas& tools);

}  // namespace glimt
