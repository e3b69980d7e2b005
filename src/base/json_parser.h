// The parser behind parse_json: Boost.JSON with correctly rounded numbers.
#pragma once

#include <boost/json.hpp>

#include <cstddef>
#include <string_view>

namespace glimt {

// As boost::json::parse with this depth limit (same errors), but every number with a point or an exponent is the double
// nearest to what is written. Boost.JSON 1.81 is off by one in the last place now and then (0.21573197194324932 becomes
// …493), and a prompt shows all digits. An integer beyond 64 bits, which Boost makes a double of, becomes big_integer()
// of its digits, at most 4300 of them. `read`: how many bytes were fine.
boost::json::value parse_exactly(std::string_view text, std::size_t max_depth, boost::json::error_code& error,
                                 std::size_t& read);

}  // namespace glimt
