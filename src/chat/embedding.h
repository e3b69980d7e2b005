// Texts as vectors. GLM is no embedding model: nobody has trained it to put texts of one meaning together, so its
// vectors tell related texts from unrelated ones less well than those of models that are made for it. What it has is
// the mean of its hidden states, in which every token counts the same; the last one's state is about the next token.
#pragma once

#include "chat/prepare.h"
#include "engine/request.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace glimt {

// The tokens of a text, which stays literal: no template is around it. With `truncate` at most `most`, its beginning; else
// all of them, and a text of so many bytes that `most` tokens cannot hold it is refused unread. Throws invalid_request.
std::vector<TokenId> embedding_prompt(const ChatResources& resources, std::string_view text, bool truncate,
                                      std::size_t most);

// For Engine::submit; the vector is GenerationResult::embedding. Throws invalid_request for a text
// without tokens, and for one of more than `context` tokens (0: the model's), unless `truncate` cuts its end.
GenerationRequest embedding_request(const ChatResources& resources, std::string_view text, bool truncate = false,
                                    std::size_t context = 0);

// The first `dimensions` numbers, of length 1 again. Throws invalid_request if there are fewer, or if they are all 0.
std::vector<float> shortened(std::vector<float> vector, std::size_t dimensions);

}  // namespace glimt
