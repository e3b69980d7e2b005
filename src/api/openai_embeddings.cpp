#include "api/openai_embeddings.h"

#include "api/base64.h"
#include "api/limits.h"
#include "api/openai_answer_fields.h"

#include <bit>
#include <cstdint>

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::int64_t kMaxDimensions = 1 << 20;  // far beyond any model's

// clang-format off
constexpr ApiField kRequestFields[] = {
    {"model", Use::honoured, R"({"type": "string"})", "a name of GET /v1/models; the default model if absent"},
    {"input", Use::honoured, R"({"type": ["string", "array"], "minItems": 1, "maxItems": 2048, "items": {"type": "string"}})", "a text or a list of texts", true},
    {"encoding_format", Use::honoured, R"({"type": "string", "enum": ["float", "base64"]})", "base64: the numbers as little-endian float32"},
    {"dimensions", Use::honoured, R"({"type": "integer", "minimum": 1})", "only the first so many numbers, of length 1 again"},
    {"user", Use::carried, "{}", "clients' bookkeeping"},
};
// clang-format on

constexpr ApiObject kRequest{"EmbeddingsRequest", kRequestFields};
constexpr const ApiObject* kObjects[] = {&kEmbedding};
constexpr ApiOperation kOperations[] = {
    {"POST", "/v1/embeddings", "Texts as vectors", &kRequest, &kEmbeddingList},
};

std::string input_of(const json::value& value, const std::string& path) {
  if (value.is_number() || value.is_array()) {
    refuse(path,
           "token ids are not supported: send the text (LangChain's OpenAIEmbeddings does with "
           "check_embedding_ctx_length=False)",
           "unsupported_value");
  }
  if (!is_text(value)) refuse(path, fmt::format("must be a string, got {}", shown_json(value)));
  if (value.get_string().empty()) refuse(path, "must not be empty");
  return std::string(value.get_string());
}

std::vector<std::string> read_inputs(const FieldReader& body) {
  const json::value& input = *body.find("input");
  const std::string path = body.path("input");
  if (!input.is_array()) return {input_of(input, path)};
  const json::array& list = input.get_array();
  if (list.empty()) refuse(path, "must not be empty");
  if (!list[0].is_number()) check_count(path, list.size(), kMaxEmbeddingInputs);
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < list.size(); ++i) inputs.push_back(input_of(list[i], fmt::format("{}[{}]", path, i)));
  return inputs;
}

std::string little_endian(const std::vector<float>& vector) {
  std::string bytes;
  bytes.reserve(4 * vector.size());
  for (const float number : vector) {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(bits >> shift & 0xFFU);
  }
  return bytes;
}

json::value as_numbers(const std::vector<float>& vector) {
  json::array numbers;
  numbers.reserve(vector.size());
  for (const float number : vector) numbers.emplace_back(static_cast<double>(number));
  return numbers;
}

}  // namespace

OpenAiEmbeddings parse_openai_embeddings(const json::object& body, const ApiOptions& options) {
  OpenAiEmbeddings parsed;
  EmbeddingsRequest& request = parsed.request;
  const FieldReader fields(body, kRequest, {}, options.unknown, request.ignored);
  request.model = fields.string_or("model", {});
  request.inputs = read_inputs(fields);
  request.dimensions = static_cast<std::size_t>(fields.integer_or("dimensions", 0, 1, kMaxDimensions));
  parsed.base64 = fields.one_of("encoding_format", "float", {"float", "base64"}) == "base64";
  return parsed;
}

json::object openai_embeddings_answer(std::string_view model, std::span<const std::vector<float>> vectors,
                                      std::size_t prompt_tokens, bool base64) {
  json::array data;
  data.reserve(vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const json::value embedding =
        base64 ? json::value(base64_encode(little_endian(vectors[i]))) : as_numbers(vectors[i]);
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", embedding}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", prompt_tokens}, {"total_tokens", prompt_tokens}}}};
}

const ApiDescription& openai_embeddings_description() {
  static const ApiDescription description{"OpenAI: embeddings", kOperations, kObjects};
  return description;
}

}  // namespace glimt
