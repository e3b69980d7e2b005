#include "api/anthropic_fields.h"

#include "api/wire.h"

#include <algorithm>
#include <array>

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::string_view kAny = "{}";
constexpr std::string_view kString = R"({"type": "string"})";
constexpr std::string_view kObject = R"({"type": "object"})";
constexpr std::string_view kBoolean = R"({"type": "boolean"})";
constexpr std::string_view kCount = R"({"type": "integer", "minimum": 0})";
constexpr std::string_view kHandedBack = "of an answer that is handed back";

// ---- requests ----

// clang-format off
constexpr ApiField kMaxTokens{"max_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "most tokens of the answer, its thinking included; lowered to what the context leaves", true};
constexpr ApiField kCountedMaxTokens{"max_tokens", Use::carried, R"({"type": "integer"})", "counting needs none"};
constexpr ApiField kRequestFields[] = {
    kMaxTokens,
    {"model", Use::honoured, kString, "name of a model; without it the default one answers"},
    {"messages", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/AnthropicMessage"}})", "the conversation; an assistant message at its end is the beginning of the answer", true},
    {"system", Use::honoured, R"({"type": ["string", "array"], "items": {"$ref": "#/components/schemas/AnthropicTextBlock"}})", "a text, or text blocks that are joined"},
    {"stream", Use::honoured, kBoolean, "events while the answer is made"},
    {"stop_sequences", Use::honoured, R"({"type": "array", "items": {"type": "string", "minLength": 1}})", "the visible text ends before the first of these"},
    {"temperature", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "0 takes the likeliest token"},
    {"top_p", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only the likeliest tokens that sum to it"},
    {"top_k", Use::honoured, R"({"type": "integer", "minimum": 0})", "only so many likeliest tokens; 0: all"},
    {"tools", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/AnthropicTool"}})", "what the model may call"},
    {"tool_choice", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicToolChoice"})", "which of them it may or must call"},
    {"thinking", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicThinking"})", "without it the model does not think"},
    {"output_config", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicOutputConfig"})", "how much to think, and the form of the answer"},
    {"context_management", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicContextManagement"})", "what of the history the model sees"},
    {"metadata", Use::carried, kAny, "is not kept"},
    {"cache_control", Use::carried, kAny, "every prompt is cached"},
    {"service_tier", Use::carried, kAny, "there is one"},
    {"diagnostics", Use::carried, kAny, "there are none"},
    {"speed", Use::carried, R"({"type": "string", "enum": ["standard"]})", "there is one"},
    {"inference_geo", Use::carried, kAny, "the answer is made here"},
    {"betas", Use::carried, kAny, "what they add is here or refused"},
    {"mcp_servers", Use::refused, kAny, "is not supported: the client must call its servers itself"},
    {"container", Use::refused, kAny, "is not supported"},
};

// The same, but neither max_tokens nor messages must be there.
constexpr auto kCountFields = [] {
  std::array<ApiField, std::size(kRequestFields)> fields{};
  std::copy(std::begin(kRequestFields), std::end(kRequestFields), fields.begin());
  fields[0] = kCountedMaxTokens;
  for (ApiField& field : fields) field.required = false;
  return fields;
}();

// ---- messages ----

constexpr ApiField kCacheControl{"cache_control", Use::carried, kAny, "every prompt is cached"};
constexpr ApiField kCaller{"caller", Use::carried, kAny, "who called the tool"};
constexpr ApiField kToolset{"toolset_name", Use::carried, kAny, "where the tool comes from"};
constexpr std::string_view kStringOrBlocks = R"({"type": ["string", "array"], "items": {"type": "object"}})";

constexpr ApiField kMessageFields[] = {
    {"role", Use::honoured, R"({"type": "string", "enum": ["user", "assistant", "system"]})", "who speaks", true},
    {"content", Use::honoured, kStringOrBlocks, "a text, or a list of blocks"},
    {"id", Use::carried, kAny, kHandedBack},
    {"type", Use::carried, kAny, kHandedBack},
    {"model", Use::carried, kAny, kHandedBack},
    {"stop_reason", Use::carried, kAny, kHandedBack},
    {"stop_sequence", Use::carried, kAny, kHandedBack},
    {"stop_details", Use::carried, kAny, kHandedBack},
    {"usage", Use::carried, kAny, kHandedBack},
    {"output_config", Use::carried, kAny, "the request's own holds"},
    kCacheControl,
};
constexpr ApiField kTextFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["text"]})", "the kind of block", true},
    {"text", Use::honoured, kString, "the text", true},
    {"citations", Use::carried, kAny, "where a text was taken from"},
    {"parsed_output", Use::carried, kAny, kHandedBack},
    kCacheControl,
};
constexpr ApiField kThinkingBlockFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["thinking"]})", "the kind of block", true},
    {"thinking", Use::honoured, kString, "the text", true},
    {"signature", Use::carried, kAny, "any is accepted"},
    kCacheControl,
};
constexpr ApiField kRedactedFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["redacted_thinking"]})", "the kind of block, which is dropped", true},
    {"data", Use::carried, kAny, "what only its maker can read"},
    kCacheControl,
};
constexpr ApiField kToolUseFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["tool_use"]})", "the kind of block", true},
    {"id", Use::honoured, kString, "of the call", true},
    {"name", Use::honoured, kString, "of the tool", true},
    {"input", Use::honoured, kObject, "the arguments"},
    kCacheControl, kCaller, kToolset,
};
constexpr ApiField kToolResultFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["tool_result"]})", "the kind of block", true},
    {"tool_use_id", Use::honoured, kString, "the call that it answers", true},
    {"content", Use::honoured, kStringOrBlocks, "a text, a list of text blocks, or nothing"},
    {"is_error", Use::honoured, kBoolean, "the model reads 'Error: ' in front of it"},
    kCacheControl, kCaller, kToolset,
};

