// Our kernels against the same operations in plain MLX, and against themselves: a row's result must not depend on its
// batch, on the order of its work or on the number of threads.
#include "kernels/kernels.h"

#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/views.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

namespace glimt::kernels {
namespace {

mx::array random(const mx::Shape& shape, std::uint64_t seed, float size = 1) {
  const mx::array x =
      mx::multiply(mx::random::normal(shape, mx::float32, 0.0f, 1.0f, mx::random::key(seed)), mx::array(size));
  mx::eval(x);
  return x;
}

// A way to store a matrix; nothing: float32.
struct Form {
  std::optional<Quantization> quantization;
  mx::Dtype dtype = mx::float32;  // of the values, or of the scales of affine ones
  int global_scales = 0;          // 0: none, 1: one, 2: one a matrix or row

  std::string name() const {
    std::string text = dtype == mx::float32 ? "float32" : dtype == mx::float16 ? "float16" : "bfloat16";
    if (quantization)
      text +=
          fmt::format(" {} {} bits group {}", quantization->mode_name(), quantization->bits, quantization->group_size);
    return text + (global_scales > 0 ? " with global scale" : "");
  }

  // [rows, columns], or [count, rows, columns] when count > 0
  Weight make(int count, int rows, int columns, std::uint64_t seed) const {
    const mx::Shape shape = count > 0 ? mx::Shape{count, rows, columns} : mx::Shape{rows, columns};
    const mx::array values = mx::astype(random(shape, seed, 1 / std::sqrt(static_cast<float>(columns))), dtype);
    mx::eval(values);
    if (!quantization) return {count, rows, columns, values, std::nullopt, std::nullopt, std::nullopt, std::nullopt};
    Weight w = quantize(values, *quantization);
    if (global_scales > 0) {
      w.global_scale = mx::add(mx::abs(random({global_scales == 1 ? 1
                                               : count > 0        ? count
                                                                  : rows},
                                              seed + 1)),
                               mx::array(0.5f));
      mx::eval(*w.global_scale);
    }
    return w;
  }
};

Form affine(int bits, int group, mx::Dtype dtype = mx::float32) {
  return {Quantization{QuantMode::affine, bits, group}, dtype};
}

std::vector<Form> all_forms() {
  const Quantization nvfp4{QuantMode::nvfp4, 4, 16};
  std::vector<Form> forms = {{std::nullopt, mx::float32},
                             {std::nullopt, mx::float16},
                             {std::nullopt, mx::bfloat16},
                             {Quantization{QuantMode::mxfp4, 4, 32}},
                             {Quantization{QuantMode::mxfp8, 8, 32}},
                             {nvfp4},
                             {nvfp4, mx::float32, 1},
                             {nvfp4, mx::float32, 2}};
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) forms.push_back(affine(bits, group));
  }
  for (const int bits : {3, 4, 8}) {
    forms.push_back(affine(bits, 64, mx::bfloat16));
    forms.push_back(affine(bits, 64, mx::float16));
  }
  return forms;
}

std::vector<float> values_of(const mx::array& x) {
  const mx::array flat = mx::contiguous(mx::astype(x, mx::float32));
  evaluate({flat});
  return {flat.data<float>(), flat.data<float>() + flat.size()};
}

float worst(const mx::array& a, const mx::array& b) {
  EXPECT_EQ(a.shape(), b.shape());
  return mx::max(mx::abs(mx::subtract(a, b))).item<float>();
}

// |a - b| / |b| over all values, whose size is about one: a single one may happen to be next to nothing.
float relative(const mx::array& a, const mx::array& b) {
  const mx::array size = mx::maximum(mx::sum(mx::square(b)), mx::array(static_cast<float>(b.size())));
  return std::sqrt(mx::divide(mx::sum(mx::square(mx::subtract(a, b))), size).item<float>());
}

class KernelsTest : public testing::Test {
 protected:
  explicit KernelsTest(bool exact = true) : device_(cpu_ops(), exact) {}
  void TearDown() override { cpu::set_threads(threads_); }

  static mx::array plain(const std::function<mx::array(const Device&)>& compute) {
    const mx::array y = compute(Device(plain_ops(), true));
    mx::eval(y);
    return y;
  }

