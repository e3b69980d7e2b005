#include "api/ollama_models.h"

#include "api/ollama_fields.h"
#include "api/timestamps.h"

#include <utility>

namespace glimt {
namespace {

// That of the Ollama whose dialect this is: editors and agents want a minimum.
constexpr std::string_view kOllamaVersion = "0.21.0";

// When a model goes that stays: Ollama's own longest time ends in these years, and clients show "for ever".
constexpr std::string_view kForEver = "2318-01-01T00:00:00Z";

std::string_view base_name(std::string_view name) {
  return name.substr(name.rfind('/') + 1);  // all of it without a '/'
}

std::string with_tag(std::string_view name) {
  const bool tagged = base_name(name).find(':') != std::string_view::npos;
  return std::string(name) + (tagged ? "" : ":latest");
}

// "30.0B", "3.3M".
std::string count_text(std::uint64_t count) {
  const auto number = static_cast<double>(count);
  if (number >= 1e9) return fmt::format("{:.1f}B", number / 1e9);
  if (number >= 1e6) return fmt::format("{:.1f}M", number / 1e6);
  if (number >= 1e3) return fmt::format("{:.1f}K", number / 1e3);
  return fmt::format("{}", count);
}

json::object details(const ModelCard& card) {
  return {{"parent_model", ""},
          {"format", card.format},
          {"family", card.architecture},
          {"families", json::array{card.architecture}},
          {"parameter_size", count_text(card.parameters)},
          {"quantization_level", card.quantization}};
}

json::array texts(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

json::object tag_entry(const ModelCard& card, std::uint64_t size) {
  const std::string name = with_tag(card.name);
  return {{"name", name},
          {"model", name},
          {"modified_at", rfc3339_seconds(card.modified)},
          {"size", size},
          {"digest", card.digest},
          {"details", details(card)},
          {"capabilities", texts(card.capabilities)}};
}

json::object model_info(const ModelCard& card) {
  const std::string& architecture = card.architecture;
  return {{"general.architecture", architecture},
          {"general.basename", base_name(card.name)},
          {"general.parameter_count", card.parameters},
          {architecture + ".context_length", card.context},
          {architecture + ".embedding_length", card.embedding_length},
          {architecture + ".block_count", card.layers}};
}

// Lines that clients take stop strings from.
std::string parameters(const ModelCard& card) {
  std::string lines;
  for (const std::string& stop : card.stop) {
    if (!lines.empty()) lines += '\n';
    lines += "stop " + json::serialize(json::string(stop));
  }
  return lines;
}

std::string modelfile(const ModelCard& card) {
  std::string file = fmt::format("FROM {}\n", with_tag(card.name));
  for (const std::string& stop : card.stop)
    file += fmt::format("PARAMETER stop {}\n", json::serialize(json::string(stop)));
  return file;
}

std::string not_empty(const FieldReader& body, std::string_view name) {
  std::string text = body.string_or(name, "");
  if (text.empty()) refuse(body.path(name), "is required: the name of a model");
  return text;
}

OllamaModelRequest parse_model(const json::object& object, const ApiObject& table) {
  OllamaModelRequest request;
  const FieldReader body(object, table, "", UnknownFields::ignore, request.ignored);
  request.model = body.string_or("model", "");
  if (request.model.empty()) request.model = body.string_or("name", "");
  if (request.model.empty()) refuse("model", "is required: the name of a model");
  return request;
}

}  // namespace

json::object ollama_tags(std::span<const ModelCard> cards) {
  json::array models;
  for (const ModelCard& card : cards) models.push_back(tag_entry(card, card.size));
  return {{"models", std::move(models)}};
}

json::object ollama_ps(std::span<const RunningModel> running) {
  json::array models;
  for (const RunningModel& model : running) {
    json::object entry = tag_entry(model.card, model.bytes);
    entry["expires_at"] = model.expires ? rfc3339_seconds(*model.expires) : std::string(kForEver);
    entry["size_vram"] = model.gpu_bytes;
    entry["context_length"] = model.context;
    models.push_back(std::move(entry));
  }
  return {{"models", std::move(models)}};
}

json::object ollama_show(const ModelCard& card) {
  return {{"license", card.license},
          {"modelfile", modelfile(card)},
          {"parameters", parameters(card)},
          {"template", card.chat_template},
          {"details", details(card)},
          {"model_info", model_info(card)},
          {"capabilities", texts(card.capabilities)},
          {"modified_at", rfc3339_seconds(card.modified)}};
}

json::object ollama_version() { return {{"version", kOllamaVersion}}; }

json::object ollama_pull_done() { return {{"status", "success"}}; }

OllamaModelRequest parse_ollama_show(const json::object& body) { return parse_model(body, kOllamaShowRequest); }

OllamaModelRequest parse_ollama_delete(const json::object& body) { return parse_model(body, kOllamaDeleteRequest); }

OllamaModelRequest parse_ollama_pull(const json::object& object) {
  OllamaModelRequest request = parse_model(object, kOllamaPullRequest);
  std::vector<std::string> named_already;
  const FieldReader body(object, kOllamaPullRequest, "", UnknownFields::ignore, named_already);
  request.stream = body.boolean_or("stream", true);
  return request;
}

OllamaCopyRequest parse_ollama_copy(const json::object& object) {
  OllamaCopyRequest request;
  const FieldReader body(object, kOllamaCopyRequest, "", UnknownFields::ignore, request.ignored);
  request.source = not_empty(body, "source");
  request.destination = not_empty(body, "destination");
  return request;
}

}  // namespace glimt
