// The items of a request for a Response: references looked up, then all of them made into messages.
#pragma once

#include "api/endpoint.h"
#include "api/responses_tools.h"
#include "base/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ResponsesInput {
  json::array before;  // of the responses that the request goes on from
  json::array items;   // of the request itself, no references among them
};

// Throws ApiError: 400 (previous_response_not_found) where an earlier response is gone, 404 for a reference to a message
// or call that is. Such a reference to reasoning is left out: the conversation can go on without it.
ResponsesInput resolve_input(const json::value& input, const std::string& previous_response_id,
                             const ApiOptions& options);

// The tools of additional_tools items, in which newer clients declare theirs.
std::vector<ResponsesTools::List> additional_tools(const ResponsesInput& input, std::vector<std::string>& ignored);

// Messages in the form of chat/messages.h. What the model says in one turn, from its reasoning to its last call, is one
// message, followed by the outputs of its calls, wherever between them clients put a part of it. Items of hosted tools
// are left out. Throws ApiError for items that are not understood.
json::array messages_of_items(const ResponsesInput& input, const ResponsesTools& tools,
                              std::vector<std::string>& ignored);

// An opaque text that stands for the thinking of an answer, and back. Empty for one that was not made here.
std::string encrypted_content(std::string_view thinking);
std::string thinking_of_encrypted(std::string_view content);

}  // namespace glimt
