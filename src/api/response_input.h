// GET /v1/responses/{id}/input_items: what a kept response answered.
#pragma once

#include "api/description.h"
#include "api/endpoint.h"
#include "base/json.h"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

extern const ApiObject kInputItemsQuery;
extern const ApiObject kInputItems;

struct InputItemsPage {
  std::size_t limit = 20;  // 1 to 100
  bool newest_first = true;
  std::string after;  // the id of the last item of the page before it; empty: the first page
};

// Of a query's names and values, decoded; others are passed over. Throws ApiError.
InputItemsPage input_items_page(std::span<const std::pair<std::string, std::string>> query);

// {"object": "list", "data", "first_id", "last_id", "has_more"}: the items of the response's own request, references
// looked up, each with a type, and with an id that is the same each time. Throws ApiError: 404 for a response that is
// not there, 400 for an `after` that is none of its items.
json::object response_input_items(const std::string& id, const InputItemsPage& page, const ApiOptions& options);

}  // namespace glimt
