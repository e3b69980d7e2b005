#include "convert/made_config.h"

#include <algorithm>
#include <map>
#include <utility>

namespace glimt::convert {
namespace {

json::object to_json(const Quantization& q) {
  return {{"group_size", q.group_size}, {"bits", q.bits}, {"mode", q.mode_name()}};
}

// The quantization that most of the quantized values have.
std::optional<Quantization> most_common(const std::vector<Unit>& units) {
  std::vector<std::pair<Quantization, std::size_t>> counts;
  for (const Unit& unit : units) {
    const auto* job = std::get_if<MatrixJob>(&unit.job);
    if (job == nullptr || !job->quantization) continue;
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& entry) { return entry.first == *job->quantization; });
    auto& entry = found == counts.end() ? counts.emplace_back(*job->quantization, 0) : *found;
    entry.second += unit.parameters;
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? std::nullopt : std::optional(most->first);
}

void start_line(int depth, std::string& out) {
  out += '\n';
  out.append(static_cast<std::size_t>(depth) * 4, ' ');
}

void append(const json::value& value, int depth, std::string& out);

template <typename Items, typename Append>
void append_items(const Items& items, char open, char close, int depth, std::string& out, const Append& append_item) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    start_line(depth + 1, out);
    append_item(item);
    first = false;
  }
  if (!first) start_line(depth, out);
  out += close;
}

void append(const json::value& value, int depth, std::string& out) {
  if (value.is_object()) {
    append_items(value.get_object(), '{', '}', depth, out, [&](const auto& item) {
      out += dump_json(json::value(item.key()));
      out += ": ";
      append(item.value(), depth + 1, out);
    });
  } else if (value.is_array()) {
    append_items(value.get_array(), '[', ']', depth, out, [&](const auto& item) { append(item, depth + 1, out); });
  } else {
    out += dump_json(value);
  }
}

}  // namespace

json::object made_config(const json::object& source, const std::vector<Unit>& units) {
  std::map<std::string, json::value> fields;
  for (const auto& [key, value] : source) fields.emplace(key, value);
  fields.erase("quantization");
  fields.erase("quantization_config");
  if (const std::optional<Quantization> fallback = most_common(units)) {
    json::object quantization = to_json(*fallback);
    for (const Unit& unit : units) {
      const auto* job = std::get_if<MatrixJob>(&unit.job);
      if (job == nullptr || !job->quantization) continue;
      json::object entry = to_json(*job->quantization);
      if (!job->global_scales.empty()) entry["global_scale"] = true;
      if (*job->quantization != *fallback || !job->global_scales.empty()) quantization[job->path] = entry;
    }
    fields["quantization"] = quantization;
    fields["quantization_config"] = quantization;
  }
  json::object made;
  for (auto& [key, value] : fields) made.emplace(key, std::move(value));
  return made;
}

std::string indented(const json::value& value) {
  std::string out;
  append(value, 0, out);
  return out;
}

}  // namespace glimt::convert
