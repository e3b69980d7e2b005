// Conversations to prompts: the model's own Jinja template, rendered byte for byte as Hugging Face renders it.
//
// User text can never become a control token. A message may hold "<|user|>" or "</think>"; the prompt then has these
// bytes, but only the control tokens that the template itself wrote are listed in RenderedPrompt::controls, and
// Tokenizer::encode makes ordinary tokens of all the rest. literal_marks.h explains how they are told apart. Where that
// cannot be proven for a template, render() refuses the request instead of guessing. docs/TEXT.md has the limits.
#pragma once

#include "base/json.h"
#include "text/control_tokens.h"
#include "text/rendered_prompt.h"
#include "text/tokenizer.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct GtChatTemplate;

namespace glimt {

// Immutable: any number of threads may call render() at once. Movable, not copyable.
class ChatTemplate {
 public:
  // Takes chat_template.jinja of a model's folder, or else "chat_template" of its tokenizer_config.json: a string, or a
  // list of {"name", "template"}, of which "default" is needed. As in Hugging Face, a template named "tool_use" (of
  // that list, or additional_chat_templates/tool_use.jinja) renders the requests that have tools. The strings of
  // bos_token, eos_token and the like, which templates may print, come from tokenizer_config.json too. Throws not_found
  // if there is no template, bad_file if one is malformed (the message has the line). Keeps no reference to
  // `tokenizer`.
  ChatTemplate(const std::filesystem::path& model_folder, const Tokenizer& tokenizer);

  // The same from the text of a template; `where` opens the messages, `special_tokens` are the strings mentioned above.
  ChatTemplate(std::string_view source, std::string_view where, const Tokenizer& tokenizer,
               json::object special_tokens = {});

  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `request` has "messages" (an array), "tools" (an array or null), "add_generation_prompt" (default true) and
  // whatever else the template reads: "enable_thinking", "clear_thinking", …; everything in it counts as typed by a
  // user. As in Hugging Face, the reasoning of a message may be called reasoning_content, thinking or reasoning, and
  // arguments of tool calls are objects, not strings of JSON. Throws invalid_request: no messages, the template called
  // raise_exception (with its message), failed, did too much work (some four million steps) or made more than 64 MiB,
  // or user text cannot be told from the template's.
  RenderedPrompt render(const json::object& request) const;

 private:
  struct Free {
    void operator()(GtChatTemplate* handle) const;
  };

  using Handle = std::unique_ptr<GtChatTemplate, Free>;

  static Handle compiled(std::string_view source, std::string_view where);
  std::string render_text(const json::object& request) const;

  Handle default_;
  Handle tool_use_;  // null if there is none
  ControlMatcher controls_;
  json::object special_tokens_;
};

}  // namespace glimt
