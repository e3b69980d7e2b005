#include "cache/latent_pool.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {

std::size_t PoolShape::block_bytes() const {
  return static_cast<std::size_t>(layers) * kernels::kBlockRows * kernels::row_bytes(type, width);
}

LatentPool::LatentPool(const PoolShape& shape, int blocks) : shape_(shape), blocks_(blocks) {
  for (int i = 0; i < shape.layers; ++i) layers_.push_back(shape.ops->make_rows(shape.type, shape.width, blocks));
}

void LatentPool::copy_rows(int from, int to, int count) {
  for (const auto& rows : layers_) rows->copy_rows(from, to, count);
}

void LatentPool::read_block(int block, std::span<std::byte> bytes) const {
  if (bytes.size() != shape_.block_bytes()) fail(ErrorKind::internal, "read_block", "got {} bytes", bytes.size());
  const std::size_t size = shape_.block_bytes() / layers_.size();
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->read_block(block, bytes.subspan(i * size, size));
}

void LatentPool::write_block(int block, std::span<const std::byte> bytes) {
  if (bytes.size() != shape_.block_bytes()) fail(ErrorKind::internal, "write_block", "got {} bytes", bytes.size());
  const std::size_t size = shape_.block_bytes() / layers_.size();
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->write_block(block, bytes.subspan(i * size, size));
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
