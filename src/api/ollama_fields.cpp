#include "api/ollama_fields.h"

#include "api/history.h"
#include "api/wire.h"

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::string_view kAny = "{}";
constexpr std::string_view kString = R"({"type": "string"})";
constexpr std::string_view kBoolean = R"({"type": "boolean"})";
constexpr std::string_view kInteger = R"({"type": "integer"})";
constexpr std::string_view kCount = R"({"type": "integer", "minimum": 0})";
constexpr std::string_view kNumber = R"({"type": "number"})";
constexpr std::string_view kTools = R"({"type": "array", "items": {"$ref": "#/components/schemas/ChatTool"}})";
constexpr std::string_view kForLoading = "a hint for loading, which needs none here";

// clang-format off
constexpr ApiField kModel{"model", Use::honoured, kString, "name of a model; without it the default one answers"};
constexpr ApiField kStream{"stream", Use::honoured, kBoolean, "lines while the answer is made; true without it"};
constexpr ApiField kFormat{"format", Use::honoured, R"({"type": ["string", "object"]})", "'json' or a JSON schema; empty: none"};
constexpr ApiField kOptions{"options", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/OllamaOptions"})", "sampling and lengths"};
constexpr ApiField kThink{"think", Use::honoured, R"({"type": ["boolean", "string"], "enum": [true, false, "low", "medium", "high", "max"]})", "whether and how much to think; true without it"};
constexpr ApiField kKeepAlive{"keep_alive", Use::honoured, R"({"type": ["number", "string"]})", "how long the model stays: seconds or '5m'; negative: for ever; 0: it goes at once"};
constexpr ApiField kLogprobs{"logprobs", Use::honoured, kBoolean, "the content's tokens with their probabilities"};
constexpr ApiField kTopLogprobs{"top_logprobs", Use::honoured, R"({"type": "integer", "minimum": 0, "maximum": 20})", "and so many alternatives to each"};
constexpr ApiField kTruncate{"truncate", Use::honoured, kBoolean, "true: the oldest messages go where the prompt is too long; else that is an error"};
constexpr ApiField kShift{"shift", Use::honoured, R"({"type": "boolean", "enum": [false]})", "an answer ends where the context does"};
constexpr ApiField kImages{"images", Use::honoured, R"({"type": "array", "maxItems": 0})", "this model reads text only"};

constexpr ApiField kChatFields[] = {
    kModel,
    {"messages", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/ChatMessage"}})", "the conversation; empty: the model is loaded, or unloaded where keep_alive is 0"},
    {"tools", Use::honoured, kTools, "what the model may call"},
    kStream, kFormat, kOptions, kThink, kKeepAlive, kLogprobs, kTopLogprobs, kTruncate, kShift,
};
constexpr ApiField kGenerateFields[] = {
    kModel,
    {"prompt", Use::honoured, kString, "what the user says; empty: the model is loaded, or unloaded where keep_alive is 0"},
    {"system", Use::honoured, kString, "a system message in front"},
    {"raw", Use::honoured, kBoolean, "the prompt is all that the model reads, without its template; texts of control tokens are control tokens"},
    {"suffix", Use::honoured, R"({"type": "string", "maxLength": 0})", "filling in is not supported"},
    {"template", Use::honoured, R"({"type": "string", "maxLength": 0})", "the model's own is used"},
    {"context", Use::honoured, R"({"type": "array", "maxItems": 0})", "a conversation goes to /api/chat"},
    kImages, kStream, kFormat, kOptions, kThink, kKeepAlive, kLogprobs, kTopLogprobs, kTruncate, kShift,
};
constexpr ApiField kOptionFields[] = {
    {"num_ctx", Use::honoured, kCount, "most tokens of prompt and answer; lowered to the server's"},
    {"num_predict", Use::honoured, R"({"type": "integer", "minimum": -2})", "most tokens of the answer; -1 and -2: as many as the context holds"},
    {"seed", Use::honoured, kInteger, "the same seed gives the same text; -1: a random one"},
    {"temperature", Use::honoured, kNumber, "0 takes the likeliest token"},
    {"top_k", Use::honoured, R"({"type": "integer", "minimum": -1})", "only so many likeliest tokens; 0 and -1: all"},
    {"top_p", Use::honoured, kNumber, "only the likeliest tokens that sum to it"},
    {"min_p", Use::honoured, kNumber, "only tokens at least so many times as likely as the best"},
    {"typical_p", Use::honoured, kNumber, "locally typical sampling; 1: off"},
    {"repeat_penalty", Use::honoured, kNumber, "above 1: tokens of prompt and answer become less likely"},
    {"repeat_last_n", Use::honoured, kInteger, "tokens that penalties look back on; -1: all"},
    {"presence_penalty", Use::honoured, kNumber, "once for each token that was generated"},
    {"frequency_penalty", Use::honoured, kNumber, "for each time it was generated"},
    {"stop", Use::honoured, R"({"type": ["string", "array"], "items": {"type": "string", "minLength": 1}})", "the visible text ends before the first of these"},
    {"mirostat", Use::honoured, R"({"type": "number", "enum": [0]})", "0 alone: there is no such sampler"},
    {"tfs_z", Use::honoured, R"({"type": "number", "enum": [1]})", "1 alone: there is no such sampler"},
    {"mirostat_tau", Use::carried, kAny, "of a sampler that there is not"},
    {"mirostat_eta", Use::carried, kAny, "of a sampler that there is not"},
    {"num_gpu", Use::carried, kAny, kForLoading},
    {"main_gpu", Use::carried, kAny, kForLoading},
    {"num_thread", Use::carried, kAny, kForLoading},
    {"num_batch", Use::carried, kAny, kForLoading},
    {"num_keep", Use::carried, kAny, kForLoading},
    {"use_mmap", Use::carried, kAny, kForLoading},
    {"use_mlock", Use::carried, kAny, kForLoading},
    {"numa", Use::carried, kAny, kForLoading},
    {"low_vram", Use::carried, kAny, kForLoading},
    {"f16_kv", Use::carried, kAny, kForLoading},
    {"vocab_only", Use::carried, kAny, kForLoading},
    {"logits_all", Use::carried, kAny, kForLoading},
    {"embedding_only", Use::carried, kAny, kForLoading},
    {"draft_num_predict", Use::carried, kAny, kForLoading},
    {"penalize_newline", Use::carried, kAny, "line breaks are penalized as other tokens are"},
};

