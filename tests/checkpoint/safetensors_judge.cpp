// For tests/oracle/compare_safetensors.py: reads files from stdin, each 4 bytes of length (little-endian) and its content,
// and prints for each "ok", or "no" and why it is no .safetensors file.
#include "base/error.h"
#include "checkpoint/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>

int main() {
  const int fd = ::memfd_create("file", 0);
  std::uint32_t length = 0;
  while (std::cin.read(reinterpret_cast<char*>(&length), sizeof length)) {
    std::string content(length, '\0');
    std::cin.read(content.data(), static_cast<std::streamsize>(length));
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, content.data(), length, 0) != static_cast<ssize_t>(length)) return 1;
    try {
      const glimt::SafetensorsFile file("/proc/self/fd/" + std::to_string(fd));
      std::puts("ok");
    } catch (const glimt::Error& error) {
      std::printf("no %s\n", error.what());
    }
  }
}