  // Every table against the plain one: float activations as the definition, 8-bit ones within their error budget.
  // Results have a size of about one.
  static void expect_same(const std::function<mx::array(const Device&)>& compute, float tolerance = 3e-5f,
                          float rounded = 0.02f) {
    const mx::array wanted = plain(compute);
    for (const Ops* ops : all_ops()) {
      if (ops == &plain_ops()) continue;
      SCOPED_TRACE(ops->name);
      EXPECT_LE(worst(compute(Device(*ops, true)), wanted), tolerance);
      EXPECT_LE(relative(compute(Device(*ops, false)), wanted), rounded) << "8-bit activations";
    }
  }

  const Device device_;
  const int threads_ = cpu::threads();
};

TEST_F(KernelsTest, LinearIsItsDefinitionForEveryFormat) {
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name());
    const int group = !form.quantization                            ? 1
                      : form.quantization->mode == QuantMode::nvfp4 ? 64  // MLX's own dequantize wants that much
                                                                    : form.quantization->group_size;
    const int shapes[][2] = {{1, 4 * group}, {7, 3 * group}, {33, 128}, {130, 5 * std::max(group, 29)}};
    for (const auto& [rows, columns] : shapes) {
      if (columns % group != 0) continue;
      const auto w = std::make_shared<const Weight>(form.make(0, rows, columns, 3));
      for (const mx::Shape& shape : {mx::Shape{1, columns}, mx::Shape{5, columns}, mx::Shape{2, 1, 35, columns}}) {
        const mx::array x = random(shape, 4);
        expect_same([&](const Device& d) { return linear(d, x, w); });
      }
    }
  }
}

// The matrix with its values, scales and biases `offset` bytes behind aligned addresses.
class MovedMatrix {
 public:
  MovedMatrix(const Weight& w, std::size_t offset) : view_(view(w)) {
    const auto moved = [&](const mx::array& array) -> const void* {
      bytes_.emplace_back(array.nbytes() + offset);
      std::memcpy(bytes_.back().data() + offset, array.data<std::byte>(), array.nbytes());
      return bytes_.back().data() + offset;
    };
    bytes_.reserve(3);
    view_.values = moved(w.values);
    if (w.scales) view_.scales = moved(*w.scales);
    if (w.biases) view_.biases = moved(*w.biases);
  }

  // With rows [tokens, columns] -> [tokens, rows].
  std::vector<float> times(const mx::array& x, bool exact) const {
    const auto tokens = static_cast<std::size_t>(x.shape(0)), rows = static_cast<std::size_t>(view_.rows);
    std::vector<float> y(tokens * rows);
    std::vector<const float*> in;
    cpu::Product product{view_, nullptr, 0, {}};
    for (std::size_t t = 0; t < tokens; ++t) {
      in.push_back(x.data<float>() + t * static_cast<std::size_t>(view_.columns));
      product.y.push_back(y.data() + t * rows);
    }
    cpu::Activations activations(in, {tokens}, view_.columns);
    product.x = &activations;
    cpu::multiply({&product, 1}, exact);
    return y;
  }

 private:
  std::vector<std::vector<std::byte>> bytes_;
  cpu::MatrixView view_;
};

// Files have tensors at any byte.
TEST_F(KernelsTest, ProductsHaveTheSameBitsWhereverTheWeightsLie) {
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name());
    const Weight w = form.make(0, 45, 640, 3);
    for (const int tokens : {1, 3, 14}) {
      const mx::array x = random({tokens, 640}, 4);
      for (const bool exact : {true, false}) {
        const std::vector<float> wanted = MovedMatrix(w, 0).times(x, exact);
        for (const std::size_t offset : {1, 2, 3}) EXPECT_EQ(MovedMatrix(w, offset).times(x, exact), wanted) << offset;
      }
    }
  }
}

