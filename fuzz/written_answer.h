// What a model writes, made into what goes over the wire, for the fuzzers of the API's dialects.
#pragma once

#include "api/endpoint.h"
#include "chat/output_parser.h"

#include <cstdlib>
#include <string>
#include <string_view>

namespace glimt {

inline void require(bool ok) {
  if (!ok) std::abort();
}

inline AnswerHead fuzzed_head() {
  AnswerHead head;
  head.model = "m";
  head.new_id = [count = 0](std::string_view prefix) mutable { return std::string(prefix) + std::to_string(++count); };
  head.now = [] { return std::string("2026-11-26T01:02:03Z"); };
  return head;
}

// All that goes over the wire. A byte of the answer below 8 is a tag; it comes in pieces of `step` bytes.
inline std::string written_answer(const ParsedRequest& parsed, std::string_view answer, std::size_t step,
                                  bool stream_calls = false) {
  const ChatRequest& chat = parsed.request.chat;
  OutputRules rules;
  rules.calls.tools = ToolSchemas(chat.tools);
  rules.calls.banned = chat.tools.empty() || chat.tool_use.banned;
  rules.calls.allowed = chat.tool_use.allowed;
  rules.calls.parallel = chat.tool_use.parallel;
  rules.calls.streamed = stream_calls;
  rules.starts_thinking = chat.thinking;
  OutputParser reader(rules);
  const auto writer = parsed.make_writer(fuzzed_head());
  std::string wire = writer->start();
  const auto add = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) wire += writer->part(0, {event, {}});
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= answer.size(); ++i) {
    const bool tag = i < answer.size() && static_cast<unsigned char>(answer[i]) < 8;
    if (i < answer.size() && !tag && i - begin < step) continue;
    add(reader.feed(answer.substr(begin, i - begin)));
    if (tag) add(reader.feed(static_cast<GlmTag>(answer[i])));
    begin = tag ? i + 1 : i;
  }
  add(reader.finish());
  wire += writer->end(0, {});
  return wire + writer->finish();
}

}  // namespace glimt
