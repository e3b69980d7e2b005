// The fields of Ollama's dialect: what checks its requests, and what /openapi.json says of it. Fields that are in no
// table are accepted and named, as Ollama does.
#pragma once

#include "api/description.h"

namespace glimt {

extern const ApiObject kOllamaChatRequest;      // POST /api/chat
extern const ApiObject kOllamaGenerateRequest;  // POST /api/generate
extern const ApiObject kOllamaOptions;          // "options" of both, and of embed
extern const ApiObject kOllamaEmbedRequest;     // POST /api/embed
extern const ApiObject kOllamaOldEmbedRequest;  // POST /api/embeddings
extern const ApiObject kOllamaShowRequest;      // POST /api/show
extern const ApiObject kOllamaPullRequest;      // POST /api/pull
extern const ApiObject kOllamaDeleteRequest;    // DELETE /api/delete
extern const ApiObject kOllamaCopyRequest;      // POST /api/copy

const ApiDescription& ollama_description();

}  // namespace glimt
