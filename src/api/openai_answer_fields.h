// The fields of answers in OpenAI's dialect, for /openapi.json.
#pragma once

#include "api/fields.h"

#include <span>

namespace glimt {

extern const ApiObject kChatCompletion;
extern const ApiObject kTextCompletion;
extern const ApiObject kEmbeddingList;

extern const ApiObject kChatChoice;
extern const ApiObject kChatAnswerMessage;
extern const ApiObject kTextChoice;
extern const ApiObject kEmbedding;
extern const ApiObject kOpenAiUsage;

}  // namespace glimt
