// Latent attention between its projections: our kernels against the definition in plain MLX, and against themselves: a
// row must not depend on the chunk, the batch, the blocks or the number of threads that it comes with.
#include "base/throws.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace glimt::kernels {
namespace {

struct Sizes {
  int heads = 3, latent = 64, nope = 32, rope = 16, v = 48;
};

mx::array random(const mx::Shape& shape, std::uint64_t seed) {
  const mx::array x = mx::random::normal(shape, mx::float32, 0.0f, 1.0f, mx::random::key(seed));
  mx::eval(x);
  return x;
}

std::shared_ptr<const MlaWeights> weights(const Sizes& n, bool quantized, bool interleaved = true) {
  const auto stack = [&](int rows, int columns, std::uint64_t seed) -> Weight {
    const mx::array values =
        mx::multiply(random({n.heads, rows, columns}, seed), mx::array(1 / std::sqrt(static_cast<float>(columns))));
    mx::eval(values);
    if (quantized) return quantize(values, {QuantMode::affine, 4, 32});
    return {n.heads, rows, columns, values, std::nullopt, std::nullopt, std::nullopt, std::nullopt};
  };
  Rotary rotary{{}, interleaved, 1.25f};
  for (int i = 0; i < n.rope / 2; ++i)
    rotary.frequencies.push_back(std::pow(100.0f, -2.0f * static_cast<float>(i) / static_cast<float>(n.rope)));
  const mx::array norm = mx::add(mx::abs(random({n.latent}, 3)), mx::array(0.5f));
  mx::eval(norm);
  return std::make_shared<const MlaWeights>(
      MlaWeights{stack(n.latent, n.nope, 1), stack(n.v, n.latent, 2), norm, 1e-5f, rotary, 0.3f});
}

// One layer's rows on a device, NaN where nothing was stored yet, if its numbers can be NaN there.
struct Layer {
  Layer(const Device& on, RowType type, int width, int blocks)
      : device(on), rows(on.ops().make_rows(type, width, blocks)) {
    if (&on.ops() == &plain_ops()) return;  // there rows behind a sequence's last one are not read
    const std::vector<std::byte> nan(rows->block_bytes(), std::byte{0xff});
    for (int block = 0; block < blocks; ++block) rows->write_block(block, nan);
  }
  Device device;
  std::unique_ptr<PagedRows> rows;
};

// A sequence's inputs for all its positions.
struct Sequence {
  Sequence(const Sizes& n, int length, std::uint64_t seed)
      : q(random({length, n.heads * (n.nope + n.rope)}, seed)), kv(random({length, n.latent + n.rope}, seed + 100)) {}
  mx::array q, kv;
};

mx::array rows_of(const mx::array& x, int from, int to) { return mx::slice(x, {from, 0}, {to, x.shape(1)}); }

struct Part {
  const Sequence* sequence;
  int from, to;
  std::vector<int> blocks;
};

mx::array run(const std::shared_ptr<const MlaWeights>& w, Layer& layer, const std::vector<Part>& parts) {
  std::vector<mx::array> q, kv;
  Step step;
  for (const Part& part : parts) {
    q.push_back(rows_of(part.sequence->q, part.from, part.to));
    kv.push_back(rows_of(part.sequence->kv, part.from, part.to));
    step.push_back({part.from, part.to - part.from, part.blocks});
  }
  mx::array y = mla(layer.device, mx::concatenate(q, 0), mx::concatenate(kv, 0), w, *layer.rows,
                    std::make_shared<const Step>(step));
  mx::eval(y);
  return y;
}

bool same(const mx::array& a, const mx::array& b) { return mx::array_equal(a, b).item<bool>(); }

// |a - b| / |b|, in the Euclidean norm over everything.
float difference(const mx::array& a, const mx::array& b) {
  return mx::sqrt(mx::divide(mx::sum(mx::square(mx::subtract(a, b))), mx::sum(mx::square(b)))).item<float>();
}

struct Way {
  bool exact;  // or what answers are made with
  MlaForm form;
};

class Mla : public testing::TestWithParam<Way> {
 protected:
  void TearDown() override { cpu::set_threads(threads_); }

