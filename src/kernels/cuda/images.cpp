#include "kernels/cuda/images.h"

#include <map>
#include <mutex>
#include <utility>

namespace glimt::kernels::cuda {
namespace {

std::string find(std::string_view kernel, std::string_view architecture) {
  for (const Image& image : images()) {
    if (image.kernel == kernel && image.architecture == architecture) return std::string(image.bytes);
  }
  return {};
}

}  // namespace

std::string_view image_architecture(std::string_view device) {
  if (device == "sm_80" || device == "sm_86" || device == "sm_87" || device == "sm_89") return "sm_80";
  if (device == "sm_90") return "sm_90a";
  if (device == "sm_120" || device == "sm_121") return "sm_120";
  return {};
}

const std::string& image(std::string_view kernel, std::string_view device_architecture) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, std::string> known;
  const std::lock_guard lock(mutex);
  const auto [entry, is_new] = known.try_emplace({std::string(kernel), std::string(device_architecture)});
  if (is_new) entry->second = find(kernel, image_architecture(device_architecture));
  return entry->second;
}

}  // namespace glimt::kernels::cuda
