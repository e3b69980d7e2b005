// Ollama's endpoints about models: bodies of requests to values, values to bodies of answers.
//
// Names carry a tag here: what the store calls "demo" is "demo:latest". Whoever resolves the names of requests takes
// both for the same.
#pragma once

#include "api/model_card.h"
#include "base/json.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// ---- answers ----

json::object ollama_tags(std::span<const ModelCard> cards);     // GET /api/tags
json::object ollama_ps(std::span<const RunningModel> running);  // GET /api/ps
json::object ollama_show(const ModelCard& card);                // POST /api/show
json::object ollama_version();                                  // GET /api/version: of the dialect, not of glimt

// POST /api/pull: the answer, or the last line of a streamed one. The others are pull_event_json's (hub/pull_event.h).
json::object ollama_pull_done();

// ---- requests; all throw ApiError ----

struct OllamaModelRequest {
  std::string model;                 // not empty
  bool stream = true;                // of pull
  std::vector<std::string> ignored;  // fields without effect
};

OllamaModelRequest parse_ollama_show(const json::object& body);
OllamaModelRequest parse_ollama_pull(const json::object& body);
OllamaModelRequest parse_ollama_delete(const json::object& body);

struct OllamaCopyRequest {
  std::string source;  // neither is empty
  std::string destination;
  std::vector<std::string> ignored;
};

OllamaCopyRequest parse_ollama_copy(const json::object& body);

}  // namespace glimt
