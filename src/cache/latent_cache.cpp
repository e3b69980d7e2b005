#include "cache/latent_cache.h"

#include "base/error.h"

namespace glimt {

mx::array LatentCache::append(const mx::array& rows) {
  const int batch = rows.shape(0), count = rows.shape(1);
  reserve(batch, length_ + count);
  mx::array storage = std::move(*rows_);
  rows_.reset();  // the only reference moves into the graph, so that MLX updates the buffer in place
  rows_ = mx::slice_update(std::move(storage), mx::astype(rows, dtype_), mx::Shape{0, length_, 0},
                           mx::Shape{batch, length_ + count, width_});
  length_ += count;
  return mx::slice(*rows_, {0, 0, 0}, {batch, length_, width_});
}

void LatentCache::reserve(int batch, int length) {
  if (length_ > 0 && rows_->shape(0) != batch) {
    fail(ErrorKind::internal, "LatentCache", "holds a batch of {}, got {}", rows_->shape(0), batch);
  }
  if (length_ == 0 && rows_ && rows_->shape(0) != batch) rows_.reset();
  const int capacity = rows_ ? rows_->shape(1) : 0;
  if (length <= capacity) return;
  const int wanted = (length + kStep - 1) / kStep * kStep;
  const mx::array fresh = mx::zeros({batch, wanted - capacity, width_}, dtype_);
  rows_ = rows_ ? mx::concatenate({*rows_, fresh}, 1) : fresh;
}

void LatentCache::trim(int length) {
  if (length < 0 || length > length_)
    fail(ErrorKind::internal, "LatentCache", "cannot trim {} rows to {}", length_, length);
  length_ = length;
}

}  // namespace glimt
