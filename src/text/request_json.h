// JSON whose numbers end up in a prompt.
#pragma once

#include "base/json.h"

#include <string_view>

namespace glimt {

// As parse_json (same limits, same errors), but every number with a point or an exponent is the double nearest to what
// is written. Boost.JSON 1.81 is off by one in the last place now and then (0.21573197194324932 becomes …493), and a
// prompt shows all digits.
json::value parse_request_json(std::string_view text, std::string_view where);

}  // namespace glimt