TEST_F(KernelsTest, LinearTakesInputsOfAnyLayoutAndDtype) {
  const auto w = std::make_shared<const Weight>(affine(4, 64).make(0, 20, 64, 3));
  const mx::array x = random({64, 3, 2}, 4);
  expect_same([&](const Device& d) { return linear(d, mx::transpose(x), w); });
  expect_same([&](const Device& d) { return linear(d, mx::swapaxes(mx::slice(x, {0, 1, 0}, {64, 3, 2}), 0, 2), w); });
  const mx::array half = mx::astype(mx::transpose(x), mx::bfloat16);
  EXPECT_LE(worst(linear(device_, half, w), linear(device_, mx::astype(half, mx::float32), w)), 0.0f);
}

TEST_F(KernelsTest, RmsNormIsItsDefinition) {
  for (const int columns : {1, 5, 16, 37, 128, 2048}) {
    const mx::array x = random({7, columns}, 1), weight = random({columns}, 2);
    for (const float size : {1e-4f, 1.0f, 1e4f}) {
      const mx::array scaled = mx::multiply(x, mx::array(size));
      expect_same([&](const Device& d) { return rms_norm(d, scaled, weight, 1e-5f); });
    }
    const auto third = [&](const mx::array& of) { return mx::slice(of, {3, 0}, {4, columns}); };
    EXPECT_TRUE(mx::array_equal(third(rms_norm(device_, x, weight, 0.1f)), rms_norm(device_, third(x), weight, 0.1f))
                    .item<bool>());
  }
}

// The graph's thread is faster than the kernels: without a bound a prefill's activations of many layers exist at once.
TEST_F(KernelsTest, OutputsDoNotPileUpBeforeTheirKernelsHaveRun) {
  constexpr std::size_t kOutput = std::size_t{4} << 20;  // of one kernel
  mx::array x = random({512, 2048}, 1);
  const mx::array weight = random({2048}, 2);
  for (int i = 0; i < 60; ++i) x = rms_norm(device_, x, weight, 1e-5f);
  mx::reset_peak_memory();
  const std::size_t before = mx::get_active_memory();
  evaluate({x});
  EXPECT_LE(mx::get_peak_memory() - before, 8 * kOutput);
}

// Two models in one process: each device counts its own kernels.
TEST_F(KernelsTest, ADeviceCountsTheTimeOfItsOwnKernels) {
  const Device other(cpu_ops(), true);
  const mx::array x = random({64, 2048}, 1), weight = random({2048}, 2);
  evaluate({rms_norm(device_, x, weight, 1e-5f)});
  EXPECT_GT(device_.queue().seconds(), 0.0);
  EXPECT_EQ(other.queue().seconds(), 0.0);
  const Device copy = other;
  evaluate({rms_norm(copy, x, weight, 1e-5f)});
  EXPECT_GT(other.queue().seconds(), 0.0) << "a copy is the same device";
}

// Exactness belongs to a device, and holds for the kernels that it has not run yet.
TEST_F(KernelsTest, ExactAndRoundedKernelsOfOneGraphKeepTheirArithmetic) {
  const auto w = std::make_shared<const Weight>(affine(4, 64).make(0, 40, 128, 3));
  const mx::array x = random({3, 128}, 4);
  const Device fast(cpu_ops(), false);
  const auto alone = [&](const Device& device) {
    const mx::array y = linear(device, x, w);
    evaluate({y});
    return y;
  };
  const mx::array exact_wanted = alone(device_), fast_wanted = alone(fast);
  EXPECT_FALSE(mx::array_equal(exact_wanted, fast_wanted).item<bool>());
  const mx::array a = linear(device_, x, w), b = linear(fast, x, w);
  evaluate({a, b});
  EXPECT_TRUE(mx::array_equal(a, exact_wanted).item<bool>());
  EXPECT_TRUE(mx::array_equal(b, fast_wanted).item<bool>());
}

TEST_F(KernelsTest, TheNormOfASumIsItsDefinition) {
  for (const int rows : {1, 40}) {
    const mx::array x = random({rows, 96}, 1), y = random({rows, 96}, 2), weight = random({96}, 3);
    expect_same([&](const Device& d) { return add_rms_norm(d, x, y, weight, 1e-5f).sum; });
    expect_same([&](const Device& d) { return add_rms_norm(d, x, y, weight, 1e-5f).norm; });
    const SumAndNorm both = add_rms_norm(device_, x, y, weight, 1e-5f);
    EXPECT_TRUE(mx::array_equal(both.norm, rms_norm(device_, both.sum, weight, 1e-5f)).item<bool>());
  }
}

