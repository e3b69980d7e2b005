#include "nn/layers.h"

namespace glimt {

mx::array RmsNorm::operator()(const mx::array& x) const { return mx::fast::rms_norm(x, weight_, eps_); }

mx::array Embedding::operator()(const mx::array& ids, mx::Dtype dtype) const {
  const auto rows = [&](const mx::array& part) { return mx::take(part, ids, 0); };
  Weight picked = *table_;
  picked.values = rows(table_->values);
  if (table_->scales) picked.scales = rows(*table_->scales);
  if (table_->biases) picked.biases = rows(*table_->biases);
  if (table_->global_scale && table_->global_scale->size() > 1) {
    // One factor a row: it goes with the rows picked, behind the values.
    const mx::array factors = mx::expand_dims(rows(*table_->global_scale), -1);
    picked.global_scale.reset();
    return mx::astype(mx::multiply(dequantize(picked, mx::float32), factors), dtype);
  }
  return dequantize(picked, dtype);
}

}  // namespace glimt
