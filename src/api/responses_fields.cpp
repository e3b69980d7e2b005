#include "api/responses_fields.h"

#include "api/response_input.h"

namespace glimt {
namespace {

using Use = ApiField::Use;
constexpr auto kHonoured = Use::honoured;
constexpr auto kCarried = Use::carried;
constexpr auto kRefused = Use::refused;

constexpr std::string_view kString = R"({"type": "string"})";
constexpr std::string_view kStringOrNull = R"({"type": ["string", "null"]})";
constexpr std::string_view kBoolean = R"({"type": "boolean"})";
constexpr std::string_view kObject = R"({"type": "object"})";
constexpr std::string_view kAny = "{}";

// clang-format off
constexpr ApiField kRequestFields[] = {
    {"model", kHonoured, kString, "the model's name; absent: the default one"},
    {"input", kHonoured, R"({"type": ["string", "array"]})", "a user's text, or items: messages, reasoning, calls, outputs of calls, references to items"},
    {"instructions", kHonoured, kString, "a system message in front, for this response only"},
    {"previous_response_id", kHonoured, kString, "a kept response whose conversation goes on"},
    {"tools", kHonoured, R"({"type": "array", "items": {"type": "object"}})", "functions, custom tools and namespaces of them; web_search, image_generation and tool_search are accepted and never called"},
    {"tool_choice", kHonoured, R"({"type": ["string", "object"]})", "auto, none, required, one tool, or allowed_tools"},
    {"parallel_tool_calls", kHonoured, kBoolean, "false: at most one call"},
    {"text", kHonoured, R"({"type": "object", "$ref": "#/components/schemas/ResponsesText"})", "the form of the answer's text"},
    {"reasoning", kHonoured, R"({"type": "object", "$ref": "#/components/schemas/ResponsesReasoning"})", "how much to think"},
    {"include", kHonoured, R"({"type": "array", "items": {"type": "string"}})", "reasoning.encrypted_content and message.output_text.logprobs; others do nothing"},
    {"max_output_tokens", kHonoured, R"({"type": "integer", "minimum": 1})", "the thinking included; more than the context leaves is lowered to that"},
    {"temperature", kHonoured, R"({"type": "number", "minimum": 0, "maximum": 2})", "0 takes the likeliest token"},
    {"top_p", kHonoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only the likeliest tokens that sum to it"},
    {"top_logprobs", kHonoured, R"({"type": "integer", "minimum": 0, "maximum": 20})", "likeliest alternatives shown with each token of the text"},
    {"top_k", kHonoured, R"({"type": "integer", "minimum": 0})", "extension: only so many of the likeliest tokens; 0: all"},
    {"min_p", kHonoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "extension: only tokens at least so many times as likely as the best"},
    {"typical_p", kHonoured, R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1})", "extension: locally typical sampling; 1: off"},
    {"repetition_penalty", kHonoured, R"({"type": "number", "exclusiveMinimum": 0})", "extension: above 1, tokens of prompt and answer become less likely"},
    {"stream", kHonoured, kBoolean, "the answer comes as server-sent events"},
    {"store", kHonoured, kBoolean, "false: the response is not kept for later requests; default true, in memory and for a time"},
    {"metadata", kHonoured, kObject, "comes back with the response"},
    {"truncation", kHonoured, R"({"type": "string", "enum": ["auto", "disabled"]})", "auto: where the prompt does not fit, its oldest messages are dropped; else that is an error"},
    {"background", kHonoured, R"({"type": "boolean", "enum": [false]})", "true is not supported"},
    {"user", kHonoured, kString, "comes back with the response"},
    {"safety_identifier", kCarried, kString, ""},
    {"prompt_cache_key", kCarried, kString, "prompts that begin alike share what is cached without it"},
    {"prompt_cache_retention", kCarried, kString, ""},
    {"prompt_cache_options", kCarried, kObject, ""},
    {"service_tier", kCarried, kString, ""},
    {"max_tool_calls", kCarried, R"({"type": "integer"})", "counts calls of hosted tools, which there are none of"},
    {"stream_options", kCarried, kObject, ""},
    {"client_metadata", kCarried, kObject, ""},
    {"conversation", kRefused, kAny, "is not supported; previous_response_id goes on with a conversation"},
    {"prompt", kRefused, kAny, "is not supported: there are no stored prompts"},
    {"moderation", kRefused, kAny, "is not supported"},
    {"context_management", kRefused, kAny, "is not supported"},
};
constexpr ApiField kReasoningFields[] = {
    {"effort", kHonoured, kString, "none, minimal, low, medium, high, or xhigh, max and ultra without a limit"},
    {"summary", kHonoured, kString, "comes back with the response; the thinking is shown as its own summary, whole"},
    {"generate_summary", kCarried, kString, "the old name of summary"},
    {"context", kCarried, kString, "what the input holds of earlier thinking is always used"},
    {"mode", kCarried, kString, ""},
};
constexpr ApiField kTextFields[] = {
    {"format", kHonoured, R"({"type": "object", "$ref": "#/components/schemas/ResponsesTextFormat"})", "text, or JSON"},
    {"verbosity", kCarried, kString, ""},
};
constexpr ApiField kTextFormatFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["text", "json_object", "json_schema"]})", "", true},
    {"name", kHonoured, kString, "comes back with the response"},
    {"description", kHonoured, kString, "comes back with the response"},
    {"schema", kHonoured, kObject, "a JSON schema that the text fits"},
    {"strict", kHonoured, kBoolean, "comes back with the response; the schema is enforced in any case"},
};
constexpr ApiField kFunctionFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["function"]})", ""},
    {"name", kHonoured, kString, "", true},
    {"description", kHonoured, kString, "what it does, for the model"},
    {"parameters", kHonoured, kObject, "a JSON schema of its arguments"},
    {"strict", kHonoured, kBoolean, "shown to the model; calls that are required fit the schema in any case"},
    {"output_schema", kCarried, kObject, ""},
    {"defer_loading", kCarried, kBoolean, "the model sees the tool at once"},
    {"allowed_callers", kCarried, R"({"type": "array"})", ""},
    {"cache_control", kCarried, kAny, ""},
};
constexpr ApiField kCustomToolFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["custom"]})", ""},
    {"name", kHonoured, kString, "", true},
    {"description", kHonoured, kString, "what it does, for the model"},
    {"format", kHonoured, kObject, "text, or a grammar, which the model is shown and which is not enforced"},
    {"defer_loading", kCarried, kBoolean, "the model sees the tool at once"},
    {"allowed_callers", kCarried, R"({"type": "array"})", ""},
};
constexpr ApiField kNamespaceFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["namespace"]})", ""},
    {"name", kHonoured, kString, "comes back with a call of one of its tools", true},
    {"description", kCarried, kString, "the model sees the tools' own descriptions"},
    {"tools", kHonoured, R"({"type": "array", "items": {"type": "object"}})", "functions and custom tools", true},
};
constexpr ApiField kToolChoiceFields[] = {
    {"type", kHonoured, R"({"type": "string"})", "function, custom, or allowed_tools", true},
    {"name", kHonoured, kString, "of the tool"},
    {"namespace", kHonoured, kString, "of the tool"},
    {"mode", kHonoured, R"({"type": "string", "enum": ["auto", "required"]})", "of allowed_tools"},
    {"tools", kHonoured, R"({"type": "array", "items": {"type": "object"}})", "of allowed_tools"},
};
constexpr ApiField kMessageFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["message"]})", "may be absent"},
    {"role", kHonoured, R"({"type": "string", "enum": ["user", "assistant", "system", "developer"]})", "", true},
    {"content", kHonoured, R"({"type": ["string", "array"]})", "text, or a list of text parts"},
    {"id", kCarried, kString, ""},
    {"status", kCarried, kString, ""},
    {"phase", kCarried, kString, ""},
};
constexpr ApiField kReasoningItemFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["reasoning"]})", "", true},
    {"content", kHonoured, R"({"type": "array"})", "the thinking, before the others"},
    {"encrypted_content", kHonoured, kString, "as an answer had it; of another server: dropped"},
    {"summary", kHonoured, R"({"type": "array"})", "the thinking, if there is no other"},
    {"id", kCarried, kString, ""},
    {"status", kCarried, kString, ""},
};
constexpr ApiField kCallFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["function_call"]})", "", true},
    {"call_id", kHonoured, kString, "what the call's output names", true},
    {"name", kHonoured, kString, "of the tool", true},
    {"namespace", kHonoured, kString, "of the tool"},
    {"arguments", kHonoured, R"({"type": ["string", "object"]})", "JSON"},
    {"id", kCarried, kString, ""},
    {"status", kCarried, kString, ""},
};
constexpr ApiField kCustomCallFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["custom_tool_call"]})", "", true},
    {"call_id", kHonoured, kString, "what the call's output names", true},
    {"name", kHonoured, kString, "of the tool", true},
    {"namespace", kHonoured, kString, "of the tool"},
    {"input", kHonoured, kString, "text"},
    {"id", kCarried, kString, ""},
    {"status", kCarried, kString, ""},
};
constexpr ApiField kCallOutputFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["function_call_output", "custom_tool_call_output"]})", "", true},
    {"call_id", kHonoured, kString, "of the call"},
    {"output", kHonoured, R"({"type": ["string", "array"]})", "text, or a list of text parts"},
    {"id", kCarried, kString, ""},
    {"status", kCarried, kString, ""},
    {"name", kCarried, kString, ""},
    {"namespace", kCarried, kString, ""},
};
constexpr ApiField kItemReferenceFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["item_reference"]})", ""},
    {"id", kHonoured, kString, "of an item of a kept response's output", true},
};
constexpr ApiField kAdditionalToolsFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["additional_tools"]})", "", true},
    {"tools", kHonoured, R"({"type": "array", "items": {"type": "object"}})", "as those of the request; one that comes again replaces the earlier one", true},
    {"role", kCarried, kString, ""},
    {"id", kCarried, kString, ""},
};
constexpr ApiField kTextPartFields[] = {
    {"type", kHonoured, R"({"type": "string", "enum": ["input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"]})", "", true},
    {"text", kHonoured, kString, ""},
    {"refusal", kHonoured, kString, "the text of a refusal"},
    {"annotations", kCarried, R"({"type": "array"})", ""},
    {"logprobs", kCarried, R"({"type": "array"})", ""},
    {"prompt_cache_breakpoint", kCarried, kObject, ""},
    {"cache_control", kCarried, kAny, ""},
};
constexpr ApiField kResponseFields[] = {
    {"id", kHonoured, kString, "for previous_response_id, GET and DELETE", true},
    {"object", kHonoured, R"({"type": "string", "enum": ["response"]})", "", true},
    {"created_at", kHonoured, R"({"type": "integer"})", "seconds since 1970", true},
    {"status", kHonoured, R"({"type": "string", "enum": ["completed", "incomplete", "in_progress", "failed"]})", "incomplete: it was cut, and incomplete_details says why", true},
    {"error", kHonoured, R"({"type": ["object", "null"]})", "of a stream that failed", true},
    {"incomplete_details", kHonoured, R"({"type": ["object", "null"]})", "reason: max_output_tokens", true},
    {"model", kHonoured, kString, "as it was asked for", true},
    {"output", kHonoured, R"({"type": "array", "items": {"type": "object", "required": ["id", "type"]}})", "items: reasoning, message, function_call, custom_tool_call", true},
    {"usage", kHonoured, R"({"type": ["object", "null"], "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"]})", "numbers of tokens; null until the end", true},
    {"background", kHonoured, kBoolean, "false", true},
    {"instructions", kHonoured, kStringOrNull, "this and what follows: as the request had it", true},
    {"max_output_tokens", kHonoured, R"({"type": ["integer", "null"]})", "", true},
    {"metadata", kHonoured, kObject, "", true},
    {"parallel_tool_calls", kHonoured, kBoolean, "", true},
    {"previous_response_id", kHonoured, kStringOrNull, "", true},
    {"reasoning", kHonoured, kObject, "", true},
    {"store", kHonoured, kBoolean, "", true},
    {"temperature", kHonoured, R"({"type": ["number", "null"]})", "", true},
    {"text", kHonoured, kObject, "", true},
    {"tool_choice", kHonoured, R"({"type": ["string", "object"]})", "", true},
    {"tools", kHonoured, R"({"type": "array", "items": {"type": "object"}})", "", true},
    {"top_logprobs", kHonoured, R"({"type": "integer"})", "", true},
    {"top_p", kHonoured, R"({"type": ["number", "null"]})", "", true},
    {"truncation", kHonoured, kString, "", true},
    {"user", kHonoured, kStringOrNull, "", true},
};
constexpr ApiField kDeletedFields[] = {
    {"id", kHonoured, kString, "", true},
    {"object", kHonoured, R"({"type": "string", "enum": ["response"]})", "", true},
    {"deleted", kHonoured, R"({"type": "boolean", "enum": [true]})", "", true},
};
// clang-format on

}  // namespace

