#include "server/router.h"

#include "api/anthropic_messages.h"
#include "api/ollama_chat.h"
#include "api/ollama_models.h"
#include "api/openai_chat.h"
#include "api/responses.h"
#include "server/problem_response.h"
#include "server/status.h"
#include "server/tokens.h"

namespace glimt {
namespace {

HttpResponse json_response(const json::value& body) { return {200, "application/json", dump_json(body), {}}; }

HttpResponse kept_response(const Call& call) { return json_response(get_response(call.parameter, call.api)); }
HttpResponse forget_response(const Call& call) { return json_response(delete_response(call.parameter, call.api)); }

HttpResponse get_version(const Call&) { return json_response(ollama_version()); }

HttpResponse not_done(const Call& call) {
  return problem_response(call.dialect, make_problem(501, "models are made, sent and removed as folders, not here"),
                          {});
}

constexpr Dialect kOpenai = Dialect::openai;
constexpr Dialect kAnthropic = Dialect::anthropic;
constexpr Dialect kOllama = Dialect::ollama;

const Route kRoutes[] = {
    {"GET", "/", kOpenai, Quick{get_root}, false},
    {"GET", "/health", kOpenai, Quick{get_health}, false},
    {"GET", "/v1/status", kOpenai, Quick{get_status}},
    {"GET", "/slots", kOpenai, Quick{get_slots}},
    {"GET", "/metrics", kOpenai, Quick{get_metrics}},
    {"POST", "/v1/tokenize", kOpenai, Modelled{tokens_model, tokenize}},
    {"POST", "/v1/detokenize", kOpenai, Modelled{tokens_model, detokenize}},

    {"POST", "/v1/chat/completions", kOpenai, Answered{parse_chat_completions}},

    {"POST", "/v1/messages", kAnthropic, Answered{parse_messages}},
    {"POST", "/v1/messages/count_tokens", kAnthropic, Counted{parse_count_tokens, count_tokens_answer}},

    {"POST", "/v1/responses", kOpenai, Answered{parse_responses}},
    {"GET", "/v1/responses/{id}", kOpenai, Worked{kept_response}},
    {"DELETE", "/v1/responses/{id}", kOpenai, Worked{forget_response}},

    {"POST", "/api/chat", kOllama, Answered{parse_ollama_chat}},
    {"POST", "/api/generate", kOllama, Answered{parse_ollama_generate}},
    {"GET", "/api/version", kOllama, Quick{get_version}, false},
    {"POST", "/api/create", kOllama, Quick{not_done}},
    {"POST", "/api/push", kOllama, Quick{not_done}},
    {"POST", "/api/copy", kOllama, Quick{not_done}},
    {"DELETE", "/api/delete", kOllama, Quick{not_done}},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

}  // namespace glimt
