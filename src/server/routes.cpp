#include "server/router.h"

#include "api/anthropic_messages.h"
#include "api/ollama_chat.h"
#include "api/ollama_embed.h"
#include "api/ollama_models.h"
#include "api/openai_chat.h"
#include "api/openai_completions.h"
#include "api/openai_embeddings.h"
#include "api/openapi.h"
#include "api/response_input.h"
#include "api/responses.h"
#include "api/wire.h"
#include "server/model_routes.h"
#include "server/problem_response.h"
#include "server/settings.h"
#include "server/status.h"
#include "server/store_routes.h"
#include "server/tokens.h"

#include <utility>

namespace glimt {
namespace {

HttpResponse json_response(const json::value& body) { return {200, "application/json", wire_json(body), {}}; }

HttpResponse kept_response(const Call& call) { return json_response(get_response(call.parameter, call.api)); }
HttpResponse kept_input(const Call& call) {
  const InputItemsPage page = input_items_page(query_of(call.request.query));
  return json_response(response_input_items(call.parameter, page, call.api));
}

HttpResponse forget_response(const Call& call) { return json_response(delete_response(call.parameter, call.api)); }

HttpResponse get_openapi(const Call& call) { return json_response(openapi_document(call.service.options.version)); }

EmbeddingsCall openai_embeddings(const json::object& body, const ApiOptions& options) {
  OpenAiEmbeddings asked = parse_openai_embeddings(body, options);
  return {std::move(asked.request),
          [base64 = asked.base64](std::string_view model, Vectors vectors, std::size_t tokens, const EmbeddingsTimes&) {
            return openai_embeddings_answer(model, vectors, tokens, base64);
          }};
}

EmbeddingsCall ollama_embed(const json::object& body, const ApiOptions&) {
  return {parse_ollama_embed(body), ollama_embed_answer};
}

EmbeddingsCall ollama_embeddings(const json::object& body, const ApiOptions&) {
  return {parse_ollama_embeddings(body), [](std::string_view, Vectors vectors, std::size_t, const EmbeddingsTimes&) {
            return ollama_embeddings_answer(vectors.front());
          }};
}

HttpResponse get_version(const Call&) { return json_response(ollama_version()); }

HttpResponse not_done(const Call& call) {
  return problem_response(call.dialect, make_problem(501, "models are made and sent as folders, not here"), {});
}

constexpr Dialect kOpenai = Dialect::openai;
constexpr Dialect kAnthropic = Dialect::anthropic;
constexpr Dialect kOllama = Dialect::ollama;

const Route kRoutes[] = {
    {"GET", "/", kOpenai, Quick{get_root}, false},
    {"GET", "/health", kOpenai, Quick{get_health}, false},
    {"GET", "/v1/status", kOpenai, Quick{get_status}},
    {"GET", "/slots", kOpenai, Quick{get_slots}},
    {"GET", "/v1/settings", kOpenai, Modelled{settings_model, get_settings}},
    {"GET", "/metrics", kOpenai, Quick{get_metrics}},
    {"POST", "/v1/tokenize", kOpenai, Modelled{tokens_model, tokenize}},
    {"POST", "/v1/detokenize", kOpenai, Modelled{tokens_model, detokenize}},

    {"GET", "/openapi.json", kOpenai, Worked{get_openapi}},

    {"GET", "/v1/models", kOpenai, Worked{list_models}},
    {"GET", "/v1/models/{id}", kOpenai, Worked{get_model}},
    {"POST", "/v1/completions", kOpenai, Answered{parse_completions}},
    {"POST", "/v1/embeddings", kOpenai, Embedded{openai_embeddings}},
    {"POST", "/v1/chat/completions", kOpenai, Answered{parse_chat_completions}},

    {"POST", "/v1/messages", kAnthropic, Answered{parse_messages}},
    {"POST", "/v1/messages/count_tokens", kAnthropic, Counted{parse_count_tokens, count_tokens_answer}},

    {"POST", "/v1/responses", kOpenai, Answered{parse_responses}},
    {"GET", "/v1/responses/{id}/input_items", kOpenai, Worked{kept_input}},
    {"GET", "/v1/responses/{id}", kOpenai, Worked{kept_response}},
    {"DELETE", "/v1/responses/{id}", kOpenai, Worked{forget_response}},

    {"POST", "/api/chat", kOllama, Answered{parse_ollama_chat}},
    {"POST", "/api/generate", kOllama, Answered{parse_ollama_generate}},
    {"POST", "/api/embed", kOllama, Embedded{ollama_embed}},
    {"POST", "/api/embeddings", kOllama, Embedded{ollama_embeddings}},
    {"GET", "/api/version", kOllama, Quick{get_version}, false},
    {"GET", "/api/tags", kOllama, Worked{list_tags}},
    {"GET", "/api/ps", kOllama, Worked{list_running}},
    {"POST", "/api/show", kOllama, Worked{show_model}},
    {"POST", "/api/pull", kOllama, Waited{pull_model}},
    {"POST", "/api/copy", kOllama, Changed{copy_stored_model}},
    {"DELETE", "/api/delete", kOllama, Changed{delete_stored_model}},
    {"POST", "/api/create", kOllama, Quick{not_done}},
    {"POST", "/api/push", kOllama, Quick{not_done}},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

}  // namespace glimt
