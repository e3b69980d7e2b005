// The bytes are a .safetensors file. It is refused with an Error, or its tensors tile the data exactly and every byte
// of them can be read.
#include "checkpoint/safetensors.h"

#include "base/error.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const glimt::SafetensorsFile& file, std::size_t size) {
  std::size_t covered = 0;
  std::size_t begin = size;
  for (const auto& [name, info] : file.tensors()) {
    std::size_t bytes = glimt::size_of(info.dtype);
    for (const auto dim : info.shape) {
      require(dim >= 0);
      bytes *= static_cast<std::size_t>(dim);
    }
    require(bytes == info.nbytes && info.offset <= size && info.nbytes <= size - info.offset);
    covered += info.nbytes;
    begin = std::min(begin, info.offset);
    volatile unsigned char sum = 0;
    const auto* data = reinterpret_cast<const unsigned char*>(file.map()->data()) + info.offset;
    for (std::size_t i = 0; i < info.nbytes; ++i) sum = static_cast<unsigned char>(sum + data[i]);
  }
  require(begin + covered == size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int fd = ::memfd_create("fuzz", 0);
  require(fd >= 0 && ::ftruncate(fd, 0) == 0 && ::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size));
  try {
    check(glimt::SafetensorsFile("/proc/self/fd/" + std::to_string(fd)), size);
  } catch (const glimt::Error&) {
  }
  return 0;
}
