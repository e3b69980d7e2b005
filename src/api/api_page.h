// The tables of docs/API.md.
#pragma once

#include <string>

namespace glimt {

// Markdown: the routes and the objects of each part of the API, its fields with their types and what they do.
std::string api_page_tables();

}  // namespace glimt
