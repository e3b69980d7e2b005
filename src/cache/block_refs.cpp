#include "cache/block_refs.h"

namespace glimt {

void BlockRefs::add(int block) {
  try {
    blocks_.push_back(block);
  } catch (...) {
    pool_->release(block);
    throw;
  }
}

void BlockRefs::clear() noexcept {
  while (!blocks_.empty()) pool_->release(take_last());
}

}  // namespace glimt