  const Device device_{cpu_ops(GetParam().form), GetParam().exact};
  const int threads_ = cpu::threads();
};

INSTANTIATE_TEST_SUITE_P(All, Mla,
                         testing::Values(Way{true, MlaForm::absorbed}, Way{false, MlaForm::absorbed},
                                         Way{true, MlaForm::expanded}, Way{false, MlaForm::expanded}),
                         [](const auto& test) {
                           return std::string(test.param.exact ? "Exact" : "Fast") +
                                  (test.param.form == MlaForm::expanded ? "Expanded" : "Absorbed");
                         });

TEST_P(Mla, IsItsDefinitionInBothForms) {
  for (const bool quantized : {false, true}) {
    for (const Sizes& n : {Sizes{}, Sizes{1, 32, 32, 2, 32}, Sizes{5, 128, 64, 32, 64}}) {
      for (const RowType type : {RowType::f32, RowType::bf16}) {
        for (const bool interleaved : {true, false}) {
          const auto w = weights(n, quantized, interleaved);
          const Sequence sequence(n, 300, 7);
          // A prefill, a chunk over the border of a block, and one token.
          const std::pair<int, int> cuts[] = {{0, 120}, {120, 299}, {299, 300}};
          for (const MlaForm form : {MlaForm::absorbed, MlaForm::expanded}) {
            Layer plain(Device(plain_ops(form), true), type, n.latent + n.rope, 4);
            Layer ours(device_, type, n.latent + n.rope, 4);
            for (const auto& [from, to] : cuts) {
              const std::vector<Part> part = {{&sequence, from, to, {2, 0, 3}}};
              const mx::array wanted = run(w, plain, part);
              EXPECT_LE(difference(run(w, ours, part), wanted),
                        GetParam().exact ? (type == RowType::f32 ? 2e-5f : 5e-3f) : 3e-2f)
                  << from << " to " << to << ", " << n.latent << " wide" << (quantized ? ", quantized" : "");
            }
          }
        }
      }
    }
  }
}

TEST_P(Mla, ARowIsTheSameInEveryChunkBatchBlockAndThread) {
  const Sizes n;
  const auto w = weights(n, true);
  const Sequence a(n, 290, 7), b(n, 40, 8), c(n, 200, 9);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::q8}) {
    Layer whole(device_, type, n.latent + n.rope, 3);
    cpu::set_threads(1);
    const mx::array wanted = run(w, whole, {{&a, 0, 290, {0, 1, 2}}});
    for (const int threads : {1, 2, 3}) {
      cpu::set_threads(threads);
      for (const int chunk : {1, 3, 8, 128, 150}) {
        if (chunk == 1 && threads > 1) continue;
        Layer layer(device_, type, n.latent + n.rope, 9);
        run(w, layer, {{&b, 0, 39, {8}}, {&c, 0, 190, {1, 6}}});
        for (int from = 0; from < 290; from += chunk) {
          const int to = std::min(from + chunk, 290);
          // Beside a decoding sequence and one that gets a chunk, before and behind it.
          const mx::array y = run(w, layer, {{&b, 39, 40, {8}}, {&a, from, to, {5, 0, 3}}, {&c, 190, 200, {1, 6}}});
          EXPECT_TRUE(same(rows_of(y, 1, 1 + to - from), rows_of(wanted, from, to)))
              << to_string(type) << ", chunks of " << chunk << " at " << from << ", " << threads << " threads";
        }
      }
    }
  }
}

// A long chunk beside a decoding sequence and a short chunk: each in the form that is cheaper for it, the bits of that
// form alone.
TEST(MlaForms, AutomaticExpandsLongChunksOnly) {
  const Sizes n;
  const auto w = weights(n, true);
  const Sequence a(n, 300, 7), b(n, 40, 8), c(n, 30, 9);
  const auto compute = [&](MlaForm form) {
    Layer layer(Device(cpu_ops(form), false), RowType::bf16, n.latent + n.rope, 6);
    run(w, layer, {{&b, 0, 39, {3}}});
    return run(w, layer, {{&b, 39, 40, {3}}, {&a, 0, 300, {2, 0, 5}}, {&c, 0, 30, {1}}});
  };
  const mx::array absorbed = compute(MlaForm::absorbed), expanded = compute(MlaForm::expanded);
  const mx::array chosen = compute(MlaForm::automatic);
  EXPECT_FALSE(same(absorbed, expanded));
  EXPECT_TRUE(same(rows_of(chosen, 1, 301), rows_of(expanded, 1, 301)));
  for (const auto& [from, to] : {std::pair{0, 1}, {301, 331}})
    EXPECT_TRUE(same(rows_of(chosen, from, to), rows_of(absorbed, from, to))) << from;
}

