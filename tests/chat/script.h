// The demo model's tokenizer and template, and a script in place of the model.
#pragma once

#include "chat/chat_pipeline.h"
#include "chat/symbols.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// `text` with every tag spelled by ordinary tokens, as tests write it.
inline std::string spelled(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const std::string_view tag : kGlmTags) {
      if (text.substr(i).starts_with(tag)) result += '\\';
    }
    result += text[i];
  }
  return result;
}

// Writes a fixed text, token by token, as the model would. A tag in it is the control token; with a backslash in front
// of it, ordinary tokens that spell it.
class Script {
 public:
  explicit Script(std::string text) : tokens_(tokens(text)) {}
  explicit Script(std::vector<TokenId> tokens) : tokens_(std::move(tokens)) {}

  GenerationResult operator()(const GenerationRequest& request, const Engine::PrefillCallback& on_prefill,
                              const Engine::TokenCallback& on_token) {
    last = request;
    if (on_prefill && !on_prefill(0, request.prompt.size())) return {FinishReason::cancelled, {}};
    GenerationResult result;
    for (const TokenId token : tokens_) {
      ++result.stats.generated_tokens;
      if (!on_token({token, -0.5F, {}})) return {FinishReason::stop, result.stats};
      if (result.stats.generated_tokens == request.max_tokens) return {FinishReason::length, result.stats};
    }
    return {FinishReason::stop, result.stats};
  }

  static std::vector<TokenId> tokens(std::string_view text) {
    std::vector<TokenId> ids;
    const std::string answer = symbols(text);
    for (std::size_t begin = 0; begin < answer.size();) {
      std::size_t end = begin;
      while (end < answer.size() && !tag_of(answer[end])) ++end;
      for (const TokenId id : tokenizer().encode_plain(answer.substr(begin, end - begin))) ids.push_back(id);
      if (end < answer.size()) ids.push_back(*tokenizer().token_id(text_of(*tag_of(answer[end]))));
      begin = end + 1;
    }
    return ids;
  }

  static const std::filesystem::path& folder() {
    static const auto demo = std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo";
    return demo;
  }
  static const Tokenizer& tokenizer() {
    static const Tokenizer tokenizer(folder());
    return tokenizer;
  }
  static const ChatTemplate& chat_template() {
    static const ChatTemplate chat_template(folder(), tokenizer());
    return chat_template;
  }

  GenerationRequest last;

 private:
  std::vector<TokenId> tokens_;
};

}  // namespace glimt
