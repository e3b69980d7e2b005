#include "base/json_parser.h"

#include "base/double.h"
#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace glimt {
namespace {

// Python's int() refuses more digits, too: reading them takes a time that grows with their square.
constexpr std::size_t kMaxDigits = 4300;

// Builds the value as Boost's own parser does, except that a double is read by read_double, which rounds correctly, and
// that an integer beyond 64 bits keeps its digits.
struct ExactNumbers {
  constexpr static std::size_t max_object_size = json::object::max_size();
  constexpr static std::size_t max_array_size = json::array::max_size();
  constexpr static std::size_t max_key_size = json::string::max_size();
  constexpr static std::size_t max_string_size = json::string::max_size();
  using Text = json::string_view;
  using Code = json::error_code;

  json::value_stack stack;
  std::string number;  // the parts of a number so far

  bool on_document_begin(Code&) {
    stack.reset();
    return true;
  }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t n, Code&) {
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t n, Code&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(Text text, std::size_t, Code&) {
    stack.push_chars(text);
    return true;
  }
  bool on_key(Text text, std::size_t, Code&) {
    stack.push_key(text);
    return true;
  }
  bool on_string_part(Text text, std::size_t, Code&) {
    stack.push_chars(text);
    return true;
  }
  bool on_string(Text text, std::size_t, Code&) {
    stack.push_string(text);
    return true;
  }
  bool on_number_part(Text text, Code&) {
    number.append(text.data(), text.size());
    return true;
  }
  bool on_int64(std::int64_t value, Text, Code&) {
    number.clear();
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(std::uint64_t value, Text, Code&) {
    number.clear();
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, Text text, Code&) {
    number.append(text.data(), text.size());
    const std::string written = std::exchange(number, {});
    if (written.find_first_of(".eE") != std::string::npos) {
      read_double(written.data(), written.data() + written.size(), value);
      stack.push_double(value);  // read_double leaves it where it is too small: Boost has made it 0
    } else if (written.size() <= kMaxDigits) {
      stack.push_string(json::string_view(big_integer(written).get_string()));
    } else {
      stack.push_double(std::numeric_limits<double>::infinity());  // which parse_json refuses
    }
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

json::value parse_exactly(std::string_view text, std::size_t max_depth, json::error_code& error, std::size_t& read) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<ExactNumbers> parser(options);
  read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  return error ? json::value() : parser.handler().stack.release();
}

}  // namespace glimt
