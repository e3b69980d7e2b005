// What a model is called: "demo", "zai-org/GLM-4.7-Flash", the same with "@revision" or ":tag". The one place that
// makes paths from names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

struct ModelName {
  std::string owner;   // may be empty
  std::string name;    // not empty
  std::string suffix;  // "", "@revision" or ":tag"

  std::string repository() const;  // "owner/name"
  std::string text() const;        // as a user writes it
  std::string revision() const;    // what stands behind '@' or ':'; empty if nothing does
};

// nullopt for what is no name: empty or over 200 bytes, ".." or a leading '.' in any part, '/' at an end, bytes other
// than letters, digits, '.', '_', '-' (and '/' in a revision, whose parts follow the same rule). ":latest" and "@main"
// are what a name without them means, and are dropped.
std::optional<ModelName> parse_model_name(std::string_view text);

// The model's folder in a place. '/' and ':' of the suffix are "%2F" and "%3A" there, so that each name has one folder,
// none lies in another's, and none lies outside of the place.
std::filesystem::path model_folder(const std::filesystem::path& place, const ModelName& name);

// One word for a name, also of a file: owner and folder joined by '%'.
std::string unfinished_key(const ModelName& name);

// The reverse of model_folder: the name whose folder is `owner`/`folder` (or only `folder`) in a place.
std::optional<ModelName> model_name_of_folder(std::string_view owner, std::string_view folder);

// The name of a repository in Hugging Face's cache: "owner/name" of "models--owner--name".
std::optional<ModelName> model_name_of_cache_folder(std::string_view folder);

// Whether a hub may have a repository of this name: with an owner, parts of at most 96 bytes that neither begin nor end
// with '-' or '.', no "--" or "..".
bool is_hub_name(const ModelName& name);

}  // namespace glimt
