// Where `glimt convert` puts what it makes, and the place where it is made, unseen, until it is whole.
#pragma once

#include "hub/workspace.h"

#include <filesystem>
#include <string>

namespace glimt {

// A folder, or a name in the store: what has one '/' and no folder before it ("me/GLM-4bit"), or a tag, is a name; all
// else is a folder.
class ConversionTarget {
 public:
  // Throws invalid_request if it is there already, if it lies in `source`, or if it is neither a name nor a folder that
  // can be made.
  ConversionTarget(const std::string& text, const std::filesystem::path& source);

  const std::filesystem::path& folder() const { return folder_; }

  // The place that a killed process has left for this target, or a new one.
  Workspace workspace() const;

  // Puts the workspace's made() in the target's place in one step, and removes the rest. Throws invalid_request if
  // something has come there in the meantime, bad_file.
  void publish(Workspace& space) const;

  // Removes the workspace and what it needed beside the target.
  void discard(Workspace& space) const;

 private:
  void remove_leftovers() const;
  void tidy() const;

  std::filesystem::path folder_;
  std::filesystem::path place_;  // the folder in which workspaces are made: the store, or the one above the target
  std::string key_;
  bool in_store_ = false;
};

}  // namespace glimt
