#include "api/openai_answer.h"

#include "api/content_tokens.h"
#include "api/wire.h"

#include <algorithm>

namespace glimt {
namespace {

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

}  // namespace

json::object openai_response(const AnswerHead& head, const std::string& id, std::string_view kind) {
  return {{"id", id},
          {"object", kind},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.fingerprint}};
}

std::string openai_stream_error(const AnswerHead& head, const Problem& problem) {
  Problem told = problem;
  if (told.status == 500 && told.code.empty()) told.code = "engine_failed";
  return sse_data(problem_body(Dialect::openai, told, head.request_id));
}

std::string openai_usage_chunk(json::object response, json::object usage) {
  response["choices"] = json::array();
  response["usage"] = std::move(usage);
  return sse_data(response);
}

std::string Characters::next(std::string_view bytes) {
  std::string text;
  assembler_.push(bytes, text);
  return text;
}

std::string Characters::rest() {
  std::string text;
  assembler_.finish(text);
  return text;
}

std::string_view openai_finish_reason(const AnswerSummary& summary, std::size_t calls, bool cut_on_the_wire) {
  const AnswerEnd end = summary.end;
  const bool cut = end == AnswerEnd::length || end == AnswerEnd::repetition || end == AnswerEnd::cancelled;
  if (cut || cut_on_the_wire) return "length";
  return calls > 0 ? "tool_calls" : "stop";
}

void OpenAiUsage::add(std::size_t choice, const AnswerSummary& summary) {
  if (summaries_.size() <= choice) summaries_.resize(choice + 1);
  summaries_[choice] = summary;
}

json::object OpenAiUsage::to_json(std::size_t prompt_tokens, std::size_t choices_a_prompt) const {
  std::size_t generated = 0, thinking = 0, reused = 0;
  for (std::size_t begin = 0; begin < summaries_.size(); begin += choices_a_prompt) {
    // The first to run computes what the others then find in the cache.
    std::size_t least = summaries_[begin].reused_tokens;
    for (std::size_t i = begin; i < std::min(begin + choices_a_prompt, summaries_.size()); ++i) {
      generated += summaries_[i].generated_tokens;
      thinking += summaries_[i].thinking_tokens;
      least = std::min(least, summaries_[i].reused_tokens);
    }
    reused += least;
  }
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", generated},
          {"total_tokens", prompt_tokens + generated},
          {"prompt_tokens_details", {{"cached_tokens", reused}}},
          {"completion_tokens_details", {{"reasoning_tokens", thinking}}}};
}

json::array TokenLogprobs::chat(const std::vector<ContentToken>& tokens) {
  json::array items = content_tokens_json(tokens);
  for (std::size_t i = 0; i < tokens.size(); ++i) items[i].as_object()["token"] = characters_.next(tokens[i].bytes);
  return items;
}

json::object TokenLogprobs::completion(const std::vector<ContentToken>& tokens) {
  json::array texts, logprobs, tops, offsets;
  for (const ContentToken& token : tokens) {
    const std::string text = characters_.next(token.bytes);
    json::object top;
    for (const ContentToken::Alternative& other : token.top)
      top[valid_utf8(other.bytes)] = finite_logprob(other.logprob);
    offsets.push_back(offset_);
    offset_ += characters_in(text);
    texts.push_back(json::value(text));
    logprobs.emplace_back(finite_logprob(token.logprob));
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace glimt
