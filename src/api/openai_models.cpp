#include "api/openai_models.h"

namespace glimt {
namespace {

using Use = ApiField::Use;

// clang-format off
constexpr ApiField kModelFields[] = {
    {"id", Use::honoured, R"({"type": "string"})", "the model's name", true},
    {"object", Use::honoured, R"({"type": "string", "const": "model"})", "", true},
    {"created", Use::honoured, R"({"type": "integer"})", "seconds since 1970", true},
    {"owned_by", Use::honoured, R"({"type": "string"})", "glimt", true},
    {"context_length", Use::honoured, R"({"type": "integer", "minimum": 1})", "most tokens of prompt and answer; an extension", true},
    {"max_model_len", Use::honoured, R"({"type": "integer", "minimum": 1})", "the same; an extension", true},
};
constexpr ApiField kListFields[] = {
    {"object", Use::honoured, R"({"type": "string", "const": "list"})", "", true},
    {"data", Use::honoured, R"({"type": "array", "items": {"$ref": "#/components/schemas/Model"}})", "", true},
};
// clang-format on

constexpr ApiObject kModel{"Model", kModelFields};
constexpr ApiObject kList{"ModelList", kListFields};
constexpr const ApiObject* kObjects[] = {&kModel};
constexpr ApiOperation kOperations[] = {
    {"GET", "/v1/models", "The models; Anthropic's form with the header anthropic-version", nullptr, &kList},
    {"GET", "/v1/models/{id}", "One model", nullptr, &kModel},
};

}  // namespace

json::object openai_model(const ModelCard& card) {
  return {{"id", card.name},
          {"object", "model"},
          {"created", card.modified},
          {"owned_by", "glimt"},
          {"context_length", card.context},
          {"max_model_len", card.context}};
}

json::object openai_models(std::span<const ModelCard> cards) {
  json::array data;
  for (const ModelCard& card : cards) data.push_back(openai_model(card));
  return {{"object", "list"}, {"data", std::move(data)}};
}

const ApiDescription& openai_models_description() {
  static const ApiDescription description{"OpenAI: models", kOperations, kObjects};
  return description;
}

}  // namespace glimt
