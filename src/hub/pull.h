// From a name on a hub to a model in the store: `glimt pull`, and the server's /api/pull.
//
//   Pull pull("zai-org/GLM-4.7-Flash", options);
//   pull.run([](const PullEvent& event) { … });
#pragma once

#include "hub/downloader.h"
#include "hub/hub_settings.h"
#include "hub/pull_event.h"
#include "hub/repository.h"
#include "hub/workspace.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct PullOptions {
  HubSettings hub;
  std::filesystem::path store;
  int connections = 8;

  // Looks at a folder with all small files of the model, before the weights are fetched. Throws if it cannot be used.
  std::function<void(const std::filesystem::path& folder)> check;
};

// Everything is pinned to one commit. Small files come first, then, if they and the disk's free space are fine, the
// weights. All lies unseen in a workspace until it is whole, its hashes checked; a pull that was cut, cancelled or
// killed is continued by the next one of the same name. Two at once have a workspace each.
class Pull {
 public:
  using Tell = std::function<void(const PullEvent&)>;

  // Throws invalid_request for a name that no hub can have.
  Pull(const std::string& name, PullOptions options);

  // The model's folder, in which it may have been before. `tell` is called on this thread and may throw, which ends the
  // pull as cancel() does. Throws not_found, invalid_request, unsupported; bad_file for what the hub sends or the disk
  // refuses, out_of_memory if the disk is too small; overloaded for a hub that cannot be reached; cancelled. Once.
  std::filesystem::path run(const Tell& tell);

  // Any thread.
  void cancel() { cancelled_ = true; }

 private:
  bool is_here(const Listing& listing) const;
  std::vector<FileRecord> small_files(const Listing& listing) const;
  std::vector<FileRecord> weights(const Listing& listing, const Workspace& space) const;
  void recover(const Workspace& space) const;
  void reuse(const std::vector<FileRecord>& files, const Workspace& space) const;
  void check_target() const;
  void check_small_files(const std::vector<FileRecord>& files, Workspace& space) const;
  void check_space(std::uint64_t missing) const;
  void tell_progress(const std::vector<Downloader::Progress>& progress, const Tell& tell);
  void download(const Listing& listing, const std::vector<FileRecord>& files, const Workspace& space, const Tell& tell);
  std::filesystem::path publish(const Listing& listing, const std::vector<FileRecord>& files, Workspace& space);

  PullOptions options_;
  Repository repository_;
  std::filesystem::path target_;
  Patience patience_;
  std::map<std::string, std::uint64_t> told_;  // bytes of each file, as the last event of it said
  std::atomic<bool> cancelled_ = false;
};

}  // namespace glimt