const ApiObject kResponsesRequest{"ResponsesRequest", kRequestFields};
const ApiObject kResponsesReasoning{"ResponsesReasoning", kReasoningFields};
const ApiObject kResponsesText{"ResponsesText", kTextFields};
const ApiObject kResponsesTextFormat{"ResponsesTextFormat", kTextFormatFields};
const ApiObject kResponsesFunction{"ResponsesFunction", kFunctionFields};
const ApiObject kResponsesCustomTool{"ResponsesCustomTool", kCustomToolFields};
const ApiObject kResponsesNamespace{"ResponsesNamespace", kNamespaceFields};
const ApiObject kResponsesToolChoice{"ResponsesToolChoice", kToolChoiceFields};
const ApiObject kResponsesMessage{"ResponsesMessage", kMessageFields};
const ApiObject kResponsesReasoningItem{"ResponsesReasoningItem", kReasoningItemFields};
const ApiObject kResponsesCall{"ResponsesFunctionCall", kCallFields};
const ApiObject kResponsesCustomCall{"ResponsesCustomToolCall", kCustomCallFields};
const ApiObject kResponsesCallOutput{"ResponsesCallOutput", kCallOutputFields};
const ApiObject kResponsesItemReference{"ResponsesItemReference", kItemReferenceFields};
const ApiObject kResponsesAdditionalTools{"ResponsesAdditionalTools", kAdditionalToolsFields};
const ApiObject kResponsesTextPart{"ResponsesTextPart", kTextPartFields};
const ApiObject kResponse{"Response", kResponseFields};
const ApiObject kDeletedResponse{"DeletedResponse", kDeletedFields};

