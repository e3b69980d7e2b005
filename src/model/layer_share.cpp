#include "model/layer_share.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {

Stretch LayerShare::of(const std::string& what, int total, int unit) const {
  const int units = total / unit;
  if (units < ranks) {
    fail(ErrorKind::invalid_request, "--split tensor", "{} ranks are too many for {}: {}{}", ranks, what, total,
         unit > 1 ? fmt::format(", which can be cut behind each {}", unit) : "");
  }
  const int each = units / ranks, more = units % ranks;
  const auto begin = [&](int of) { return (of * each + std::min(of, more)) * unit; };
  return {begin(rank), begin(rank + 1)};
}

}  // namespace glimt
