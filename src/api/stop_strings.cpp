#include "api/stop_strings.h"

#include "api/limits.h"

namespace glimt {
namespace {

std::string stop_string(const json::value& value, const std::string& path) {
  if (!is_text(value)) refuse(path, fmt::format("must be a string, got {}", shown_json(value)));
  const json::string& text = value.get_string();
  if (text.empty()) refuse(path, "must not be empty");
  if (text.size() > kMaxStopBytes) {
    refuse(path, fmt::format("must have at most {} bytes, got {}", kMaxStopBytes, text.size()));
  }
  return std::string(text);
}

}  // namespace

std::vector<std::string> read_stop_strings(const FieldReader& object, std::string_view name) {
  const json::value* value = object.find(name);
  if (value == nullptr) return {};
  const std::string path = object.path(name);
  if (!value->is_array()) return {stop_string(*value, path)};
  const json::array& list = value->get_array();
  check_count(path, list.size(), kMaxStopStrings);
  std::vector<std::string> stops;
  for (std::size_t i = 0; i < list.size(); ++i) stops.push_back(stop_string(list[i], fmt::format("{}[{}]", path, i)));
  return stops;
}

}  // namespace glimt
