// Reads one tool call, from its <tool_call> on. The rules are in output_parser.h, which is the only user.
#pragma once

#include "chat/call_json.h"
#include "chat/tool_schemas.h"
#include "chat/types.h"
#include "text/glm_tags.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Which calls an answer may have, and how they are told.
struct CallRules {
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20;  // a full context of text is smaller

  ToolSchemas tools;
  std::vector<std::string> allowed = {};  // names of the tools that may be called; empty: all
  bool banned = false;                    // no call can come, and the markup of one is text
  bool parallel = true;                   // false: the answer ends behind its first call
  bool streamed = false;                  // ToolCallStart and ToolCallDelta come before the call is complete
  std::size_t max_bytes = kMaxBytes;      // a call that is larger is text; bounds what a reader holds
};

class CallReader {
 public:
  explicit CallReader(CallRules rules) : rules_(std::move(rules)) {}

  const CallRules& rules() const { return rules_; }

  void start();  // behind <tool_call>; forgets the call before

  // Takes the next byte or tag. False, and nothing was taken, where a call cannot go on so: it is broken.
  bool take(char c);
  bool take(GlmTag tag);

  bool complete() const { return complete_; }  // </tool_call> was taken
  bool named() const { return named_; }        // the name is certain
  const std::string& name() const { return call_.name; }

  // At another <tool_call>: this one lacks nothing but its end, so the model has only forgotten to write that.
  bool lacks_only_its_end() const;

  ToolCall take_call();                                  // REQUIRES: complete() or lacks_only_its_end()
  std::string take_raw();                                // what was written so far, tags included
  std::string take_json() { return arguments_.take(); }  // arguments since the last time, if rules().streamed

 private:
  enum class State { name, key, before_value, value, after_value };

  bool step(GlmTag tag);
  bool end_name();               // at the first <arg_key>
  bool end_without_arguments();  // at a </tool_call> behind the name
  void begin_key();
  void begin_value();
  void end_value();
  void end_arguments();
  bool may_be_called(std::string_view name) const;
  bool may_go_on(std::string_view long_name) const;

  CallRules rules_;
  State state_ = State::name;
  bool complete_ = false;
  bool named_ = false;
  bool long_name_ = false;  // more than a name: JSON, or a name and text behind it
  std::string raw_;
  std::string name_;  // what stands where the name should be
  std::string key_;
  std::string value_;
  bool value_is_text_ = false;  // by the schema, so it can be told while it is written
  ToolCall call_;
  CallJson arguments_;
};

}  // namespace glimt
