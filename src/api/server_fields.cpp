#include "api/server_fields.h"

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr std::string_view kString = R"({"type": "string"})";
constexpr std::string_view kIds = R"({"type": "array", "items": {"type": "integer"}})";

// clang-format off
constexpr ApiField kTokenizeFields[] = {
    {"content", Use::honoured, kString, "the text; a body that is no JSON is the text itself, and its answer a bare array", true},
    {"parse_special", Use::honoured, R"({"type": "boolean"})", "texts of control tokens are control tokens"},
    {"model", Use::honoured, kString, "whose tokenizer; the default model's if absent"},
};
constexpr ApiField kDetokenizeFields[] = {
    {"tokens", Use::honoured, kIds, "ids", true},
    {"model", Use::honoured, kString, "whose tokenizer; the default model's if absent"},
};
constexpr ApiField kTextFields[] = {
    {"content", Use::honoured, kString, "the text", true},
};
constexpr ApiField kModelQueryFields[] = {
    {"model", Use::honoured, kString, "the default model if absent"},
};
constexpr ApiField kHealthFields[] = {
    {"device", Use::honoured, kString, "what computes"},
    {"status", Use::honoured, kString, "ok; with status 503 what is wrong", true},
};
// clang-format on

constexpr ApiObject kTokenizeRequest{"TokenizeRequest", kTokenizeFields};
constexpr ApiObject kDetokenizeRequest{"DetokenizeRequest", kDetokenizeFields};
constexpr ApiObject kText{"DetokenizedText", kTextFields};
constexpr ApiObject kHealth{"Health", kHealthFields};
constexpr ApiObject kModelQuery{"ModelQuery", kModelQueryFields};

constexpr ApiOperation kOperations[] = {
    {"GET", "/", "\"Ollama is running\", for the clients that look for it; a page for browsers"},
    {"GET", "/health", "Whether the engine answers", nullptr, &kHealth},
    {"GET", "/v1/status", "Progress of loading, memory and context"},
    {"GET",
     "/v1/settings",
     "What chat completions can be asked for: bounds, and the model's defaults",
     nullptr,
     nullptr,
     {},
     &kModelQuery},
    {"GET", "/slots", "What each model's engine is doing, and its requests one by one"},
    {"GET", "/metrics", "Numbers for Prometheus"},
    {"GET", "/openapi.json", "This document"},
    {"POST",
     "/v1/tokenize",
     "A text as {\"tokens\": ids}; a body that is no JSON as a bare array of ids",
     &kTokenizeRequest,
     nullptr,
     {},
     &kModelQuery},
    {"POST", "/v1/detokenize", "Token ids as a text", &kDetokenizeRequest, &kText},
};

}  // namespace

const ApiDescription& server_description() {
  static constexpr ApiDescription kDescription{"The server", kOperations, {}};
  return kDescription;
}

}  // namespace glimt
