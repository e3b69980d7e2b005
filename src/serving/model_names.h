// What a client calls a model, and which one it means. Pure: no files, no state.
#pragma once

#include "hub/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ModelNames {
  std::vector<StoredModel> models;  // that may be used
  // What an empty name and, unless `strict`, vendors' names mean.
  std::optional<StoredModel> default_model;
  bool strict = false;
};

// Agents ask for these without being configured: claude-*, anthropic/*, gpt-*, chatgpt-*, codex-*, o1* to o4*, haiku,
// sonnet, opus; in any case, with or without ":latest".
bool is_vendors_name(std::string_view name);

// "demo" for "demo" and for "demo:latest".
std::string_view without_latest(std::string_view name);

// In this order: the exact name; without or with ":latest"; the folder of one of the models (never another folder: a
// request must not open what nobody put there); the name in other case; a vendor's name. Throws not_found, which names
// the model and those that there are; invalid_request for an empty name where there is no default.
StoredModel find_model(const ModelNames& names, std::string_view asked);

}  // namespace glimt
