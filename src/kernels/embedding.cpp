#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

namespace glimt::kernels {

mx::array embedding(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype) {
  return device.ops().embedding(device, ids, table, dtype);
}

namespace plain {

mx::array embedding(const Device&, const mx::array& ids, const WeightPtr& stored, mx::Dtype dtype) {
  const Weight& table = *stored;
  const auto rows = [&](const mx::array& part) { return mx::take(part, ids, 0); };
  Weight picked = table;
  picked.values = rows(table.values);
  if (table.scales) picked.scales = rows(*table.scales);
  if (table.biases) picked.biases = rows(*table.biases);
  if (table.global_scale && table.global_scale->size() > 1) {
    // One factor a row: it goes with the rows picked, behind the values.
    const mx::array factors = mx::expand_dims(rows(*table.global_scale), -1);
    picked.global_scale.reset();
    return mx::astype(mx::multiply(dequantize(picked, mx::float32), factors), dtype);
  }
  return dequantize(picked, dtype);
}

}  // namespace plain
}  // namespace glimt::kernels
