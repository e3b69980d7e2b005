// Where models are on this machine: the one place that knows names and folders.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// A model is a folder that holds config.json. Its name is the path below one of the places ("owner/name", see
// model_name.h), or what another program's store calls it.
struct StoredModel {
  std::string name;
  std::filesystem::path folder;
};

// Where what is pulled goes: $GLIMT_MODELS, or else models/ in $GLIMT_HOME, $XDG_DATA_HOME/glimt or
// ~/.local/share/glimt. Throws not_found if none of these variables is set. It need not exist.
std::filesystem::path store_folder();

// The folders in which names are looked up, in this order: the store; then the models that ship with the program:
// ../models and ../share/glimt/models of the folder that the executable is in; then Hugging Face's cache and Ollama's
// store (foreign_stores.h), whose models are used in place. They need not exist.
std::vector<std::filesystem::path> model_places();

// The models in `places`, by name; one that an earlier place hides is left out, and so is one whose manifest names
// files that are not there. Unreadable folders are skipped.
std::vector<StoredModel> list_models(const std::vector<std::filesystem::path>& places);

// `name_or_folder` is a folder that holds config.json, or the name of a model in one of `places`. Throws not_found,
// which says where it looked and what is there; invalid_request for an empty string. A name cannot leave its place:
// "..", a leading '.', '/' at the ends and other bytes than letters, digits, '.', '_' and '-' make it no name.
std::filesystem::path resolve_model(const std::string& name_or_folder,
                                    const std::vector<std::filesystem::path>& places = model_places());

}  // namespace glimt
