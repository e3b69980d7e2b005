#include "serving/read_ahead.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint/weight_files.h"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // after which the progress is told and stopping is possible
constexpr std::size_t kPage = 4096;                   // or a part of one

void expect(const MappedFile& file, std::size_t from) {
  if (from >= file.size()) return;
  const std::size_t bytes = std::min(kPiece, file.size() - from);
  static_cast<void>(::posix_madvise(const_cast<std::byte*>(file.data()) + from, bytes, POSIX_MADV_WILLNEED));
}

// One byte of a page brings in all of it. The piece behind this one is on its way meanwhile.
void read_piece(const MappedFile& file, std::size_t from, std::size_t bytes) {
  expect(file, from + bytes);
  const volatile std::byte* data = file.data() + from;
  for (std::size_t at = 0; at < bytes; at += kPage) static_cast<void>(data[at]);
}

}  // namespace

void read_weights_ahead(const std::filesystem::path& folder, LoadProgress& progress) {
  std::vector<MappedFile> files;
  std::size_t total = 0;
  for (const std::filesystem::path& path : find_weight_files(folder).files) {
    files.emplace_back(path);
    total += files.back().size();
  }
  progress.set_total(total);
  if (total > available_memory()) return;
  for (const MappedFile& file : files) {
    expect(file, 0);
    for (std::size_t at = 0; at < file.size(); at += kPiece) {
      const std::size_t bytes = std::min(kPiece, file.size() - at);
      read_piece(file, at, bytes);
      progress.add(bytes);
    }
  }
}

}  // namespace glimt
