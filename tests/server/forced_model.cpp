#include "server/forced_model.h"

#include "base/json.h"
#include "server/scripted_model.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace glimt {
namespace {

// Lark for just these tokens: control tokens by number, the text between them as literals.
std::string lark_of(const std::vector<TokenId>& answer, const Tokenizer& tokenizer) {
  std::string source = "start:";
  std::vector<TokenId> text;
  const auto add_text = [&] {
    if (!text.empty()) source += fmt::format(" {}", dump_json(json::value(tokenizer.decode(text))));
    text.clear();
  };
  for (const TokenId token : answer) {
    if (!tokenizer.is_control(token)) {
      text.push_back(token);
      continue;
    }
    add_text();
    source += fmt::format(" <[{}]>", token);
  }
  add_text();
  return source + "\n";
}

}  // namespace

std::shared_ptr<Stream> ForcedModel::submit(GenerationRequest request) {
  const ChatResources resources = model_->resources();
  const std::string prompt = resources.tokenizer.decode(request.prompt);
  const std::vector<TokenId> answer = scripted_tokens(answer_(prompt), request.prompt);
  request.grammar = resources.grammars().lark(lark_of(answer, resources.tokenizer));
  request.thinking_budget = std::nullopt;
  return model_->submit(std::move(request));
}

}  // namespace glimt
