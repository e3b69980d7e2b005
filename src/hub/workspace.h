// Folders of the store in which something is made, unseen by its readers, until it is whole. What a process leaves when
// it is killed is found by the next one.
//
// STORE/.unfinished/KIND~KEY~HOST~PID~START: the name says whose it is, so that a rename takes it from a dead owner and
// only one process succeeds. No lock of the file system is trusted: some have locks that everybody gets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

class Workspace {
 public:
  // A new empty folder. `kind` and `key` are of letters, digits, '.', '_', '-', '@' and '%'. Throws bad_file where the
  // store cannot be written.
  static Workspace make(const std::filesystem::path& store, std::string_view kind, std::string_view key);

  // The one of this kind and key that a dead owner left, with what is in it; else a new one. An owner on this machine is
  // dead when its process is gone, or its Workspace if that is this process; another is when it has not called keep()
  // for a minute.
  static Workspace take_over_or_make(const std::filesystem::path& store, std::string_view kind, std::string_view key);

  // Leaves the folder as it is, for the next owner, unless publish() or discard() was called.
  ~Workspace() = default;

  const std::filesystem::path& path() const { return path_; }

  // Says that the owner lives. False if another process has taken the folder.
  bool keep() const;

  // Where the model is made: a folder in path().
  std::filesystem::path made() const;

  // Puts made() in `target`'s place, in one step for every reader, and removes what was there and the rest of the
  // workspace. Throws bad_file; what was there is there then, but for a disk that fails in the very end.
  void publish(const std::filesystem::path& target);

  // When made() has been put in its place by other means: puts that on the disk, and removes the rest. Throws bad_file.
  void end(const std::filesystem::path& published);

  // Never throws: what cannot be removed is left to whoever sweeps the store.
  void discard();

 private:
  struct Claim;  // says to this process that the folder has an owner in it

  Workspace(std::filesystem::path store, std::filesystem::path path, std::shared_ptr<const Claim> claim)
      : store_(std::move(store)), path_(std::move(path)), claim_(std::move(claim)) {}

  std::filesystem::path store_;
  std::filesystem::path path_;
  std::shared_ptr<const Claim> claim_;
};

struct Unfinished {
  std::filesystem::path path;
  std::string kind;
  std::string key;
  bool is_dead = false;
  bool has_result = false;  // its made() is there
};

// What lies unfinished in the store, by path.
std::vector<Unfinished> list_unfinished(const std::filesystem::path& store);

// Takes a folder of the store out of its readers' sight in one step, then removes it. Throws bad_file for what cannot be
// removed.
void remove_from_store(const std::filesystem::path& store, const std::filesystem::path& folder);

// Removes what dead processes left of this kind, and what they had begun to remove.
void sweep_store(const std::filesystem::path& store, std::string_view kind);

// For a place that is not the store but a folder of the user's: takes away what killed processes had begun to remove, and
// the store's own folders in it if nothing else is in them.
void tidy_place(const std::filesystem::path& place);

// Puts a folder's names on the disk. Some file systems cannot do that; only a failing disk is an error.
void sync_folder(const std::filesystem::path& folder);

}  // namespace glimt
