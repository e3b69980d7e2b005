#include "nn/layers.h"

namespace glimt {

mx::array RmsNorm::operator()(const mx::array& x) const { return mx::fast::rms_norm(x, weight_, eps_); }

}  // namespace glimt