// More keys than are expanded at once, a block of rope columns of their own for each.
TEST(MlaForms, ExpandedInSeveralPiecesIsTheDefinition) {
  const Sizes n{2, 32, 32, 16, 32};
  const auto w = weights(n, true);
  const Sequence sequence(n, 2200, 7);
  std::vector<int> blocks(blocks_for(2200));
  std::iota(blocks.rbegin(), blocks.rend(), 0);
  Layer plain(Device(plain_ops(MlaForm::absorbed), true), RowType::f32, n.latent + n.rope, 18);
  Layer ours(Device(cpu_ops(MlaForm::expanded), true), RowType::f32, n.latent + n.rope, 18);
  for (const auto& [from, to] : {std::pair{0, 2100}, {2100, 2200}}) {
    const std::vector<Part> part = {{&sequence, from, to, blocks}};
    const mx::array wanted = run(w, plain, part);
    EXPECT_LE(difference(run(w, ours, part), wanted), 2e-5f) << from;
  }
}

// Two sequences with a common beginning read the same block; neither writes it.
TEST_P(Mla, SequencesShareTheBlocksOfACommonBeginning) {
  const Sizes n;
  const auto w = weights(n, false);
  const Sequence a(n, 160, 7);
  Sequence b(n, 160, 8);
  b.q = mx::concatenate({rows_of(a.q, 0, kBlockRows), rows_of(b.q, kBlockRows, 160)}, 0);
  b.kv = mx::concatenate({rows_of(a.kv, 0, kBlockRows), rows_of(b.kv, kBlockRows, 160)}, 0);
  Layer apart(device_, RowType::bf16, n.latent + n.rope, 4), shared(device_, RowType::bf16, n.latent + n.rope, 3);
  const mx::array alone = run(w, apart, {{&b, 0, 160, {0, 1}}});
  run(w, shared, {{&a, 0, 160, {0, 1}}});
  EXPECT_TRUE(same(run(w, shared, {{&b, kBlockRows, 160, {0, 2}}}), rows_of(alone, kBlockRows, 160)));
  EXPECT_TRUE(same(run(w, shared, {{&a, 159, 160, {0, 1}}}), rows_of(run(w, apart, {{&a, 0, 160, {2, 3}}}), 159, 160)));
}

// A broken row reaches every query of its sequence that sees it, and no other sequence.
TEST_P(Mla, NanReachesTheQueriesThatSeeItAndNoOtherSequence) {
  const Sizes n;
  const auto w = weights(n, true);
  Sequence bad(n, 40, 7);
  const Sequence good(n, 40, 8);
  const mx::array position = mx::reshape(mx::arange(0, 40, mx::int32), {40, 1});
  bad.kv = mx::where(mx::equal(position, mx::array(20)), mx::array(std::numeric_limits<float>::quiet_NaN()), bad.kv);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::q8}) {
    Layer layer(device_, type, n.latent + n.rope, 3), clean(device_, type, n.latent + n.rope, 3);
    const mx::array y = run(w, layer, {{&bad, 0, 40, {1}}, {&good, 0, 40, {0}}});
    EXPECT_TRUE(mx::all(mx::isnan(rows_of(y, 20, 40))).item<bool>());
    EXPECT_TRUE(same(rows_of(y, 40, 80), run(w, clean, {{&good, 0, 40, {2}}})));
  }
}

TEST_P(Mla, RefusesAStepThatDoesNotFit) {
  const Sizes n;
  const auto w = weights(n, false);
  const Sequence a(n, 140, 7);
  Layer layer(device_, RowType::f32, n.latent + n.rope, 3);
  EXPECT_ERROR(run(w, layer, {{&a, 0, 140, {0}}}), ErrorKind::internal, testing::HasSubstr("do not fit 1 blocks"));
  EXPECT_ERROR(mla(device_, a.q, a.kv, w, *layer.rows, std::make_shared<const Step>(Step{{0, 3, {0}}})),
               ErrorKind::internal, testing::HasSubstr("3 rows"));
}

TEST_P(Mla, RefusesTheRowsOfAnotherDevice) {
  const Sizes n;
  const auto w = weights(n, false);
  const Sequence a(n, 3, 7);
  const Device plain(plain_ops(), true);
  Layer ours(device_, RowType::f32, n.latent + n.rope, 1), theirs(plain, RowType::f32, n.latent + n.rope, 1);
  const auto step = std::make_shared<const Step>(Step{{0, 3, {0}}});
  EXPECT_ERROR(mla(plain, a.q, a.kv, w, *ours.rows, step), ErrorKind::internal, testing::HasSubstr("another device"));
  EXPECT_ERROR(mla(device_, a.q, a.kv, w, *theirs.rows, step), ErrorKind::internal,
               testing::HasSubstr("another device"));
}

}  // namespace
}  // namespace glimt::kernels
