#include "cli/conversion_target.h"

#include "base/error.h"
#include "base/file.h"
#include "hub/digest.h"
#include "hub/model_name.h"
#include "hub/store.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKind = "convert";
constexpr std::size_t kKeyDigits = 16;

bool is_name(const std::string& text) {
  const auto name = parse_model_name(text);
  if (!name) return false;
  std::error_code ignored;
  return !name->suffix.empty() || (!name->owner.empty() && !fs::exists(fs::path(text).parent_path(), ignored));
}

fs::path real(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(fs::absolute(path), ignored);
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const fs::path relative = real(path).lexically_relative(real(folder));
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

ConversionTarget::ConversionTarget(const std::string& text, const fs::path& source) {
  if (text.empty()) fail(ErrorKind::invalid_request, "DST", "a folder or a name is wanted, got nothing");
  in_store_ = is_name(text);
  if (in_store_) {
    const ModelName name = *parse_model_name(text);
    place_ = store_folder();
    folder_ = model_folder(place_, name);
    key_ = unfinished_key(name);
  } else {
    folder_ = fs::absolute(text).lexically_normal();
    if (!folder_.has_filename()) folder_ = folder_.parent_path();
    place_ = folder_.parent_path();
    key_ = sha256_of(folder_.string()).substr(0, kKeyDigits);
  }
  remove_leftovers();
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder_, ignored))) {
    fail(ErrorKind::invalid_request, folder_.string(), "is there already; the result wants a name that is free");
  }
  if (is_inside(folder_, source)) {
    fail(ErrorKind::invalid_request, folder_.string(), "lies in the source, {}; it would become a part of it",
         source.string());
  }
}

Workspace ConversionTarget::workspace() const {
  try {
    return Workspace::take_over_or_make(place_, kKind, key_);
  } catch (...) {
    tidy();
    throw;
  }
}

void ConversionTarget::publish(Workspace& space) const {
  make_folder(folder_.parent_path());
  sync_folder(space.made());
  if (::rename(space.made().c_str(), folder_.c_str()) != 0) {
    fail(ErrorKind::invalid_request, folder_.string(), "the result cannot be put there: {}", std::strerror(errno));
  }
  space.end(folder_);
  tidy();
}

void ConversionTarget::discard(Workspace& space) const {
  space.discard();
  tidy();
}

// Of processes that were killed after they had put their result in its place, whichever it was: there is nothing to go
// on from.
void ConversionTarget::remove_leftovers() const {
  std::error_code ignored;
  for (const Unfinished& one : list_unfinished(place_)) {
    const bool is_used = one.key == key_ ? !fs::exists(folder_, ignored) : one.has_result;
    if (one.kind == kKind && one.is_dead && !is_used) fs::remove_all(one.path, ignored);
  }
  tidy();
}

void ConversionTarget::tidy() const {
  if (!in_store_) tidy_place(place_);
}

}  // namespace glimt
