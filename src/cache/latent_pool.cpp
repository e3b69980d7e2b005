#include "cache/latent_pool.h"

#include "base/error.h"
#include "kernels/kernels.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace glimt {
namespace {

std::size_t layer_block_bytes(const PoolShape& shape) {
  return kernels::kBlockRows * kernels::row_bytes(shape.type, shape.width);
}

// MLX copies from typed iterators only: the values are taken as integers of their size and reinterpreted.
template <typename Raw>
mx::array from_bytes(const std::byte* bytes, const mx::Shape& shape, mx::Dtype dtype) {
  std::vector<Raw> raw(static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1]) *
                       static_cast<std::size_t>(shape[2]));
  std::memcpy(raw.data(), bytes, raw.size() * sizeof(Raw));
  return mx::view(mx::array(raw.begin(), shape, mx::TypeToDtype<Raw>()), dtype);
}

}  // namespace

std::size_t PoolShape::block_bytes() const { return static_cast<std::size_t>(layers) * layer_block_bytes(*this); }

// Private anonymous memory whose pages exist from their first write on.
struct LatentPool::Mapping {
  explicit Mapping(std::size_t bytes) : size(bytes) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail(ErrorKind::internal, "LatentPool", "cannot reserve {} bytes for the cache", size);
#if defined(MADV_HUGEPAGE)
    madvise(memory, size, MADV_HUGEPAGE);  // fewer TLB misses over long contexts; refused where there are none
#endif
  }
  ~Mapping() { munmap(memory, size); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* memory;
  std::size_t size;
};

LatentPool::LatentPool(const PoolShape& shape, int blocks) : shape_(shape), blocks_(blocks) {
  const bool ours = kernels::backend() == kernels::Backend::cpu;
  if (!ours && shape.type == kernels::RowType::q8) {
    fail(ErrorKind::unsupported, "cache type q8", "needs our CPU kernels; this backend has f32 and bf16");
  }
  for (int i = 0; i < shape.layers; ++i) {
    kernels::PagedRows rows{shape.type, shape.width, nullptr, std::nullopt};
    if (ours) {
      mappings_.push_back(std::make_shared<Mapping>(static_cast<std::size_t>(blocks) * layer_block_bytes(shape)));
      rows.memory = static_cast<std::byte*>(mappings_.back()->memory);
    } else {
      rows.array = mx::zeros({blocks, kernels::kBlockRows, shape.width},
                             shape.type == kernels::RowType::f32 ? mx::float32 : mx::bfloat16);
      mx::eval(*rows.array);
    }
    layers_.push_back(std::move(rows));
  }
}

void LatentPool::copy_rows(int from, int to, int count) {
  const std::size_t block = layer_block_bytes(shape_);
  const std::size_t bytes = static_cast<std::size_t>(count) * kernels::row_bytes(shape_.type, shape_.width);
  for (kernels::PagedRows& rows : layers_) {
    if (rows.memory != nullptr) {
      std::memcpy(rows.memory + static_cast<std::size_t>(to) * block,
                  rows.memory + static_cast<std::size_t>(from) * block, bytes);
    } else {
      const mx::array part = mx::slice(*rows.array, {from, 0, 0}, {from + 1, count, shape_.width});
      rows.array = mx::slice_update(*rows.array, part, mx::Shape{to, 0, 0}, mx::Shape{to + 1, count, shape_.width});
      mx::eval(*rows.array);
    }
  }
}

void LatentPool::read_block(int block, std::span<std::byte> bytes) const {
  if (bytes.size() != shape_.block_bytes()) fail(ErrorKind::internal, "read_block", "got {} bytes", bytes.size());
  const std::size_t size = layer_block_bytes(shape_);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const kernels::PagedRows& rows = layers_[i];
    if (rows.memory != nullptr) {
      std::memcpy(bytes.data() + i * size, rows.memory + static_cast<std::size_t>(block) * size, size);
    } else {
      const mx::array part =
          mx::contiguous(mx::slice(*rows.array, {block, 0, 0}, {block + 1, kernels::kBlockRows, shape_.width}));
      mx::eval(part);
      std::memcpy(bytes.data() + i * size, part.data<char>(), size);
    }
  }
}

void LatentPool::write_block(int block, std::span<const std::byte> bytes) {
  if (bytes.size() != shape_.block_bytes()) fail(ErrorKind::internal, "write_block", "got {} bytes", bytes.size());
  const std::size_t size = layer_block_bytes(shape_);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    kernels::PagedRows& rows = layers_[i];
    if (rows.memory != nullptr) {
      std::memcpy(rows.memory + static_cast<std::size_t>(block) * size, bytes.data() + i * size, size);
    } else {
      const mx::Shape shape = {1, kernels::kBlockRows, shape_.width};
      const mx::array values = rows.array->dtype() == mx::float32
                                   ? from_bytes<std::uint32_t>(bytes.data() + i * size, shape, mx::float32)
                                   : from_bytes<std::uint16_t>(bytes.data() + i * size, shape, mx::bfloat16);
      rows.array =
          mx::slice_update(*rows.array, values, mx::Shape{block, 0, 0}, mx::Shape{block + 1, shape[1], shape[2]});
      mx::eval(*rows.array);
    }
  }
}

UniformCache::UniformCache(const PoolShape& shape, int batch, int capacity, int first_key)
    : pool_(shape, batch * std::max(1, kernels::blocks_for(capacity + first_key))),
      batch_(batch),
      capacity_(capacity),
      first_key_(first_key) {}

kernels::StepPtr UniformCache::extend(int count) {
  if (count < 1 || count > capacity_ - length_) {
    fail(ErrorKind::internal, "UniformCache", "{} rows behind {} do not fit {}", count, length_, capacity_);
  }
  const int blocks = pool_.blocks() / batch_;
  kernels::Step step;
  for (int b = 0; b < batch_; ++b) {
    kernels::StepSequence sequence{length_ + first_key_, count, {}, first_key_};
    for (int i = 0; i < blocks; ++i) sequence.blocks.push_back(b * blocks + i);
    step.push_back(std::move(sequence));
  }
  length_ += count;
  return std::make_shared<const kernels::Step>(std::move(step));
}

void UniformCache::trim(int length) {
  if (length < 0 || length > length_)
    fail(ErrorKind::internal, "UniformCache", "cannot trim {} rows to {}", length_, length);
  length_ = length;
}

}  // namespace glimt