constexpr ApiField kToolReferenceFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["tool_reference"]})", "the kind of block, in a tool_result", true},
    {"tool_name", Use::honoured, kString, "of a tool with defer_loading, which the model sees from now on", true},
    kCacheControl,
};

// ---- what a request asks for ----

constexpr ApiField kToolFields[] = {
    {"name", Use::honoured, kString, "by which it is called", true},
    {"description", Use::honoured, kString, "what it does"},
    {"input_schema", Use::honoured, kObject, "JSON schema of the arguments"},
    {"type", Use::honoured, R"({"type": "string", "enum": ["custom"]})", "tools that a server would have to run are refused"},
    {"strict", Use::honoured, kBoolean, "arguments fit the schema either way"},
    {"eager_input_streaming", Use::carried, kAny, "arguments are streamed as they are written"},
    {"input_examples", Use::carried, kAny, "are not shown to the model"},
    {"allowed_callers", Use::carried, R"({"type": "array", "items": {"type": "string", "enum": ["direct"]}})", "the model alone"},
    {"defer_loading", Use::honoured, kBoolean, "true: the model does not see it before a tool_reference in the history names it"},
    kCacheControl,
};
constexpr ApiField kToolChoiceFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["auto", "any", "tool", "none"]})", "may call, must call one, must call `name`, must not call", true},
    {"name", Use::honoured, kString, "of the tool that must be called"},
    {"disable_parallel_tool_use", Use::honoured, kBoolean, "one call at most"},
};
constexpr ApiField kThinkingFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["enabled", "adaptive", "between_tools", "disabled"]})", "whether the model thinks first", true},
    {"budget_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "most tokens of thinking; lowered below max_tokens"},
    {"display", Use::carried, R"({"type": "string", "enum": ["summarized", "omitted"]})", "the thinking is always shown: its text is what comes back in the history"},
};
constexpr ApiField kOutputConfigFields[] = {
    {"effort", Use::honoured, R"({"type": "string", "enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]})", "how much to think, where `thinking` asks for it and has no budget_tokens"},
    {"format", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicOutputFormat"})", "the answer is JSON"},
};
constexpr ApiField kOutputFormatFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["json_schema"]})", "the kind of format", true},
    {"schema", Use::honoured, kObject, "that the answer fits", true},
    {"name", Use::carried, kAny, "is not shown to the model"},
};
constexpr ApiField kContextManagementFields[] = {
    {"edits", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/AnthropicContextEdit"}})", "made to the history before the model reads it"},
};
constexpr ApiField kContextEditFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["clear_thinking_20251015"]})", "the kind of edit", true},
    {"keep", Use::honoured, R"({"type": ["string", "object"], "anyOf": [{"enum": ["all"]}, {"$ref": "#/components/schemas/AnthropicThinkingTurns"}]})", "thinking that stays; without it that of the last turn"},
};
constexpr ApiField kThinkingTurnsFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["thinking_turns", "all"]})", "what `value` counts", true},
    {"value", Use::honoured, R"({"type": "integer", "minimum": 1})", "how many of the last turns keep their thinking"},
};

// ---- answers ----