ExpertWeights experts_of(const Form& form, int experts, int hidden, int inner, bool stacked, bool shared) {
  ExpertWeights w;
  if (stacked) {
    w.gate = {form.make(experts, inner, hidden, 10)};
    w.up = {form.make(experts, inner, hidden, 11)};
    w.down = {form.make(experts, hidden, inner, 12)};
  } else {
    for (int e = 0; e < experts; ++e) {
      const auto seed = static_cast<std::uint64_t>(20 + 3 * e);
      w.gate.push_back(form.make(0, inner, hidden, seed));
      w.up.push_back(form.make(0, inner, hidden, seed + 1));
      w.down.push_back(form.make(0, hidden, inner, seed + 2));
    }
  }
  if (shared)
    w.shared = SwiGluWeights{form.make(0, 2 * inner, hidden, 13), form.make(0, 2 * inner, hidden, 14),
                             form.make(0, hidden, 2 * inner, 15)};
  return w;
}

// Different experts for each token, as a router picks them.
mx::array picks(int tokens, int k, int experts, std::uint64_t seed) {
  const mx::array order = mx::argsort(random({tokens, experts}, seed), -1);
  const mx::array indices = mx::astype(mx::slice(order, {0, 0}, {tokens, k}), mx::uint32);
  mx::eval(indices);
  return indices;
}

TEST_F(KernelsTest, ExpertsAreTheirDefinitionForEveryFormat) {
  for (const Form& form : all_forms()) {
    if (form.global_scales == 2) continue;  // one a matrix: below
    SCOPED_TRACE(form.name());
    for (const bool stacked : {true, false}) {
      const auto w = std::make_shared<const ExpertWeights>(experts_of(form, 6, 128, 128, stacked, stacked));
      for (const int tokens : {1, 40}) {
        const mx::array x = random({tokens, 128}, 16), scores = mx::abs(random({tokens, 3}, 17)),
                        indices = picks(tokens, 3, 6, 18);
        const bool coarse = form.quantization && form.quantization->bits == 2;  // 0.0203 in groups of 128
        expect_same([&](const Device& d) { return experts(d, x, indices, scores, w); }, 1e-4f, coarse ? 0.025f : 0.02f);
      }
    }
  }
}

TEST_F(KernelsTest, ExpertsMayHaveAGlobalScaleEach) {
  const Form form{Quantization{QuantMode::nvfp4, 4, 16}, mx::float32, 2};
  const auto w = std::make_shared<const ExpertWeights>(experts_of(form, 6, 64, 32, true, false));
  const mx::array x = random({9, 64}, 16), scores = mx::abs(random({9, 2}, 17)), indices = picks(9, 2, 6, 18);
  expect_same([&](const Device& d) { return experts(d, x, indices, scores, w); }, 1e-4f);
}

TEST_F(KernelsTest, SwiGluIsItsDefinition) {
  for (const Form& form : {Form{}, affine(4, 64), affine(6, 32), Form{Quantization{QuantMode::mxfp8, 8, 32}}}) {
    const auto w = std::make_shared<const SwiGluWeights>(
        SwiGluWeights{form.make(0, 192, 128, 1), form.make(0, 192, 128, 2), form.make(0, 128, 192, 3)});
    for (const mx::Shape& shape : {mx::Shape{1, 128}, mx::Shape{2, 17, 128}}) {
      const mx::array x = random(shape, 4);
      expect_same([&](const Device& d) { return swiglu(d, x, w); }, 1e-4f);
    }
  }
}

TEST_F(KernelsTest, EmbeddingIsItsDefinitionForEveryFormat) {
  const mx::array ids = mx::array({0, 29, 7, 7, 3, 11}, {2, 3});
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name());
    const auto table = std::make_shared<const Weight>(form.make(0, 30, 128, 3));
    const auto compute = [&](const Device& d) { return embedding(d, ids, table, mx::float32); };
    EXPECT_LE(worst(compute(device_), plain(compute)), 1e-6f);
  }
}

