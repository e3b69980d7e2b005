#include "convert/output_files.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace glimt::convert {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

json::array shape_json(const Shape& shape) { return json::array(shape.begin(), shape.end()); }

// The length, the text, and spaces up to a multiple of kAlignment.
std::string with_length(std::string text) {
  while ((kLengthBytes + text.size()) % kAlignment != 0) text += ' ';
  const std::uint64_t length = text.size();
  std::string header(kLengthBytes, '\0');
  std::memcpy(header.data(), &length, kLengthBytes);
  return header + text;
}

bool comes_before(const OutputTensor* a, const OutputTensor* b) {
  const bool whole_a = a->nbytes() % kAlignment == 0, whole_b = b->nbytes() % kAlignment == 0;
  if (whole_a != whole_b) return whole_a;
  return !whole_a && size_of(a->dtype) > size_of(b->dtype);
}

bool is_full(int error) { return error == ENOSPC || error == EDQUOT; }

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

OutputFiles::OutputFiles(const std::vector<Unit>& units, const std::map<std::string, std::string>& metadata,
                         std::uint64_t shard_bytes) {
  std::vector<const OutputTensor*> tensors;
  std::uint64_t bytes = 0;
  for (const Unit& unit : units) {
    std::uint64_t unit_bytes = 0;
    for (const OutputTensor& tensor : unit.tensors) unit_bytes += tensor.nbytes();
    if (!tensors.empty() && bytes + unit_bytes > shard_bytes) {
      lay_out_file(std::move(tensors), metadata);
      tensors.clear();
      bytes = 0;
    }
    for (const OutputTensor& tensor : unit.tensors) tensors.push_back(&tensor);
    bytes += unit_bytes;
    tensor_bytes_ += unit_bytes;
    parameters_ += unit.parameters;
  }
  lay_out_file(std::move(tensors), metadata);
}

OutputFiles::~OutputFiles() { close(); }

void OutputFiles::close() {
  for (const int fd : descriptors_) ::close(fd);
  descriptors_.clear();
}

void OutputFiles::lay_out_file(std::vector<const OutputTensor*> tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::stable_sort(tensors.begin(), tensors.end(), comes_before);
  json::object header, notes;
  for (const auto& [key, value] : metadata) notes[key] = value;
  header["__metadata__"] = notes;
  std::uint64_t at = 0;
  for (const OutputTensor* tensor : tensors) {
    const std::uint64_t nbytes = tensor->nbytes();
    header[tensor->name] = {{"dtype", safetensors_name(tensor->dtype)},
                            {"shape", shape_json(tensor->shape)},
                            {"data_offsets", json::array{at, at + nbytes}}};
    places_[tensor->name] = {headers_.size(), at, nbytes};
    at += nbytes;
  }
  headers_.push_back(with_length(json::serialize(header)));
  for (const OutputTensor* tensor : tensors) places_[tensor->name].offset += headers_.back().size();
  sizes_.push_back(headers_.back().size() + at);
}

fs::path OutputFiles::path_of(std::size_t file) const {
  if (headers_.size() == 1) return folder_ / "model.safetensors";
  return folder_ / fmt::format("model-{:05}-of-{:05}.safetensors", file + 1, headers_.size());
}

std::vector<std::string> OutputFiles::file_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < headers_.size(); ++i) names.push_back(path_of(i).filename().string());
  return names;
}

std::uint64_t OutputFiles::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::uint64_t size : sizes_) bytes += size;
  return bytes;
}

json::object OutputFiles::index() const {
  json::object map;
  for (const auto& [name, place] : places_) map[name] = path_of(place.file).filename().string();
  return {{"metadata", {{"total_size", tensor_bytes_}, {"total_parameters", parameters_}}}, {"weight_map", map}};
}

bool OutputFiles::open(const fs::path& folder) {
  close();
  folder_ = folder;
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    std::error_code error;
    if (fs::file_size(path_of(i), error) != sizes_[i] || error) return false;
    const MappedFile file(path_of(i));
    if (std::memcmp(file.data(), headers_[i].data(), headers_[i].size()) != 0) return false;
  }
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    descriptors_.push_back(::open(path_of(i).c_str(), O_RDWR | O_CLOEXEC));
    if (descriptors_.back() < 0) fail_to("open", i);
  }
  return true;
}

void OutputFiles::create(const fs::path& folder) {
  close();
  folder_ = folder;
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    const int fd = ::open(path_of(i).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) fail_to("make the file", i);
    descriptors_.push_back(fd);
#if defined(__linux__)
    // Where the file system can, the room is taken now, so that a disk that is full is known before the work.
    if (::fallocate(fd, 0, 0, static_cast<off_t>(sizes_[i])) != 0 && is_full(errno)) fail_to("take room for", i);
#endif
    if (::ftruncate(fd, static_cast<off_t>(sizes_[i])) != 0) fail_to("take room for", i);
    write_at(i, 0, bytes_of(headers_[i]));
  }
}

void OutputFiles::write(const std::string& tensor, std::uint64_t offset, std::span<const std::byte> bytes) {
  const Place& place = places_.at(tensor);
  if (offset + bytes.size() > place.nbytes) {
    fail(ErrorKind::internal, path_of(place.file).string(), "tensor '{}' has {} bytes, {} were made", tensor,
         place.nbytes, offset + bytes.size());
  }
  write_at(place.file, place.offset + offset, bytes);
}

void OutputFiles::write_at(std::size_t file, std::uint64_t at, std::span<const std::byte> bytes) {
  if (!write_all_at(descriptors_[file], at, bytes)) fail_to("write", file);
  const std::lock_guard lock(mutex_);
  written_.insert(file);
}

void OutputFiles::sync() {
  for (const std::size_t file : written_) {
    if (::fsync(descriptors_[file]) != 0) fail_to("write", file);
  }
  written_.clear();
}

void OutputFiles::fail_to(const char* what, std::size_t file) const {
  const int error = errno;
  fail(is_full(error) ? ErrorKind::out_of_memory : ErrorKind::bad_file, path_of(file).string(), "cannot {}: {}", what,
       std::strerror(error));
}

}  // namespace glimt::convert
