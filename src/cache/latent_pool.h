// The memory of the MLA cache: for every layer and position the row [latent (kv_lora_rank) | k_pe (qk_rope_head_dim)],
// nothing else; keys and values of all heads are computed from it (DeepSeek-V2, https://arxiv.org/abs/2405.04434,
// section 2.1). Rows lie in blocks of kBlockRows positions; block b holds the same positions of one sequence in every
// layer.
#pragma once

#include "cache/remote_rows.h"
#include "kernels/ops.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace glimt {

struct PoolShape {
  int layers = 0;  // here; the MTP layer's rows are the last
  int width = 0;
  kernels::RowType type = kernels::RowType::bf16;
  const kernels::Ops* ops = &kernels::cpu_ops();  // whose rows
  std::shared_ptr<RemoteRows> remote = nullptr;   // the layers that others keep; null: there are none

  int all_layers() const { return layers + (remote ? remote->layers() : 0); }
  std::size_t block_bytes() const;  // of one block in all layers, wherever they are

  // How many blocks `memory` bytes hold here, and the others have room for.
  std::size_t blocks_in(std::size_t memory) const;

 private:
  friend class LatentPool;
  std::size_t layer_bytes() const { return kernels::kBlockRows * kernels::row_bytes(type, width); }
};

// On our kernels address space is reserved for all blocks and memory is taken when a block is first written; on other
// devices an array is made at once. BlockPool counts the owners of blocks. Used by the thread that owns the model.
class LatentPool {
 public:
  // REQUIRES blocks >= 1. Throws unsupported for rows of a type that the device does not have, internal where the
  // address space is refused.
  LatentPool(const PoolShape& shape, int blocks);
  ~LatentPool();
  LatentPool(const LatentPool&) = delete;
  LatentPool& operator=(const LatentPool&) = delete;

  const PoolShape& shape() const { return shape_; }
  int blocks() const { return blocks_; }
  std::size_t nbytes() const { return static_cast<std::size_t>(blocks_) * shape_.block_bytes(); }
  std::uint64_t id() const { return id_; }  // no other pool of this process has it

  // Of those that are here.
  kernels::PagedRows& layer(int index) { return *layers_[static_cast<std::size_t>(index)]; }

  // Rows 0 … count of `from` into `to`, in all layers, also those that others keep.
  void copy_rows(int from, int to, int count);

  // One block's rows in all layers, in the model's order, as block_bytes() bytes.
  void read_block(int block, std::span<std::byte> bytes) const;
  void write_block(int block, std::span<const std::byte> bytes);

 private:
  // The bytes of a block: those of layers here, of the others', and of layers here again.
  template <typename Byte, typename Here, typename There>
  void in_order(std::span<Byte> bytes, const Here& here, const There& there) const;

  PoolShape shape_;
  int blocks_;
  std::uint64_t id_;
  std::vector<std::unique_ptr<kernels::PagedRows>> layers_;
};

// Sequences that grow together in a pool of their own: for comparisons and measurements.
class UniformCache {
 public:
  // Room for `batch` sequences of up to `capacity` positions each. first_key: see StepSequence.
  UniformCache(const PoolShape& shape, int batch, int capacity, int first_key = 0);

  // The step that appends `count` rows to each sequence, sequence by sequence.
  kernels::StepPtr extend(int count);

  // Forgets all rows from `length` on. REQUIRES 0 <= length <= length().
  void trim(int length);

  int length() const { return length_; }
  LatentPool& pool() { return pool_; }

 private:
  LatentPool pool_;
  int batch_, capacity_, first_key_;
  int length_ = 0;
};

}  // namespace glimt
