// The fields of Anthropic's dialect: what checks its requests, and what /openapi.json says of it.
#pragma once

#include "api/description.h"

namespace glimt {

// Bodies.
extern const ApiObject kAnthropicRequest;       // POST /v1/messages
extern const ApiObject kAnthropicCountRequest;  // POST /v1/messages/count_tokens: the same without max_tokens

// What stands in them.
extern const ApiObject kAnthropicMessage;
extern const ApiObject kAnthropicTextBlock;
extern const ApiObject kAnthropicThinkingBlock;
extern const ApiObject kAnthropicRedactedBlock;
extern const ApiObject kAnthropicToolUseBlock;
extern const ApiObject kAnthropicToolResultBlock;
extern const ApiObject kAnthropicToolReference;
extern const ApiObject kAnthropicTool;
extern const ApiObject kAnthropicToolChoice;
extern const ApiObject kAnthropicThinking;
extern const ApiObject kAnthropicOutputConfig;
extern const ApiObject kAnthropicOutputFormat;
extern const ApiObject kAnthropicContextManagement;
extern const ApiObject kAnthropicContextEdit;
extern const ApiObject kAnthropicThinkingTurns;

const ApiDescription& anthropic_description();

}  // namespace glimt
