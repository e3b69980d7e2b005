// Boost.JSON with errors that name the file and the field. Key order is kept (tool schemas are part of the prompt).
#pragma once

#include "base/error.h"

#include <boost/json.hpp>

#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

namespace json = boost::json;

// ---- integers beyond 64 bits ----
//
// Boost.JSON has no kind for them and would round them to a double; here they keep their digits. Such a value is a
// string that no JSON text can spell: a byte that is not UTF-8, then the digits. So kind() and is_string() take it for
// a string: whoever decides by them asks is_text() or as_big_integer() instead. dump_json writes the digits.

json::value big_integer(std::string_view digits);           // of an optional '-' and digits
std::string_view as_big_integer(const json::value& value);  // the digits; empty for every other value
bool is_text(const json::value& value);                     // a string that is one
std::optional<double> number_of(const json::value& value);  // the nearest double of a number of any size

// Parses one JSON document. `where` (a file name, "request", "line 3") opens the message of the bad_file or
// invalid_request error, which says at which byte. Nesting is limited to 64 levels. Integers keep all their digits, up
// to 4300 of them; other numbers are the nearest double. Refused are longer integers and numbers that overflow to
// infinity.
json::value parse_json(std::string_view text, std::string_view where);

// parse_json of a file of at most `max_bytes`; errors are of kind bad_file.
json::value parse_json_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{64} << 20);

// One JSON document in one line as Python's json.dumps(ensure_ascii=False) writes it: ", " and ": " between items.
std::string dump_json(const json::value& value);

// Reads the fields of one JSON object, which must outlive it. Every getter throws `kind` with "where: field 'x' must be
// …, got …". A reader that must not overlook a field ends with finish(). Not thread-safe.
class JsonFields {
 public:
  JsonFields(const json::object& object, std::string where, ErrorKind kind = ErrorKind::bad_file);

  bool has(std::string_view name) const;                 // present and not null
  const json::value* find(std::string_view name) const;  // as it is; null pointer where has() is false
  std::string string(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max) const;
  double number(std::string_view name, double min, double max) const;
  bool boolean(std::string_view name) const;
  const json::object& object(std::string_view name) const;
  const json::array& array(std::string_view name) const;

  std::string string_or(std::string_view name, std::string fallback) const;
  std::int64_t integer_or(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const;
  double number_or(std::string_view name, double fallback, double min, double max) const;
  bool boolean_or(std::string_view name, bool fallback) const;

  // Fields that may be there and are not read.
  void ignore(std::initializer_list<std::string_view> names) const;

  // Throws an error that names the fields that nobody read, asked for or ignored. Null counts as absent, and so does
  // whatever `says_nothing` is true for.
  void finish(bool (*says_nothing)(const json::value&) = nullptr) const;

  const json::object& all() const { return object_; }
  const std::string& where() const { return where_; }
  ErrorKind kind() const { return kind_; }

 private:
  void take(std::string_view name) const;
  const json::value& at(std::string_view name, std::string_view wanted) const;  // throws if absent or null
  [[noreturn]] void wrong(std::string_view name, std::string_view wanted, const json::value& got) const;

  const json::object& object_;
  std::string where_;
  ErrorKind kind_;
  mutable std::vector<std::string> taken_;
};

}  // namespace glimt
