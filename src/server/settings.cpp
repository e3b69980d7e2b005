#include "server/settings.h"

#include "api/openai_sampling.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace glimt {
namespace {

constexpr std::string_view kFeatures[] = {"continue_final_message", "glimt", "regex", "grammar",
                                          "thinking_budget",        "unload"};
constexpr double kLargestExact = 9007199254740991;  // JavaScript's numbers hold integers up to here

// The number that a person would write: 0.95 and not 0.949999988.
double short_number(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

json::object setting_json(const SamplingName& named, const SamplingParams& defaults) {
  const SamplingField& field = *find_sampling_field(named.field);
  // A request that says nothing of repeat_last_n has penalties look back on all of the answer.
  const double standard = field.name == "repeat_last_n" ? -1 : short_number(field.get(defaults));
  return {{"name", field.name},
          {"field", named.name},
          {"type", field.type == SamplingField::Type::integer ? "integer" : "number"},
          {"min", std::max(named.min, field.min)},
          {"min_excluded", field.excludes_min && named.min <= field.min},
          {"max", std::min(named.max, field.max)},
          {"default", standard},
          {"help", field.help},
          {"group", "sampling"}};
}

json::object integer_json(std::string_view name, double min, std::string_view help, std::string_view group) {
  return {{"name", name},         {"field", name},      {"type", "integer"}, {"min", min},    {"min_excluded", false},
          {"max", kLargestExact}, {"default", nullptr}, {"help", help},      {"group", group}};
}

}  // namespace

HttpResponse get_settings(const Call&, const ServedModel& model) {
  json::array settings{integer_json("max_tokens", 1, "the longest answer, thinking included", "answer")};
  for (const SamplingName& named : openai_sampling_names()) settings.push_back(setting_json(named, model.defaults()));
  settings.push_back(integer_json("seed", 0, "same seed, same text", "sampling"));
  json::array features;
  for (const std::string_view feature : kFeatures) features.emplace_back(feature);
  const json::object body{{"model", model.name()},
                          {"context_length", model.resources().context},
                          {"settings", std::move(settings)},
                          {"features", std::move(features)}};
  return {200, "application/json", dump_json(body), {}};
}

std::string settings_model(const HttpRequest& request) { return query_value(request.query, "model"); }

}  // namespace glimt
