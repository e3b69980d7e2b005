#include "cache/latent_pool.h"

#include "base/error.h"

#include <algorithm>
#include <atomic>

namespace glimt {

namespace {

std::atomic<std::uint64_t> pools_made{0};

}  // namespace

std::size_t PoolShape::block_bytes() const { return static_cast<std::size_t>(all_layers()) * layer_bytes(); }

std::size_t PoolShape::blocks_in(std::size_t memory) const {
  const std::size_t here = memory / (static_cast<std::size_t>(layers) * layer_bytes());
  return remote ? std::min(here, remote->most_blocks(layer_bytes())) : here;
}

LatentPool::LatentPool(const PoolShape& shape, int blocks) : shape_(shape), blocks_(blocks), id_(++pools_made) {
  for (int i = 0; i < shape.layers; ++i) layers_.push_back(shape.ops->make_rows(shape.type, shape.width, blocks));
  if (shape_.remote) shape_.remote->open(id_, shape.type, blocks);
}

LatentPool::~LatentPool() {
  if (shape_.remote) shape_.remote->close(id_);
}

void LatentPool::copy_rows(int from, int to, int count) {
  for (const auto& rows : layers_) rows->copy_rows(from, to, count);
  if (shape_.remote) shape_.remote->copy_rows(id_, from, to, count);
}

template <typename Byte, typename Here, typename There>
void LatentPool::in_order(std::span<Byte> bytes, const Here& here, const There& there) const {
  if (bytes.size() != shape_.block_bytes()) fail(ErrorKind::internal, "block", "got {} bytes", bytes.size());
  const std::size_t size = shape_.layer_bytes();
  const auto take = [&](std::size_t count) {
    const std::span<Byte> part = bytes.first(count);
    bytes = bytes.subspan(count);
    return part;
  };
  const std::size_t before = shape_.remote ? static_cast<std::size_t>(shape_.remote->layers_before()) : 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (shape_.remote && shape_.remote->layers() > 0 && i == before)
      there(take(static_cast<std::size_t>(shape_.remote->layers()) * size));
    here(*layers_[i], take(size));
  }
  if (!bytes.empty()) there(bytes);
}

void LatentPool::read_block(int block, std::span<std::byte> bytes) const {
  in_order(
      bytes, [&](const kernels::PagedRows& rows, std::span<std::byte> part) { rows.read_block(block, part); },
      [&](std::span<std::byte> part) { shape_.remote->read_block(id_, block, part); });
}

void LatentPool::write_block(int block, std::span<const std::byte> bytes) {
  in_order(
      bytes, [&](kernels::PagedRows& rows, std::span<const std::byte> part) { rows.write_block(block, part); },
      [&](std::span<const std::byte> part) { shape_.remote->write_block(id_, block, part); });
  const int mirrored = shape_.remote ? shape_.remote->mirrored() : 0;
  if (mirrored > 0) {
    shape_.remote->write_block(id_, block, bytes.first(static_cast<std::size_t>(mirrored) * shape_.layer_bytes()));
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
