// Memory for a kernel's intermediate results: not initialised, 64-byte aligned, and handed on from kernel to kernel.
// Fresh pages from the system for every layer took a tenth of the time of a prefill.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace glimt::cpu {

namespace detail {
// At least `bytes`, from the kept ones where one fits. Thread-safe.
struct Block {
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
};
Block take_block(std::size_t bytes);
void give_block(Block block);
}  // namespace detail

// `count` values of a type without constructor. Movable.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t count) : block_(detail::take_block(count * sizeof(T))) {}
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, {})) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer() { detail::give_block(block_); }

  T* data() const { return reinterpret_cast<T*>(block_.memory); }
  T& operator[](std::size_t i) const { return data()[i]; }

 private:
  detail::Block block_;
};

}  // namespace glimt::cpu
