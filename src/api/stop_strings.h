// Stop strings in any dialect: one string, or a list of them.
#pragma once

#include "api/fields.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Empty if the field is absent or an empty list. Throws ApiError for an empty string, and beyond the limits.
std::vector<std::string> read_stop_strings(const FieldReader& object, std::string_view name);

}  // namespace glimt
