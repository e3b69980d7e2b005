// The items of a response's output while they grow, and the events that tell of it.
#pragma once

#include "api/answer_writer.h"
#include "api/responses_tools.h"
#include "base/json.h"
#include "text/utf8.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// One item is open at a time: reasoning, a message or a call. Text that is no UTF-8 is mended. Not thread-safe.
class ResponsesOutput {
 public:
  // `emit` gets each event, its type and the fields behind it, in order. `tools` outlives the output.
  using Emit = std::function<void(std::string_view type, json::object fields)>;
  using NewId = std::function<std::string(std::string_view prefix)>;

  ResponsesOutput(const ResponsesTools& tools, bool encrypted_thinking, NewId new_id, Emit emit);

  void add(const AnswerPart& part);

  // The end of the answer; `cut`: it is not complete, and neither is a message that is open.
  void finish(bool cut);

  bool has_cut_call() const { return has_cut_call_; }  // a call that was announced did not come to its end
  const json::array& items() const { return items_; }  // those that are closed

 private:
  enum class Kind { reasoning, message, call };
  struct Open {
    Kind kind;
    json::object item;              // as it was when it was opened
    std::string text = {};          // the summary, the text or the arguments, so far
    Utf8Assembler characters = {};  // of text that is to come
    json::array logprobs = {};
  };

  void add_text(Kind kind, std::string_view text, const std::vector<ContentToken>& tokens);
  void open_text(Kind kind);
  void grow(std::string_view piece, json::array logprobs);
  void start_call(const std::string& shown_name);
  void add_custom_call(const ResponsesTool& tool, const ToolCall& call);
  void close(std::string_view status);
  void close_reasoning();
  void close_message(std::string_view status);
  void close_call();
  void cut_call();

  void begin(Kind kind, json::object item);                              // opens it and tells so
  void end(json::object item);                                           // closes the open one and tells so
  void emit(std::string_view type, const json::object& fields);          // of the open item
  void emit_of_part(std::string_view type, const json::object& fields);  // of its only part

  const ResponsesTools& tools_;
  bool encrypted_thinking_;
  NewId new_id_;
  Emit emit_;

  json::array items_;
  std::optional<Open> open_;
  bool call_is_custom_ = false;  // the call that comes is told at its end
  bool has_cut_call_ = false;
};

}  // namespace glimt