const ApiDescription& responses_description() {
  static constexpr std::string_view kStream = "text/event-stream";
  static const ApiOperation operations[] = {
      {"POST", "/v1/responses", "An answer to a conversation, as items", &kResponsesRequest, &kResponse, kStream},
      {"GET", "/v1/responses/{id}", "A response that was kept", nullptr, &kResponse},
      {"DELETE", "/v1/responses/{id}", "Forgets a response that was kept", nullptr, &kDeletedResponse},
      {"GET",
       "/v1/responses/{id}/input_items",
       "The items that a kept response answered",
       nullptr,
       &kInputItems,
       {},
       &kInputItemsQuery},
  };
  static const ApiObject* const objects[] = {
      &kResponsesReasoning,     &kResponsesText,
      &kResponsesTextFormat,    &kResponsesFunction,
      &kResponsesCustomTool,    &kResponsesNamespace,
      &kResponsesToolChoice,    &kResponsesMessage,
      &kResponsesReasoningItem, &kResponsesCall,
      &kResponsesCustomCall,    &kResponsesCallOutput,
      &kResponsesItemReference, &kResponsesAdditionalTools,
      &kResponsesTextPart,
  };
  static const ApiDescription description{"OpenAI: responses", operations, objects};
  return description;
}

}  // namespace glimt
