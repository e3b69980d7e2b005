// Ollama's POST /api/embed, and /api/embeddings of old clients.
#pragma once

#include "api/embeddings_request.h"
#include "base/json.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace glimt {

EmbeddingsRequest parse_ollama_embed(const json::object& body);       // "input": a text or a list
EmbeddingsRequest parse_ollama_embeddings(const json::object& body);  // "prompt": one text

using Vectors = std::span<const std::vector<float>>;  // of length 1, in the order of the inputs

struct EmbeddingsTimes {
  double total_seconds = 0;
  double load_seconds = 0;  // that the request waited for its model
};

// {"model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"}
json::object ollama_embed_answer(std::string_view model, Vectors vectors, std::size_t prompt_tokens,
                                 const EmbeddingsTimes& times);

// {"embedding"}
json::object ollama_embeddings_answer(const std::vector<float>& vector);

}  // namespace glimt
