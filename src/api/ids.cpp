#include "api/ids.h"

#include <array>

namespace glimt {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t kCounted = 8;  // of the 24: 62^8 ids before one could come again

std::uint64_t system_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

IdSource::IdSource() : IdSource(system_seed()) {}
IdSource::IdSource(std::uint64_t seed) : random_(seed) {}

std::string IdSource::next(std::string_view prefix) {
  std::array<char, 24> id;
  {
    const std::lock_guard lock(mutex_);
    std::uint64_t number = count_++;
    for (std::size_t i = 0; i < id.size(); ++i) {
      if (i % kCounted == 0 && i > 0) number = random_();
      id[id.size() - 1 - i] = kDigits[number % kDigits.size()];
      number /= kDigits.size();
    }
  }
  return std::string(prefix).append(id.data(), id.size());
}

}  // namespace glimt
