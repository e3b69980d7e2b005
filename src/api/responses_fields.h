// The fields of a request for a Response, and of the objects inside of it.
#pragma once

#include "api/description.h"
#include "api/fields.h"

#include <string_view>

namespace glimt {

extern const ApiObject kResponsesRequest;
extern const ApiObject kResponsesReasoning;   // "reasoning"
extern const ApiObject kResponsesText;        // "text"
extern const ApiObject kResponsesTextFormat;  // "text.format"
extern const ApiObject kResponsesFunction;    // a tool, also inside of a namespace
extern const ApiObject kResponsesCustomTool;
extern const ApiObject kResponsesNamespace;
extern const ApiObject kResponsesToolChoice;  // and each of an allowed_tools' tools

// Items of "input". Those of a conversation carry much that says nothing here, so unknown fields do no harm.
extern const ApiObject kResponsesMessage;
extern const ApiObject kResponsesReasoningItem;
extern const ApiObject kResponsesCall;        // function_call
extern const ApiObject kResponsesCustomCall;  // custom_tool_call
extern const ApiObject kResponsesCallOutput;  // of both
extern const ApiObject kResponsesItemReference;
extern const ApiObject kResponsesAdditionalTools;
extern const ApiObject kResponsesTextPart;  // of a content, a summary or an output

extern const ApiObject kResponse;         // the answer
extern const ApiObject kDeletedResponse;  // of DELETE

const ApiDescription& responses_description();

}  // namespace glimt
