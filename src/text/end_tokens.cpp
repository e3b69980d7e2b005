#include "text/end_tokens.h"

#include <algorithm>

namespace glimt {

std::vector<TokenId> end_tokens(const Tokenizer& tokenizer, std::vector<TokenId> configured, int vocab_size) {
  for (const char* name : {"<|user|>", "<|observation|>", "<|endoftext|>"}) {
    const std::optional<TokenId> id = tokenizer.token_id(name);
    if (!id || !tokenizer.is_control(*id) || *id >= vocab_size) continue;
    if (std::find(configured.begin(), configured.end(), *id) == configured.end()) configured.push_back(*id);
  }
  return configured;
}

}  // namespace glimt
