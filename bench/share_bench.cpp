// What the layers of a model take on a rank that has a share of each (--split tensor), without the messages: with this and
// all_sum_bench, or the network's own figures, it can be told whether several machines help before there are several.
//
//   share_bench FOLDER RANKS THREADS    the first rank's share; RANKS 1: the whole layers
#include "kernels/ops.h"
#include "kernels/process.h"
#include "model/layer_stack.h"
#include "model/load_model.h"
#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <vector>

namespace glimt {
namespace {

// Nobody else computes: the part is taken for the sum.
class NoSums : public RankSums {
 public:
  mx::array all_sum(const mx::array& part) const override { return part; }
};

double median_ms(const LayerStack& layers, const Config& config, const PoolShape& shape, int rows) {
  const int times = rows > 64 ? 5 : 40;
  UniformCache cache(shape, 1, rows * (times + 1));
  std::vector<double> took;
  for (int i = 0; i <= times; ++i) {  // the first one reads the weights into memory
    const mx::array x = mx::random::normal({rows, config.hidden_size});
    mx::eval(x);
    const auto start = std::chrono::steady_clock::now();
    mx::eval(layers.forward({x, std::nullopt}, cache.pool(), cache.extend(rows), {}).sum());
    took.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(took.begin() + 1, took.end());
  return took[1 + static_cast<std::size_t>(times) / 2];
}

void measure(const std::string& folder, int ranks, int threads) {
  kernels::set_process_threads(threads);
  const Config config = config_for(folder, {});
  Weights weights(folder, config.quantization, device_for({}));
  const LayerStack layers(config, weights, 0, config.num_hidden_layers, {0, ranks, std::make_shared<const NoSums>()});
  const kernels::Device& device = weights.device();
  const PoolShape shape{layers.count(), config.cache_width(), device.rows(), &device.ops()};
  for (const int rows : {1, 8, 256}) {
    fmt::print("{} layers, a share of {}, {} rows: {:.2f} ms\n", layers.count(), ranks, rows,
               median_ms(layers, config, shape, rows));
  }
}

}  // namespace
}  // namespace glimt

int main(int argc, char** argv) {
  if (argc != 4) return fmt::print(stderr, "usage: share_bench FOLDER RANKS THREADS\n"), 2;
  try {
    glimt::measure(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
  } catch (const std::exception& error) {
    fmt::print(stderr, "share_bench: {}\n", error.what());
    return 1;
  }
}