// ---- models ----

constexpr ApiField kOldName{"name", Use::honoured, kString, "the old word for model"};
constexpr ApiField kShowFields[] = {
    kModel, kOldName,
    {"verbose", Use::carried, kAny, "all is shown"},
    {"system", Use::carried, kAny, "of old clients"},
    {"template", Use::carried, kAny, "of old clients"},
    {"options", Use::carried, kAny, "of old clients"},
};
constexpr ApiField kPullFields[] = {
    kModel, kOldName, kStream,
    {"insecure", Use::carried, kAny, "connections are always checked"},
    {"username", Use::carried, kAny, "of old clients"},
    {"password", Use::carried, kAny, "of old clients"},
};
constexpr ApiField kDeleteFields[] = {kModel, kOldName};
constexpr ApiField kCopyFields[] = {
    {"source", Use::honoured, kString, "name of a model", true},
    {"destination", Use::honoured, kString, "its other name", true},
};
constexpr ApiField kEmbedFields[] = {
    kModel,
    {"input", Use::honoured, R"({"type": ["string", "array"], "items": {"type": "string"}})", "a text or a list of them", true},
    {"truncate", Use::honoured, kBoolean, "false: a text that is too long is an error; else its end is left out"},
    {"dimensions", Use::honoured, R"({"type": "integer", "minimum": 1})", "only so many numbers of each vector"},
    kOptions, kKeepAlive,
};
constexpr ApiField kOldEmbedFields[] = {
    kModel,
    {"prompt", Use::honoured, kString, "a text"},
    kOptions, kKeepAlive,
};

// ---- answers ----

constexpr ApiField kCreatedAt{"created_at", Use::honoured, R"({"type": "string", "format": "date-time"})", "when the line was written", true};
constexpr ApiField kDone{"done", Use::honoured, kBoolean, "true: this is the last line", true};
constexpr ApiField kDoneReason{"done_reason", Use::honoured, R"({"type": "string", "enum": ["stop", "length", "load", "unload"]})", "what ended the answer"};
constexpr ApiField kTokens{"logprobs", Use::honoured, R"({"type": "array", "items": {"type": "object"}})", "where they were asked for"};
constexpr ApiField kTotal{"total_duration", Use::honoured, kCount, "nanoseconds since the request came"};
constexpr ApiField kLoad{"load_duration", Use::honoured, kCount, "nanoseconds that it waited for its model"};
constexpr ApiField kPromptCount{"prompt_eval_count", Use::honoured, kCount, "tokens of the prompt"};
constexpr ApiField kPromptTime{"prompt_eval_duration", Use::honoured, kCount, "nanoseconds to the first token"};
constexpr ApiField kEvalCount{"eval_count", Use::honoured, kCount, "tokens of the answer, its thinking included"};
constexpr ApiField kEvalTime{"eval_duration", Use::honoured, kCount, "nanoseconds from then on"};
constexpr ApiField kAnsweringModel{"model", Use::honoured, kString, "as it was asked for", true};

