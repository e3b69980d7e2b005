// The operations of a layer as the model calls them, through MLX, with the shapes of GLM-4.7-Flash and random 4-bit
// weights (group 64): microseconds and GB/s of the weights that are read, for one token, a verify step, a batch and a
// prefill.
#include "machine.h"

#include "kernels/ops.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <string>

namespace glimt::kernels {
namespace {

constexpr int kHidden = 2048, kIntermediate = 1536, kExperts = 64, kTopK = 4;
constexpr int kHeads = 20, kLatent = 512, kRope = 64, kNope = 192, kValue = 256, kKeys = 256;
constexpr int kTokens[] = {1, 3, 8, 512};

const Device& device() {
  static const Device chosen = Device::choose(false);
  return chosen;
}

mx::array random(const mx::Shape& shape, std::uint64_t seed) {
  const mx::array x = mx::random::normal(shape, mx::float32, 0.0f, 1.0f, mx::random::key(seed));
  mx::eval(x);
  return x;
}

// Random codes, one scale: quantizing random floats would take minutes.
Weight weight(int count, int rows, int columns, std::uint64_t seed) {
  const auto shape = [&](int last) { return count > 0 ? mx::Shape{count, rows, last} : mx::Shape{rows, last}; };
  const mx::array codes = mx::random::bits(shape(columns / 8), 4, mx::random::key(seed));
  const mx::array scales = mx::full(shape(columns / 64), 0.01f, mx::bfloat16);
  const mx::array biases = mx::full(shape(columns / 64), -0.075f, mx::bfloat16);
  mx::eval(codes, scales, biases);
  return {count, rows, columns, codes, Quantization{}, scales, biases, std::nullopt};
}

// bytes: of the weights that a call reads.
void measure(benchmark::State& state, const std::function<std::vector<mx::array>()>& op, double bytes) {
  for (auto _ : state) mx::eval(op());
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * bytes / 1e9, benchmark::Counter::kIsRate);
}

void experts_of(benchmark::State& state, int tokens) {
  const auto w = std::make_shared<ExpertWeights>();
  w->gate = {weight(kExperts, kIntermediate, kHidden, 1)};
  w->up = {weight(kExperts, kIntermediate, kHidden, 2)};
  w->down = {weight(kExperts, kHidden, kIntermediate, 3)};
  w->shared = SwiGluWeights{weight(0, kIntermediate, kHidden, 4), weight(0, kIntermediate, kHidden, 5),
                            weight(0, kHidden, kIntermediate, 6)};
  const mx::array x = random({tokens, kHidden}, 7);
  // Each call picks other experts, so that their weights come from memory.
  constexpr std::uint64_t kPicks = 64;
  std::vector<mx::array> picks, scores;
  double distinct = 0;
  for (std::uint64_t i = 0; i < kPicks; ++i) {
    const Routing routing =
        route(device(), random({tokens, kExperts}, 100 + i), mx::zeros({kExperts}), {.top_k = kTopK});
    mx::eval(routing.indices, routing.scores);
    const auto* first = routing.indices.data<std::uint32_t>();
    distinct += static_cast<double>(std::set<std::uint32_t>(first, first + tokens * kTopK).size()) / kPicks;
    picks.push_back(routing.indices);
    scores.push_back(routing.scores);
  }
  std::size_t next = 0;
  const auto op = [&]() -> std::vector<mx::array> {
    const std::size_t i = next++ % kPicks;
    return {experts(device(), x, picks[i], scores[i], w)};
  };
  const std::size_t of_one = w->shared->gate.nbytes() + w->shared->up.nbytes() + w->shared->down.nbytes();
  measure(state, op, (distinct + 1) * static_cast<double>(of_one));
}

// Layers in turn, more than the caches hold.
template <typename T>
class Turns {
 public:
  template <typename Make>
  Turns(std::size_t bytes_each, Make make) {
    for (std::size_t bytes = 0; bytes < (std::size_t{128} << 20); bytes += bytes_each)
      all_.push_back(make(all_.size()));
  }
  const T& next() { return all_[at_++ % all_.size()]; }

