// Reads the raw text of one answer as it streams and separates thinking, content and tool calls.
//
// The format (chat template of GLM-4.7): the prompt has already opened or closed the thinking, so the text starts
// inside or outside of it; `</think>` ends it; a call is
//   <tool_call>NAME<arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>
// with any number of arguments, white space allowed between these tags, and any number of calls. A call inside the
// thinking ends the thinking. What the tags do not say:
//
//  White space  around the `</think>` that ends the thinking and right before a call is dropped; everything else is
//  kept
//               to the byte. White space is " \t\n\v\f\r"; a run longer than 64 KiB is kept.
//  Values       end at the first `</arg_value>` and are typed by the tool's schema, see ToolSchemas::argument. A key
//  that
//               comes twice has its last value. `<arg_value>` right after a key ends the key too.
//  Names        are trimmed; any name is a call, also one that is not among the tools.
//  End          of the output inside a call: a call if its name and all required arguments are there. A name counts
//  when
//               `<arg_key>` followed, or when it is the name of a given tool; an argument counts when `</arg_value>`
//               came (half a value must not be acted on), and one that was not finished is left out. Else the call is
//               text.
//  Broken calls a nested `<tool_call>`, other text or a wrong tag where an argument or `</tool_call>` should be: the
//  call
//               ends there by the same rule, and reading goes on; between a key and its value, the call becomes text.
//               So does a call without a name, with a name of more than 1 KiB, or larger than `max_call_bytes`.
//               Text means: in the thinking, which then was not ended, or in the content, just as it was written.
//  Stray tags   are text: `</think>` outside of thinking, a lone `</tool_call>`, `<arg_key>` and the like, `<think>`.
//               Two exceptions. A `<think>` before anything else opens the thinking, or repeats what the prompt opened,
//               and is dropped. When a call ended the thinking, the first `</think>` after it is dropped like one that
//               ends it.
//
// The events do not depend on how the text is cut: two ways to cut it give the same events once neighbouring deltas of
// a kind are joined. Memory is bounded by max_call_bytes. Never throws (except std::bad_alloc), whatever the text
// holds; bytes that are not UTF-8 pass through. Not thread-safe; one for each answer.
#pragma once

#include "base/json.h"
#include "chat/tool_schemas.h"
#include "chat/types.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

class OutputParser {
 public:
  static constexpr std::size_t kMaxCallBytes = std::size_t{4} << 20;  // a full context of text is smaller

  OutputParser(ToolSchemas tools, bool starts_thinking, std::size_t max_call_bytes = kMaxCallBytes);

  // The events that `text` completes. At most a few bytes that may become a tag, white space that may have to be
  // dropped and an unfinished call are held back.
  std::vector<OutputEvent> feed(std::string_view text);

  // The end of the output: what was held back. Nothing may be fed after it.
  std::vector<OutputEvent> finish();

 private:
  enum class State { thinking, after_thinking, content, name, key, before_value, value, after_value };
  enum class Tag { think, think_end, call, call_end, key, key_end, value, value_end };
  static constexpr std::string_view kTags[] = {"<think>",   "</think>",   "<tool_call>", "</tool_call>",
                                               "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};

  void read(char c);     // splits the text into tags and other bytes
  void on_byte(char c);  // not part of a tag
  void on_tag(Tag tag);
  void on_tag_in_call(Tag tag);
  void limit_call();
  void on_plain(std::string_view text);  // text of the thinking or the content
  void flush_space();

  void start_call();
  void end_name();
  void end_argument();
  void end_call();         // at </tool_call>, or where a broken call counts as one
  void cancel_call();      // the call becomes text
  bool is_whole() const;   // name and required arguments are there
  void end_broken_call();  // end_call or cancel_call
  bool in_call() const { return state_ >= State::name; }

  void emit_text(std::string_view text);  // a delta of the current state

  ToolSchemas tools_;
  std::size_t max_call_bytes_;
  State state_;
  bool nothing_yet_ = true;  // only white space so far
  bool call_ended_thinking_ = false;
  std::string tag_;    // the start of what may be a tag
  std::string space_;  // white space that may come before </think> or a call

  State outside_ = State::content;  // where the call began: thinking or content
  std::string raw_;                 // the call as it was written, with the white space before it
  bool named_ = false;              // ToolCallStart was emitted
  std::string key_;
  std::string value_;
  ToolCall call_;
  std::size_t calls_ = 0;  // finished ones

  std::vector<OutputEvent> events_;
};

}  // namespace glimt