// ---- The router

Routing plain_route(const mx::array& logits, const mx::array& bias, const RouterOptions& options) {
  const Routing routing = route(Device(plain_ops(), true), logits, bias, options);
  evaluate({routing.indices, routing.scores});
  return routing;
}

TEST_F(KernelsTest, RoutingIsItsDefinition) {
  const RouterOptions all[] = {{.top_k = 1},
                               {.top_k = 4, .normalize = false, .scale = 2.5f},
                               {.top_k = 4, .scale = 1.8f},
                               {.top_k = 3, .groups = 4, .kept_groups = 2},
                               {.top_k = 8, .groups = 4, .kept_groups = 1, .normalize = false},
                               {.top_k = 32}};
  for (const RouterOptions& options : all) {
    for (const float shift : {-3.0f, 0.0f, 8.0f}) {  // below zero, an excluded group must not win with a zero
      SCOPED_TRACE(fmt::format("top {} of {} groups, biases around {}", options.top_k, options.groups, shift));
      const mx::array logits = random({50, 32}, 1, 2), bias = mx::add(random({32}, 2, 0.2f), mx::array(shift));
      const Routing ours = route(device_, logits, bias, options), wanted = plain_route(logits, bias, options);
      EXPECT_TRUE(mx::array_equal(ours.indices, wanted.indices).item<bool>());
      EXPECT_LE(worst(ours.scores, wanted.scores), 1e-6f);
    }
  }
}

TEST_F(KernelsTest, RoutingTakesTheLowerIndexOfEqualChoicesAndTheBiasOnlyToChoose) {
  const mx::array same = mx::zeros({1, 6});
  const mx::array bias = mx::array({0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f});
  const Routing routing = route(device_, same, bias, {.top_k = 3, .normalize = false});
  EXPECT_TRUE(mx::array_equal(routing.indices, mx::array({1u, 3u, 0u}, {1, 3})).item<bool>());
  EXPECT_EQ(values_of(routing.scores), (std::vector<float>{0.5f, 0.5f, 0.5f}));
}

TEST_F(KernelsTest, RoutingSurvivesNanLogits) {
  const mx::array logits = mx::full({2, 8}, std::numeric_limits<float>::quiet_NaN());
  for (const int groups : {1, 2}) {
    const Routing routing =
        route(device_, logits, mx::zeros({8}), {.top_k = 2, .groups = groups, .kept_groups = groups});
    evaluate({routing.indices, routing.scores});
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_LT(routing.indices.data<std::uint32_t>()[i], 8u);
      EXPECT_TRUE(std::isnan(routing.scores.data<float>()[i]));
    }
  }
}

// ---- The same row, whatever else is computed

class Independence : public KernelsTest, public testing::WithParamInterface<bool> {
 protected:
  Independence() : KernelsTest(GetParam()) {}

  static std::vector<Form> forms() {
    return {{},
            {std::nullopt, mx::bfloat16},
            affine(4, 64),
            affine(4, 32, mx::bfloat16),
            affine(8, 64),
            affine(5, 64),
            affine(8, 128),
            {Quantization{QuantMode::mxfp4, 4, 32}},
            {Quantization{QuantMode::nvfp4, 4, 16}, mx::float32, 1}};
  }

  static mx::array rows_of(const mx::array& x, int from, int to) { return mx::slice(x, {from, 0}, {to, x.shape(1)}); }
};

INSTANTIATE_TEST_SUITE_P(All, Independence, testing::Bool(),
                         [](const auto& test) { return test.param ? "Exact" : "EightBit"; });

TEST_P(Independence, ARowIsTheSameAloneAndInEveryBatch) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.name());
    const auto w = std::make_shared<const Weight>(form.make(0, 150, 384, 3));
    const mx::array x = random({64, 384}, 4), all = linear(device_, x, w);
    mx::eval(all);
    for (const int size : {1, 2, 3, 5, 8, 33}) {
      for (int from = 0; from + size <= 64; from += 13) {
        EXPECT_TRUE(mx::array_equal(linear(device_, rows_of(x, from, from + size), w), rows_of(all, from, from + size))
                        .item<bool>())
            << size << " rows from " << from;
      }
    }
  }
}

