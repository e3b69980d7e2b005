// Memory for a kernel's intermediate results: not initialised, 64-byte aligned, and handed on from kernel to kernel.
// Fresh pages from the system for every layer took a tenth of the time of a prefill.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace glimt::cpu {

namespace detail {
// At least `bytes`, from the kept ones where one fits. Thread-safe.
struct Memory {
  std::byte* at = nullptr;
  std::size_t bytes = 0;
};
Memory take_memory(std::size_t bytes);
void give_memory(Memory memory);
}  // namespace detail

// `count` values of a type without constructor. Movable.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t count) : memory_(detail::take_memory(count * sizeof(T))) {}
  Buffer(Buffer&& other) noexcept : memory_(std::exchange(other.memory_, {})) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(memory_, other.memory_);
    return *this;
  }
  ~Buffer() { detail::give_memory(memory_); }

  T* data() const { return reinterpret_cast<T*>(memory_.at); }
  T& operator[](std::size_t i) const { return data()[i]; }

 private:
  detail::Memory memory_;
};

}  // namespace glimt::cpu