constexpr ApiField kAnswerFields[] = {
    {"id", Use::honoured, kString, "msg_…", true},
    {"type", Use::honoured, R"({"type": "string", "enum": ["message"]})", "the kind of answer", true},
    {"role", Use::honoured, R"({"type": "string", "enum": ["assistant"]})", "who speaks", true},
    {"model", Use::honoured, kString, "as it was asked for", true},
    {"content", Use::honoured, R"({"type": "array", "items": {"type": "object"}})", "blocks: thinking, text, tool_use", true},
    {"stop_reason", Use::honoured, R"({"type": "string", "enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"]})", "what ended the answer", true},
    {"stop_sequence", Use::honoured, R"({"type": ["string", "null"]})", "the one that did"},
    {"usage", Use::honoured, R"({"type": "object", "$ref": "#/components/schemas/AnthropicUsage"})", "tokens", true},
};
constexpr ApiField kUsageFields[] = {
    {"input_tokens", Use::honoured, kCount, "of the prompt, without those found in the cache", true},
    {"cache_creation_input_tokens", Use::honoured, kCount, "0", true},
    {"cache_read_input_tokens", Use::honoured, kCount, "of the prompt, found in the cache", true},
    {"output_tokens", Use::honoured, kCount, "of the answer, its thinking included", true},
};
constexpr ApiField kCountAnswerFields[] = {
    {"input_tokens", Use::honoured, kCount, "of the prompt as the model would read it", true},
};
constexpr ApiObject kAnswer{"AnthropicAnswer", kAnswerFields};
constexpr ApiObject kUsage{"AnthropicUsage", kUsageFields};
constexpr ApiObject kCountAnswer{"AnthropicCountAnswer", kCountAnswerFields};
// clang-format on

}  // namespace

constexpr ApiObject kAnthropicRequest{"AnthropicRequest", kRequestFields};
constexpr ApiObject kAnthropicCountRequest{"AnthropicCountRequest", kCountFields};
constexpr ApiObject kAnthropicMessage{"AnthropicMessage", kMessageFields};
constexpr ApiObject kAnthropicTextBlock{"AnthropicTextBlock", kTextFields};
constexpr ApiObject kAnthropicThinkingBlock{"AnthropicThinkingBlock", kThinkingBlockFields};
constexpr ApiObject kAnthropicRedactedBlock{"AnthropicRedactedBlock", kRedactedFields};
constexpr ApiObject kAnthropicToolUseBlock{"AnthropicToolUseBlock", kToolUseFields};
constexpr ApiObject kAnthropicToolResultBlock{"AnthropicToolResultBlock", kToolResultFields};
constexpr ApiObject kAnthropicToolReference{"AnthropicToolReference", kToolReferenceFields};
constexpr ApiObject kAnthropicTool{"AnthropicTool", kToolFields};
constexpr ApiObject kAnthropicToolChoice{"AnthropicToolChoice", kToolChoiceFields};
constexpr ApiObject kAnthropicThinking{"AnthropicThinking", kThinkingFields};
constexpr ApiObject kAnthropicOutputConfig{"AnthropicOutputConfig", kOutputConfigFields};
constexpr ApiObject kAnthropicOutputFormat{"AnthropicOutputFormat", kOutputFormatFields};
constexpr ApiObject kAnthropicContextManagement{"AnthropicContextManagement", kContextManagementFields};
constexpr ApiObject kAnthropicContextEdit{"AnthropicContextEdit", kContextEditFields};
constexpr ApiObject kAnthropicThinkingTurns{"AnthropicThinkingTurns", kThinkingTurnsFields};

const ApiDescription& anthropic_description() {
  static constexpr ApiOperation kOperations[] = {
      {"POST", "/v1/messages", "The next message of a conversation", &kAnthropicRequest, &kAnswer, kEventStreamType},
      {"POST", "/v1/messages/count_tokens", "The length of a prompt", &kAnthropicCountRequest, &kCountAnswer},
  };
  static constexpr const ApiObject* kObjects[] = {
      &kAnthropicMessage,       &kAnthropicTextBlock,     &kAnthropicThinkingBlock,
      &kAnthropicRedactedBlock, &kAnthropicToolUseBlock,  &kAnthropicToolResultBlock,
      &kAnthropicTool,          &kAnthropicToolChoice,    &kAnthropicThinking,
      &kAnthropicOutputConfig,  &kAnthropicOutputFormat,  &kAnthropicContextManagement,
      &kAnthropicContextEdit,   &kAnthropicThinkingTurns, &kUsage,
  };
  static constexpr ApiDescription kDescription{"Anthropic: messages", kOperations, kObjects};
  return kDescription;
}

}  // namespace glimt
