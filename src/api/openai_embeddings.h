// POST /v1/embeddings.
#pragma once

#include "api/description.h"
#include "api/embeddings_request.h"
#include "api/endpoint.h"
#include "base/json.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct OpenAiEmbeddings {
  EmbeddingsRequest request;
  bool base64 = false;  // the form that the client wants its vectors in; SDKs ask for it unless told otherwise
};

// Throws ApiError.
OpenAiEmbeddings parse_openai_embeddings(const json::object& body, const ApiOptions& options);

// `vectors` in the order of the inputs; in base64 each is its float32 numbers, little-endian. Their memory bounds the
// answer's. `model` as it was asked for.
json::object openai_embeddings_answer(std::string_view model, std::span<const std::vector<float>> vectors,
                                      std::size_t prompt_tokens, bool base64);

const ApiDescription& openai_embeddings_description();

}  // namespace glimt
