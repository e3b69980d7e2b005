// Boost.JSON with errors that name the file and the field. Key order is kept (tool schemas are part of the prompt).
#pragma once

#include "base/error.h"

#include <boost/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

namespace json = boost::json;

// Parses one JSON document. `where` (a file name, "request", "line 3") opens the message of the bad_file or
// invalid_request error, which says at which byte. Nesting is limited to 64 levels; numbers that overflow to infinity are refused, others are the
// nearest double.
json::value parse_json(std::string_view text, std::string_view where);

// parse_json of a file of at most `max_bytes`; errors are of kind bad_file.
json::value parse_json_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{64} << 20);

// One JSON document in one line as Python's json.dumps(ensure_ascii=False) writes it: ", " and ": " between items.
std::string dump_json(const json::value& value);

// Reads the fields of one JSON object. Every getter throws `kind` with "where: field 'x' must be …, got …".
class JsonFields {
 public:
  JsonFields(const json::object& object, std::string where, ErrorKind kind = ErrorKind::bad_file);

  bool has(std::string_view name) const;  // present and not null
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

  const std::string& where() const { return where_; }

 private:
  const json::value& at(std::string_view name, std::string_view wanted) const;  // throws if absent or null
  [[noreturn]] void wrong(std::string_view name, std::string_view wanted, const json::value& got) const;

  const json::object& object_;
  std::string where_;
  ErrorKind kind_;
};

}  // namespace glimt