TEST_P(Independence, ATokensExpertsAreTheSameAloneAndInEveryBatch) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.name());
    const auto w = std::make_shared<const ExpertWeights>(experts_of(form, 8, 128, 128, true, true));
    const mx::array x = random({40, 128}, 4), scores = random({40, 3}, 5), indices = picks(40, 3, 8, 6);
    const mx::array all = experts(device_, x, indices, scores, w);
    mx::eval(all);
    for (const int size : {1, 2, 7, 32}) {
      for (int from = 0; from + size <= 40; from += 11) {
        const mx::array part = experts(device_, rows_of(x, from, from + size), rows_of(indices, from, from + size),
                                       rows_of(scores, from, from + size), w);
        EXPECT_TRUE(mx::array_equal(part, rows_of(all, from, from + size)).item<bool>())
            << size << " tokens from " << from;
      }
    }
  }
}

TEST_P(Independence, ResultsDoNotDependOnTheNumberOfThreads) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.name());
    const auto w = std::make_shared<const Weight>(form.make(0, 300, 384, 3));
    const auto moe = std::make_shared<const ExpertWeights>(experts_of(form, 8, 128, 128, false, true));
    const mx::array x = random({17, 384}, 4), t = random({17, 128}, 6), scores = random({17, 2}, 7);
    const mx::array indices = picks(17, 2, 8, 8);
    std::optional<std::vector<mx::array>> first;
    for (const int threads : {1, 2, 3, 4}) {
      cpu::set_threads(threads);
      EXPECT_EQ(cpu::threads(), threads);
      std::vector<mx::array> results = {linear(device_, x, w), experts(device_, t, indices, scores, moe)};
      mx::eval(results);
      if (!first) first = results;
      for (std::size_t i = 0; i < results.size(); ++i) {
        EXPECT_TRUE(mx::array_equal(results[i], (*first)[i]).item<bool>())
            << "result " << i << " with " << threads << " threads";
      }
    }
  }
}

// What is broken stays where it is, and stays broken: neither rounded away nor spread to other rows.
TEST_P(Independence, NanAndInfinityStayInTheirRows) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.name());
    const auto w = std::make_shared<const Weight>(form.make(0, 40, 384, 3));
    for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const mx::array good = random({6, 384}, 4);
      const mx::array here =
          mx::equal(mx::reshape(mx::arange(0, 6 * 384, mx::int32), {6, 384}), mx::array(2 * 384 + 200));
      const mx::array y = linear(device_, mx::where(here, mx::array(poison), good), w),
                      wanted = linear(device_, good, w);
      const mx::array broken = mx::logical_not(mx::isfinite(y));
      EXPECT_EQ(mx::sum(mx::all(broken, 1)).item<int>(), 1);
      EXPECT_EQ(mx::sum(mx::any(broken, 1)).item<int>(), 1);
      EXPECT_TRUE(mx::array_equal(rows_of(y, 0, 2), rows_of(wanted, 0, 2)).item<bool>());
      EXPECT_TRUE(mx::array_equal(rows_of(y, 3, 6), rows_of(wanted, 3, 6)).item<bool>());
    }
  }
}

TEST_P(Independence, VerySmallAndVeryLargeActivationsKeepTheirSize) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.name());
    const auto w = std::make_shared<const Weight>(form.make(0, 40, 384, 3));
    const mx::array x = random({3, 384}, 4), wanted = linear(device_, x, w);
    for (const float size : {1e-30f, 1e-10f, 1e10f, 1e30f}) {
      const mx::array y = linear(device_, mx::multiply(x, mx::array(size)), w);
      EXPECT_LE(relative(mx::divide(y, mx::array(size)), wanted), 0.01f) << size;
    }
    EXPECT_LE(mx::max(mx::abs(linear(device_, mx::multiply(x, mx::array(1e-39f)), w))).item<float>(), 1e-36f);
    EXPECT_EQ(mx::max(mx::abs(linear(device_, mx::zeros({1, 384}), w))).item<float>(), 0.0f);
  }
}

}  // namespace
}  // namespace glimt::kernels
