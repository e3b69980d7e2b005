#include "api/ollama_embed.h"

#include "api/fields.h"
#include "api/limits.h"
#include "api/ollama_fields.h"
#include "api/ollama_options.h"

#include <limits>
#include <string>
#include <utility>

namespace glimt {
namespace {

constexpr std::int64_t kMostDimensions = std::numeric_limits<std::int32_t>::max();

void read_common(const FieldReader& body, EmbeddingsRequest& request) {
  ApiRequest options;  // of all that they may say, the length of a text alone matters here
  read_ollama_options(body, options);
  request.model = body.string_or("model", "");
  request.context = options.context;
  request.keep_alive = read_keep_alive(body);
  request.ignored.insert(request.ignored.end(), options.ignored.begin(), options.ignored.end());
}

std::string text_of(const json::value& value, const std::string& path) {
  if (!is_text(value)) refuse(path, fmt::format("must be a string, got {}", shown_json(value)));
  if (value.get_string().empty()) refuse(path, "must not be empty");
  return std::string(value.get_string());
}

json::array numbers(const std::vector<float>& vector) {
  json::array list;
  list.reserve(vector.size());
  for (const float number : vector) list.emplace_back(static_cast<double>(number));
  return list;
}

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

}  // namespace

EmbeddingsRequest parse_ollama_embed(const json::object& object) {
  EmbeddingsRequest request;
  const FieldReader body(object, kOllamaEmbedRequest, "", UnknownFields::ignore, request.ignored);
  read_common(body, request);
  request.truncate = body.boolean_or("truncate", true);
  request.dimensions = static_cast<std::size_t>(body.integer_or("dimensions", 0, 0, kMostDimensions));
  const json::value& input = *body.find("input");  // the table requires it
  if (!input.is_array()) {
    request.inputs = {text_of(input, "input")};
    return request;
  }
  const json::array& list = input.get_array();
  if (list.empty()) refuse("input", "must have at least one text");
  check_count("input", list.size(), kMaxEmbeddingInputs);
  for (std::size_t i = 0; i < list.size(); ++i) {
    request.inputs.push_back(text_of(list[i], fmt::format("input[{}]", i)));
  }
  return request;
}

EmbeddingsRequest parse_ollama_embeddings(const json::object& object) {
  EmbeddingsRequest request;
  const FieldReader body(object, kOllamaOldEmbedRequest, "", UnknownFields::ignore, request.ignored);
  read_common(body, request);
  request.truncate = true;
  const json::value* prompt = body.find("prompt");
  if (prompt == nullptr) refuse("prompt", "is required");
  request.inputs = {text_of(*prompt, "prompt")};
  return request;
}

json::object ollama_embed_answer(std::string_view model, Vectors vectors, std::size_t prompt_tokens,
                                 const EmbeddingsTimes& times) {
  json::array embeddings;
  for (const std::vector<float>& vector : vectors) embeddings.push_back(numbers(vector));
  return {{"model", model},
          {"embeddings", std::move(embeddings)},
          {"total_duration", nanoseconds(times.total_seconds)},
          {"load_duration", nanoseconds(times.load_seconds)},
          {"prompt_eval_count", prompt_tokens}};
}

json::object ollama_embeddings_answer(const std::vector<float>& vector) { return {{"embedding", numbers(vector)}}; }

}  // namespace glimt
