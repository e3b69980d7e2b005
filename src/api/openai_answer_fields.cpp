#include "api/openai_answer_fields.h"

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::string_view kString = R"({"type": "string"})";
constexpr std::string_view kCount = R"({"type": "integer", "minimum": 0})";
constexpr std::string_view kUsage = R"({"type": "object", "$ref": "#/components/schemas/OpenAiUsage"})";

// clang-format off
constexpr ApiField kId{"id", Use::honoured, kString, "the response's, the same in all chunks of a stream", true};
constexpr ApiField kCreated{"created", Use::honoured, kCount, "seconds since 1970", true};
constexpr ApiField kModel{"model", Use::honoured, kString, "as it was asked for", true};
constexpr ApiField kFingerprint{"system_fingerprint", Use::honoured, kString, "of weights and program: same seed, same text", true};
constexpr ApiField kIndex{"index", Use::honoured, kCount, "its place, from 0", true};

constexpr ApiField kChatCompletionFields[] = {
    kId,
    {"object", Use::honoured, R"({"type": "string", "const": "chat.completion"})", "", true},
    kCreated, kModel, kFingerprint,
    {"choices", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/ChatChoice"}})", "n of them", true},
    {"usage", Use::honoured, kUsage, "numbers of tokens", true},
};
constexpr ApiField kChatChoiceFields[] = {
    kIndex,
    {"message", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/ChatAnswerMessage"})", "the answer", true},
    {"logprobs", Use::honoured, R"({"type": ["object", "null"]})", "{\"content\": […], \"refusal\": null} where they were asked for"},
    {"finish_reason", Use::honoured, R"({"type": "string", "enum": ["stop", "length", "tool_calls"]})", "length also for an answer that only repeated itself", true},
};
constexpr ApiField kMessageFields[] = {
    {"role", Use::honoured, R"({"type": "string", "const": "assistant"})", "", true},
    {"content", Use::honoured, R"({"type": ["string", "null"]})", "null only beside calls"},
    {"refusal", Use::honoured, R"({"type": "null"})", "there is none"},
    {"reasoning_content", Use::honoured, kString, "the thinking, where there is some"},
    {"tool_calls", Use::honoured, R"({"type": "array", "minItems": 1, "items": {"type": "object", "required": ["id", "type", "function"]}})", "{\"id\", \"type\", \"function\": {\"name\", \"arguments\"}}, arguments as a text of JSON"},
};
constexpr ApiField kTextCompletionFields[] = {
    kId,
    {"object", Use::honoured, R"({"type": "string", "const": "text_completion"})", "", true},
    kCreated, kModel, kFingerprint,
    {"choices", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/CompletionChoice"}})", "n of each prompt, in the order of the prompts", true},
    {"usage", Use::honoured, kUsage, "numbers of tokens", true},
};
constexpr ApiField kTextChoiceFields[] = {
    kIndex,
    {"text", Use::honoured, kString, "without the prompt", true},
    {"logprobs", Use::honoured, R"({"type": ["object", "null"]})", "{\"tokens\", \"token_logprobs\", \"top_logprobs\", \"text_offset\"} where they were asked for"},
    {"finish_reason", Use::honoured, R"({"type": "string", "enum": ["stop", "length"]})", "", true},
};
constexpr ApiField kEmbeddingListFields[] = {
    {"object", Use::honoured, R"({"type": "string", "const": "list"})", "", true},
    {"data", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/Embedding"}})", "in the order of the inputs", true},
    kModel,
    {"usage", Use::honoured, R"({"type": "object", "required": ["prompt_tokens", "total_tokens"]})", "numbers of tokens", true},
};
constexpr ApiField kEmbeddingFields[] = {
    {"object", Use::honoured, R"({"type": "string", "const": "embedding"})", "", true},
    kIndex,
    {"embedding", Use::honoured, R"({"type": ["array", "string"]})", "numbers, or their little-endian float32 in base64", true},
};
constexpr ApiField kUsageFields[] = {
    {"prompt_tokens", Use::honoured, kCount, "each prompt once, those found in the cache included", true},
    {"completion_tokens", Use::honoured, kCount, "of all choices, thinking included", true},
    {"total_tokens", Use::honoured, kCount, "both", true},
    {"prompt_tokens_details", Use::honoured, R"({"type": "object", "required": ["cached_tokens"]})", "cached_tokens: of the prompt, found in the cache", true},
    {"completion_tokens_details", Use::honoured, R"({"type": "object", "required": ["reasoning_tokens"]})", "reasoning_tokens: of the answer, thinking", true},
};
// clang-format on

}  // namespace

constexpr ApiObject kChatCompletion{"ChatCompletion", kChatCompletionFields};
constexpr ApiObject kTextCompletion{"Completion", kTextCompletionFields};
constexpr ApiObject kEmbeddingList{"EmbeddingList", kEmbeddingListFields};
constexpr ApiObject kChatChoice{"ChatChoice", kChatChoiceFields};
constexpr ApiObject kChatAnswerMessage{"ChatAnswerMessage", kMessageFields};
constexpr ApiObject kTextChoice{"CompletionChoice", kTextChoiceFields};
constexpr ApiObject kEmbedding{"Embedding", kEmbeddingFields};
constexpr ApiObject kOpenAiUsage{"OpenAiUsage", kUsageFields};

}  // namespace glimt