 private:
  std::vector<T> all_;
  std::size_t at_ = 0;
};

void linear_of(benchmark::State& state, int tokens, int rows, int columns) {
  const std::size_t bytes = weight(0, rows, columns, 1).nbytes();
  Turns<std::shared_ptr<const Weight>> weights(
      bytes, [&](std::uint64_t seed) { return std::make_shared<const Weight>(weight(0, rows, columns, seed)); });
  const mx::array x = random({tokens, columns}, 2);
  measure(
      state, [&]() -> std::vector<mx::array> { return {linear(device(), x, weights.next())}; },
      static_cast<double>(bytes));
}

// Norm, rotary embedding, storing, queries into latent space, attention to kKeys keys, values.
void mla_of(benchmark::State& state, int tokens) {
  const auto make = [&](std::uint64_t seed) {
    Rotary rotary;
    for (int i = 0; i < kRope / 2; ++i)
      rotary.frequencies.push_back(std::pow(1e6f, -2.0f * static_cast<float>(i) / kRope));
    return std::make_shared<const MlaWeights>(MlaWeights{weight(kHeads, kLatent, kNope, 2 * seed),
                                                         weight(kHeads, kValue, kLatent, 2 * seed + 1),
                                                         random({kLatent}, seed), 1e-5f, rotary, 0.0625f});
  };
  const auto first = make(0);
  const std::size_t bytes = first->embed_q.nbytes() + first->unembed_out.nbytes();
  Turns<std::shared_ptr<const MlaWeights>> weights(bytes, make);
  const int width = kLatent + kRope, blocks = blocks_for(kKeys + tokens);
  const auto rows = device().ops().make_rows(RowType::bf16, width, blocks);
  const std::vector<std::byte> zeros(rows->block_bytes());
  for (int block = 0; block < blocks; ++block) rows->write_block(block, zeros);
  std::vector<int> table(static_cast<std::size_t>(blocks));
  std::iota(table.begin(), table.end(), 0);
  const auto step = std::make_shared<const Step>(Step{{kKeys, tokens, table}});
  const mx::array q = random({tokens, kHeads * (kNope + kRope)}, 3), kv = random({tokens, width}, 4);
  measure(
      state, [&]() -> std::vector<mx::array> { return {mla(device(), q, kv, weights.next(), *rows, step)}; },
      static_cast<double>(bytes));
}

void router_of(benchmark::State& state, int tokens) {
  const auto w = std::make_shared<const Weight>(Weight{0, kExperts, kHidden,
                                                       mx::astype(random({kExperts, kHidden}, 1), mx::bfloat16),
                                                       std::nullopt, std::nullopt, std::nullopt, std::nullopt});
  mx::eval(w->values);
  const mx::array x = random({tokens, kHidden}, 2), bias = random({kExperts}, 3);
  const auto op = [&]() -> std::vector<mx::array> {
    const Routing routing = route(device(), linear(device(), x, w), bias, {.top_k = kTopK, .scale = 1.8f});
    return {routing.indices, routing.scores};
  };
  measure(state, op, static_cast<double>(w->nbytes()));
}

void norm_of(benchmark::State& state, int tokens) {
  const mx::array x = random({tokens, kHidden}, 1), y = random({tokens, kHidden}, 2), w = random({kHidden}, 3);
  const auto op = [&]() -> std::vector<mx::array> {
    const SumAndNorm both = add_rms_norm(device(), x, y, w, 1e-5f);
    return {both.sum, both.norm};
  };
  measure(state, op, static_cast<double>(4 * x.nbytes()));  // two arrays read, two written
}

}  // namespace
}  // namespace glimt::kernels

int main(int argc, char** argv) {
  using namespace glimt::kernels;
  struct Operation {
    const char* name;
    std::function<void(benchmark::State&, int tokens)> run;
  };
  const Operation operations[] = {
      {"experts", experts_of},
      {"mla", mla_of},
      {"q_b_proj",
       [](benchmark::State& state, int tokens) { linear_of(state, tokens, kHeads * (kNope + kRope), 768); }},
      {"o_proj", [](benchmark::State& state, int tokens) { linear_of(state, tokens, kHidden, kHeads * kValue); }},
      {"router", router_of},
      {"add_rms_norm", norm_of},
  };
  for (const Operation& operation : operations) {
    for (const int tokens : kTokens) {
      benchmark::RegisterBenchmark(fmt::format("{}/tokens:{}", operation.name, tokens).c_str(),
                                   [&operation, tokens](benchmark::State& state) { operation.run(state, tokens); })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return glimt::cpu::run_benchmarks(argc, argv);
}
