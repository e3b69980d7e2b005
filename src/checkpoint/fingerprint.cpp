#include "checkpoint/fingerprint.h"

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weight_files.h"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;
constexpr std::size_t kSamples = 4096;  // of all tensors together, but at least one each
constexpr std::size_t kMaxSamplesPerTensor = 64;
constexpr std::size_t kSampleBytes = 256;

// SHA-1 of what was before and the next bytes: RFC 4122's version 5 of UUIDs, which Boost has. A CRC of 32 bits would
// take one in four billion wrong checkpoints for the right one.
class Chain {
 public:
  void add(std::string_view bytes) {
    value_ = boost::uuids::name_generator_sha1(value_)(static_cast<const void*>(bytes.data()), bytes.size());
  }
  std::string text() const { return boost::uuids::to_string(value_); }

 private:
  boost::uuids::uuid value_ = {};
};

// Appends `count` stretches of the tensor, the first and the last bytes among them if there are two or more.
void append_samples(const std::byte* data, std::size_t nbytes, std::size_t count, std::string& samples) {
  const auto* bytes = reinterpret_cast<const char*>(data);
  if (nbytes <= count * kSampleBytes) {
    samples.append(bytes, nbytes);
    return;
  }
  const std::size_t last = nbytes - kSampleBytes;
  for (std::size_t i = 0; i < count; ++i) {
    samples.append(bytes + (count == 1 ? last / 2 : last / (count - 1) * i), kSampleBytes);
  }
}

std::size_t samples_each(std::size_t tensors) {
  return std::clamp<std::size_t>(kSamples / std::max<std::size_t>(tensors, 1), 1, kMaxSamplesPerTensor);
}

// Without this advice a file that is not in memory would be read far around each sample.
void expect_samples(const MappedFile& map) {
  static_cast<void>(::posix_madvise(const_cast<std::byte*>(map.data()), map.size(), POSIX_MADV_RANDOM));
}

}  // namespace

std::string checkpoint_fingerprint(const std::filesystem::path& folder) {
  Chain chain;
  chain.add(read_file(folder / "config.json", kMaxConfigBytes));
  std::vector<std::unique_ptr<const SafetensorsFile>> files;
  std::size_t tensors = 0;
  for (const std::filesystem::path& path : find_weight_files(folder).files) {
    files.push_back(std::make_unique<const SafetensorsFile>(path));
    tensors += files.back()->tensors().size();
  }
  const std::size_t each = samples_each(tensors);
  for (const auto& file : files) {
    chain.add(file->header_text());
    expect_samples(*file->map());
    std::string samples;
    for (const auto& [name, info] : file->tensors()) {
      append_samples(file->map()->data() + info.offset, info.nbytes, each, samples);
    }
    chain.add(samples);
  }
  return chain.text();
}

std::string checkpoint_fingerprint(const GgufModel& model) {
  const MappedFile& map = *model.map();
  expect_samples(map);
  std::size_t header = map.size();  // what is before the first tensor
  std::string samples;
  for (const auto& [name, entry] : model.tensors()) {
    header = std::min(header, entry.offset);
    append_samples(map.data() + entry.offset, entry.nbytes, samples_each(model.tensors().size()), samples);
  }
  Chain chain;
  chain.add({reinterpret_cast<const char*>(map.data()), header});
  chain.add(samples);
  return chain.text();
}

}  // namespace glimt
