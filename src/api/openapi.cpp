#include "api/openapi.h"

#include "api/anthropic_fields.h"
#include "api/ollama_fields.h"
#include "api/openai_chat.h"
#include "api/openai_completions.h"
#include "api/openai_embeddings.h"
#include "api/openai_models.h"
#include "api/responses_fields.h"
#include "api/server_fields.h"
#include "api/wire.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace glimt {
namespace {

constexpr std::string_view kAbout =
    "What OpenAI's, Anthropic's and Ollama's clients speak. Null counts as absent. Routes of /v1 also work without it. "
    "docs/API.md says the same in tables.";

std::string reference(std::string_view name) { return fmt::format("#/components/schemas/{}", name); }

// ---- schemas ----

json::object field_schema(const ApiField& field) {
  json::object schema = parse_json(field.schema, field.name).as_object();
  std::string about(field.about);
  if (field.use == ApiField::Use::carried) about = about.empty() ? "without effect" : "without effect: " + about;
  if (!about.empty()) schema["description"] = about;
  return schema;
}

// `closed`: a field that is not in the table is an error.
json::object object_schema(const ApiObject& object, bool closed) {
  json::object properties;
  json::array required;
  for (const ApiField& field : object.fields) {
    if (field.use == ApiField::Use::refused) continue;
    properties[field.name] = field_schema(field);
    if (field.required) required.emplace_back(field.name);
  }
  json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (closed) schema["additionalProperties"] = false;
  return schema;
}

json::object error_schemas() {
  const auto text = [](std::string_view about) { return json::object{{"type", "string"}, {"description", about}}; };
  const json::object text_or_null{{"type", json::array{"string", "null"}}};
  const json::object openai{
      {"type", "object"},
      {"required", {"message", "type", "param", "code"}},
      {"properties",
       {{"message", text("for a reader")}, {"type", text("")}, {"param", text_or_null}, {"code", text_or_null}}}};
  const json::object anthropic{{"type", "object"},
                               {"required", {"type", "message"}},
                               {"properties", {{"type", text("")}, {"message", text("for a reader")}}}};
  return {
      {"OpenAiError", {{"type", "object"}, {"required", {"error"}}, {"properties", {{"error", openai}}}}},
      {"AnthropicError",
       {{"type", "object"},
        {"required", {"type", "error", "request_id"}},
        {"properties", {{"type", {{"const", "error"}}}, {"error", anthropic}, {"request_id", text("of the log")}}}}},
      {"OllamaError",
       {{"type", "object"}, {"required", {"error"}}, {"properties", {{"error", text("for a reader")}}}}}};
}

bool is_ollama(std::string_view path) { return path.starts_with("/api/"); }

json::object all_schemas() {
  json::object schemas = error_schemas();
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      if (operation.request != nullptr) {
        schemas[operation.request->name] = object_schema(*operation.request, !is_ollama(operation.path));
      }
      if (operation.answer != nullptr) schemas[operation.answer->name] = object_schema(*operation.answer, false);
    }
    for (const ApiObject* object : part->objects) schemas[object->name] = object_schema(*object, false);
  }
  return schemas;
}

// ---- operations ----

std::string error_name(std::string_view path) {
  if (is_ollama(path)) return "OllamaError";
  return path.starts_with("/v1/messages") ? "AnthropicError" : "OpenAiError";
}

json::object content(std::string_view type, std::string_view schema_name) {
  return {{type, {{"schema", {{"$ref", reference(schema_name)}}}}}};
}

json::object responses_of(const ApiOperation& operation) {
  json::object good{{"description", "The answer"}};
  if (operation.answer != nullptr) good["content"] = content(kJsonType, operation.answer->name);
  if (!operation.streamed_type.empty()) {
    json::value& types = good["content"];
    if (types.is_null()) types = json::object{{kJsonType, json::object()}};
    types.as_object()[operation.streamed_type] = json::object();  // events or lines, each a JSON value
  }
  const json::object bad{{"description", "An error"}, {"content", content(kJsonType, error_name(operation.path))}};
  return {{"200", std::move(good)}, {"4XX", bad}, {"5XX", bad}};
}

// One for each {name} in the path, and those of the query.
json::array parameters_of(const ApiOperation& operation) {
  const std::string_view path = operation.path;
  json::array parameters;
  for (std::size_t open = path.find('{'); open != path.npos; open = path.find('{', open + 1)) {
    const std::string_view name = path.substr(open + 1, path.find('}', open) - open - 1);
    parameters.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}, {"minLength", 1}}}});
  }
  if (operation.query == nullptr) return parameters;
  for (const ApiField& field : operation.query->fields) {
    parameters.push_back({{"name", field.name},
                          {"in", "query"},
                          {"required", field.required},
                          {"description", field.about},
                          {"schema", parse_json(field.schema, field.name)}});
  }
  return parameters;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// "post_v1_chat_completions"
std::string operation_id(const ApiOperation& operation) {
  std::string id = in_lower_case(operation.method);
  for (const char c : operation.path) {
    const bool is_letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (is_letter || id.back() != '_') id += is_letter ? c : '_';
  }
  if (id.back() == '_') id.pop_back();
  return id;
}

json::object operation_object(const ApiDescription& part, const ApiOperation& operation) {
  json::object object{{"tags", {part.title}},
                      {"summary", operation.summary},
                      {"operationId", operation_id(operation)},
                      {"parameters", parameters_of(operation)}};
  if (operation.request != nullptr) {
    object["requestBody"] = {{"required", true}, {"content", content(kJsonType, operation.request->name)}};
  }
  object["responses"] = responses_of(operation);
  return object;
}

}  // namespace

std::span<const ApiDescription* const> api_descriptions() {
  static const ApiDescription* const parts[] = {
      &chat_completions_description(), &completions_description(), &openai_embeddings_description(),
      &openai_models_description(),    &responses_description(),   &anthropic_description(),
      &ollama_description(),           &server_description(),
  };
  return parts;
}

json::object openapi_document(std::string_view version) {
  json::object paths;
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      json::value& methods = paths[operation.path];
      if (methods.is_null()) methods = json::object();
      methods.as_object()[in_lower_case(operation.method)] = operation_object(*part, operation);
    }
  }
  const json::object schemes{{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
                             {"key", {{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}};
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "glimt"}, {"version", version}, {"description", kAbout}}},
          {"security",
           json::array{json::object{{"bearer", json::array()}}, json::object{{"key", json::array()}}, json::object()}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", all_schemas()}, {"securitySchemes", schemes}}}};
}

}  // namespace glimt