constexpr ApiField kChatAnswerFields[] = {
    kAnsweringModel, kCreatedAt,
    {"message", Use::honoured, R"({"type": "object", "required": ["role", "content"]})", "role, content, and where there are any thinking and tool_calls", true},
    kDone, kDoneReason, kTokens, kTotal, kLoad, kPromptCount, kPromptTime, kEvalCount, kEvalTime,
};
constexpr ApiField kGenerateAnswerFields[] = {
    kAnsweringModel, kCreatedAt,
    {"response", Use::honoured, kString, "the text", true},
    {"thinking", Use::honoured, kString, "where there is any"},
    kDone, kDoneReason, kTokens, kTotal, kLoad, kPromptCount, kPromptTime, kEvalCount, kEvalTime,
};
constexpr ApiField kModelsAnswerFields[] = {
    {"models", Use::honoured, R"({"type": "array", "items": {"type": "object", "required": ["name", "model", "size", "digest", "details"]}})", "name, size, digest, details", true},
};
constexpr ApiField kShowAnswerFields[] = {
    {"details", Use::honoured, R"({"type": "object"})", "format, family, size, quantization", true},
    {"model_info", Use::honoured, R"({"type": "object"})", "architecture, context, sizes", true},
    {"capabilities", Use::honoured, R"({"type": "array", "items": {"type": "string"}})", "what the model does", true},
    {"template", Use::honoured, kString, "of chats", true},
    {"parameters", Use::honoured, kString, "lines: stop \"…\"", true},
    {"modelfile", Use::honoured, kString, "in Ollama's form", true},
    {"license", Use::honoured, kString, "its text", true},
    {"modified_at", Use::honoured, kString, "when its files changed", true},
};
constexpr ApiField kVersionFields[] = {
    {"version", Use::honoured, kString, "of Ollama, whose dialect this is", true},
};
constexpr ApiField kPullAnswerFields[] = {
    {"status", Use::honoured, kString, "what is being done, at last 'success'", true},
    {"digest", Use::honoured, kString, "of a file"},
    {"total", Use::honoured, kCount, "bytes"},
    {"completed", Use::honoured, kCount, "of them, here by now"},
};
constexpr ApiField kEmbedAnswerFields[] = {
    kAnsweringModel,
    {"embeddings", Use::honoured, R"({"type": "array", "items": {"type": "array", "items": {"type": "number"}}})", "a vector of length 1 for each text", true},
    kTotal, kLoad, kPromptCount,
};
constexpr ApiField kOldEmbedAnswerFields[] = {
    {"embedding", Use::honoured, R"({"type": "array", "items": {"type": "number"}})", "a vector of length 1", true},
};
constexpr ApiObject kChatAnswer{"OllamaChatAnswer", kChatAnswerFields};
constexpr ApiObject kGenerateAnswer{"OllamaGenerateAnswer", kGenerateAnswerFields};
constexpr ApiObject kModelsAnswer{"OllamaModels", kModelsAnswerFields};
constexpr ApiObject kShowAnswer{"OllamaShowAnswer", kShowAnswerFields};
constexpr ApiObject kVersionAnswer{"OllamaVersion", kVersionFields};
constexpr ApiObject kPullAnswer{"OllamaPullAnswer", kPullAnswerFields};
constexpr ApiObject kEmbedAnswer{"OllamaEmbedAnswer", kEmbedAnswerFields};
constexpr ApiObject kOldEmbedAnswer{"OllamaEmbeddingsAnswer", kOldEmbedAnswerFields};
// clang-format on

}  // namespace

constexpr ApiObject kOllamaChatRequest{"OllamaChatRequest", kChatFields};
constexpr ApiObject kOllamaGenerateRequest{"OllamaGenerateRequest", kGenerateFields};
constexpr ApiObject kOllamaOptions{"OllamaOptions", kOptionFields};
constexpr ApiObject kOllamaEmbedRequest{"OllamaEmbedRequest", kEmbedFields};
constexpr ApiObject kOllamaOldEmbedRequest{"OllamaEmbeddingsRequest", kOldEmbedFields};
constexpr ApiObject kOllamaShowRequest{"OllamaShowRequest", kShowFields};
constexpr ApiObject kOllamaPullRequest{"OllamaPullRequest", kPullFields};
constexpr ApiObject kOllamaDeleteRequest{"OllamaDeleteRequest", kDeleteFields};
constexpr ApiObject kOllamaCopyRequest{"OllamaCopyRequest", kCopyFields};

const ApiDescription& ollama_description() {
  static constexpr ApiOperation kOperations[] = {
      {"POST", "/api/chat", "The next message of a conversation", &kOllamaChatRequest, &kChatAnswer, kJsonLinesType},
      {"POST", "/api/generate", "The answer to one text", &kOllamaGenerateRequest, &kGenerateAnswer, kJsonLinesType},
      {"GET", "/api/tags", "The models that are here", nullptr, &kModelsAnswer},
      {"GET", "/api/ps", "The models in memory", nullptr, &kModelsAnswer},
      {"GET", "/api/version", "The version of the dialect", nullptr, &kVersionAnswer},
      {"POST", "/api/show", "What a model is", &kOllamaShowRequest, &kShowAnswer},
      {"POST", "/api/pull", "Gets a model", &kOllamaPullRequest, &kPullAnswer, kJsonLinesType},
      {"DELETE", "/api/delete", "Removes a model", &kOllamaDeleteRequest},
      {"POST", "/api/copy", "Gives a model another name", &kOllamaCopyRequest},
      {"POST", "/api/embed", "Vectors of texts", &kOllamaEmbedRequest, &kEmbedAnswer},
      {"POST", "/api/embeddings", "The vector of a text", &kOllamaOldEmbedRequest, &kOldEmbedAnswer},
  };
  static constexpr const ApiObject* kObjects[] = {&kOllamaOptions};
  static constexpr ApiDescription kDescription{"Ollama", kOperations, kObjects};
  return kDescription;
}

}  // namespace glimt
