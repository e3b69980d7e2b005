// Reads one answer as it streams and separates thinking, content and tool calls.
//
// An answer is text and tags (text/glm_tags.h). A tag counts only where the model wrote that control token: text that
// spells one, in a page that the model quotes, say, is text. The prompt has already opened or closed the thinking, so
// the answer starts inside or outside of it. `</think>` ends it. A call is
//
//   <tool_call>NAME<arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>
//
// with any number of arguments, and white space allowed between these tags. There may be several calls, and text
// between them.
//
// Which calls count
//   - None if CallRules::banned: then all the markup is text.
//   - A call counts at its `</tool_call>`. One that the end of the answer cuts, wherever, is none, since half a call
//     must not be acted on: ToolCallCut says so and carries its text, which is content.
//   - Another `<tool_call>` ends a call as well, if that has the name of a declared tool and all required arguments.
//   - NAME is trimmed. It is the name of a declared tool, or at least looks like a name. CallRules::allowed narrows
//     that.
//   - K is taken as written, or trimmed if only so it is declared. `<arg_value>` right after a key ends the key, too.
//   - V is all text up to the tag `</arg_value>`, also other tags, typed by the tool's schema (ToolSchemas::argument).
//     A key that comes twice has its last value.
//   - What stands between `<tool_call>` and `</tool_call>` in the form of another model is read as loose_call.h says.
//   - A call that breaks (a tag or text where none may be, a name of more than 1 KiB, more than CallRules::max_bytes)
//     is text as it was written, and reading goes on behind it. If its name was certain (`<arg_key>` came), it is a
//     ToolCallCut, since it may have been announced.
//
// Where the thinking ends
//   - At `</think>`, and at a call inside of it: when the call's name is certain, at the latest when the call is
//     complete or cut. A `<tool_call>` in the thinking that breaks before that is text of the thinking.
//   - A `<think>` before anything else opens the thinking, or repeats what the prompt opened, and is dropped.
//   - A `</think>` that comes again, outside of the thinking, is dropped. Behind a call that ended the thinking it is
//     the end of the thinking, come late. The `</think>` of a `<think>` that is text is text as well.
//   - All other stray tags are text.
//
// White space, " \t\n\v\f\r", is dropped around the `</think>` that ends the thinking and right before a call (runs
// longer than 64 KiB are not). Everything else is kept to the byte.
//
// Stop strings act on the content: the answer ends before the first one, done() says so, and what follows is ignored.
// They act on the thinking only if asked to, never inside of a call, and none reaches from one stretch of text across a
// call, a cut call or the end of the thinking into another.
//
// Calls as events: by default a call is told when it is complete, all its events at once, since until then it can break
// or be cut. With CallRules::streamed its name is told as soon as that is certain, then the arguments while they are
// written: strings piece by piece, what the schema does not fix to be a string at its end. A call that then does not
// come to its end is told by a ToolCallCut with `announced`. The sum of the events is the same either way.
//
// The events do not depend on how the text is cut: two ways to cut it give the same events once neighbouring deltas of
// a kind are joined. Memory is bounded by CallRules::max_bytes. Never throws (except std::bad_alloc), whatever the text
// holds. Not thread-safe; one for each answer.
#pragma once

#include "chat/call_reader.h"
#include "chat/types.h"
#include "text/glm_tags.h"
#include "text/stop_strings.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct OutputRules {
  CallRules calls;
  bool starts_thinking = false;
  std::vector<std::string> stop = {};
  bool stop_in_thinking = false;
};

class OutputParser {
 public:
  explicit OutputParser(OutputRules rules);  // throws invalid_request for an empty stop string

  // The events that the text or the tag completes. At most text that may become a stop string, white space that may
  // have to be dropped, and a call are held back.
  std::vector<OutputEvent> feed(std::string_view text);
  std::vector<OutputEvent> feed(GlmTag tag);

  // The end of the answer: what was held back. Nothing may be fed after it.
  std::vector<OutputEvent> finish();

  // The answer is complete, though the model may go on: a stop string came, or the one call that may come.
  bool done() const { return stops_.stopped() || called_once_; }
  const std::string* stop_string() const { return stops_.stopped() ? &stops_.matched() : nullptr; }  // that ended it

  enum class Section { thinking, content, call };
  Section section() const;  // where the next text would belong

 private:
  enum class State { thinking, after_thinking, content, call };

  void on_text(std::string_view text);
  void on_tag(GlmTag tag);
  void on_think();
  void on_think_end();

  void plain(std::string_view text);    // text of the thinking or the content
  void release(std::string_view text);  // the same behind the stop strings
  void border();                        // no stop string reaches across
  void flush_space();
  void emit(std::string_view text);  // as a delta of the current state

  void start_call();
  void follow_call();  // tells what is certain of it
  void announce();
  void end_call();
  void break_call();  // it is text
  void cut_call();    // the same where that is told

  StopStrings stops_;
  bool stop_in_thinking_;
  State state_;
  bool nothing_yet_ = true;           // only white space so far
  bool call_ended_thinking_ = false;  // and no </think> came yet
  bool think_is_text_ = false;        // a <think> was text, so its end will be
  std::string space_;                 // white space that may come before </think> or a call

  CallReader call_;
  State outside_ = State::content;  // where the call began
  bool announced_ = false;
  std::size_t calls_ = 0;  // told so far
  bool called_once_ = false;

  std::vector<OutputEvent> events_;
};

}  // namespace glimt
