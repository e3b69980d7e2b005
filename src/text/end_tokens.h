// The tokens at which an answer ends.
#pragma once

#include "text/tokenizer.h"

#include <vector>

namespace glimt {

// `configured` (eos_token_id of config.json and generation_config.json) and, whatever the configuration says, GLM's
// control tokens with which the next turn would begin or the text ends: <|user|>, <|observation|>, <|endoftext|>, as
// far as the tokenizer has them below `vocab_size`. Converters often keep one of the three, and the answer would run on
// into a conversation with itself.
std::vector<TokenId> end_tokens(const Tokenizer& tokenizer, std::vector<TokenId> configured, int vocab_size);

}  // namespace glimt
