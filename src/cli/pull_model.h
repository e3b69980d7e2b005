// Getting a model in front of somebody who waits: `glimt pull`, and the question of commands whose model is not here.
#pragma once

#include "hub/pull.h"

#include <string>

namespace glimt {

// From the hub and into the store that the environment names; models that glimt cannot run are refused before their
// weights come. Throws what hub_settings_from_environment and store_folder throw.
PullOptions pull_options(int connections = 8);

enum class PullOutput { people, json_lines };

// Pulls and shows how it goes, on stderr or as JSON lines on stdout. Ctrl-C ends it; what has arrived is kept. Throws
// what Pull throws.
void pull_model(const std::string& name, PullOutput output, int connections = 8);

// For a command whose user waits: if a model of this name could be on a hub and is not here, asks on a terminal whether
// to pull it, and does so. Elsewhere, and for all that is wrong, does nothing: the command's own error says it.
void offer_to_pull(const std::string& name_or_folder);

}  // namespace glimt
