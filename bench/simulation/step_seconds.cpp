#include "simulation/step_seconds.h"

#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace glimt::simulation {
namespace {

struct Measured {
  int sequences, tokens, depth;
  double seconds;

  bool decodes() const { return tokens == 1; }
  int rows() const { return sequences * tokens; }
  double keys() const { return rows() * (depth + (tokens + 1) / 2.0); }
};

std::vector<Measured> measured_steps(const JsonFields& file) {
  std::vector<Measured> steps;
  for (const json::value& value : file.array("steps")) {
    const std::string where = fmt::format("{}: steps[{}]", file.where(), steps.size());
    if (!value.is_object()) fail(ErrorKind::bad_file, where, "an object is wanted, got {}", dump_json(value));
    const JsonFields fields(value.get_object(), where);
    steps.push_back({static_cast<int>(fields.integer("sequences", 1, 1 << 10)),
                     static_cast<int>(fields.integer("tokens", 1, 1 << 20)),
                     static_cast<int>(fields.integer("depth", 0, 1 << 20)), fields.number("seconds", 1e-9, 1e6)});
    fields.finish();
  }
  return steps;
}

// The mean over all pairs of one shape at two depths.
double seconds_a_key(const std::vector<Measured>& steps, bool decodes, const std::string& where) {
  double sum = 0;
  int pairs = 0;
  for (const Measured& a : steps) {
    for (const Measured& b : steps) {
      if (a.decodes() != decodes || a.tokens != b.tokens || a.sequences != b.sequences || a.depth >= b.depth) continue;
      sum += std::max(0.0, (b.seconds - a.seconds) / (b.keys() - a.keys()));
      ++pairs;
    }
  }
  if (pairs == 0) {
    fail(ErrorKind::bad_file, where, "two depths of one shape of step are wanted {} decode",
         decodes ? "that" : "that do not");
  }
  return sum / pairs;
}

}  // namespace

StepSeconds StepSeconds::from_file(const std::filesystem::path& file) {
  const json::value content = parse_json_file(file);
  if (!content.is_object()) fail(ErrorKind::bad_file, file.string(), "an object is wanted");
  const JsonFields fields(content.get_object(), file.string());
  StepSeconds seconds;
  seconds.about_ = fmt::format("{}, {}, {}", fields.string("machine"), fields.string("date"), fields.string("model"));
  seconds.layers_ = static_cast<int>(fields.integer("layers", 1, 1000));
  seconds.row_bytes_ = static_cast<int>(fields.integer("row_bytes", 1, 1 << 24));
  const std::vector<Measured> steps = measured_steps(fields);
  fields.ignore({"revision"});
  fields.finish();
  seconds.decode_key_ = seconds_a_key(steps, true, file.string());
  seconds.prefill_key_ = seconds_a_key(steps, false, file.string());
  std::map<int, double> by_rows;
  for (const Measured& step : steps) {
    if (step.depth > 0) continue;
    const double keys = step.keys() * (step.decodes() ? seconds.decode_key_ : seconds.prefill_key_);
    by_rows[step.rows()] = std::max(step.seconds - keys, 1e-9);
  }
  if (by_rows.size() < 2) fail(ErrorKind::bad_file, file.string(), "two numbers of rows at depth 0 are wanted");
  for (const auto& [rows, time] : by_rows) seconds.rows_.emplace_back(std::log(rows), std::log(time));
  return seconds;
}

// Behind the last measured number the line goes on.
double StepSeconds::row_seconds(int rows) const {
  const double x = std::log(std::max(rows, 1));
  const auto behind =
      std::find_if(rows_.begin() + 1, rows_.end() - 1, [x](const auto& point) { return point.first >= x; });
  const auto& [x0, y0] = *(behind - 1);
  const auto& [x1, y1] = *behind;
  return std::exp(y0 + (y1 - y0) * (std::max(x, rows_.front().first) - x0) / (x1 - x0));
}

double StepSeconds::operator()(const StepLoad& load) const {
  return row_seconds(load.rows) + decode_key_ * load.decode_keys + prefill_key_ * load.prefill_keys;
}

}  // namespace glimt::simulation
