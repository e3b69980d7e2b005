// Ranks that share each layer compute the numbers of one machine, and always the same bits. (The golden and the engine
// tests run over such ranks as well: GLIMT_TEST_RANKS, GLIMT_TEST_SPLIT.)
#include "base/throws.h"
#include "kernels/plain_ops.h"
#include "model/checkpoint.h"
#include "model/layer_share.h"
#include "model/local_ranks.h"
#include "model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace glimt {
namespace {

using testing::HasSubstr;

LoadOptions shared(LoadOptions options = {}) {
  options.ranks.split = Split::tensor;
  return options;
}

LoadedModel load_shared(int ranks, const std::string& name, const LoadOptions& options = {}) {
  const LocalRanks::Load local(golden_folder(name), shared(options), ranks);
  return load_model(golden_folder(name), shared(options));
}

bool same_bits(const mx::array& a, const mx::array& b) {
  return a.dtype() == b.dtype() && mx::array_equal(a, b).item<bool>();
}

// A row has the same bits in every chunk and in every run, also with everything that rounds.
TEST(TensorParallel, IsDeterministic) {
  for (const char* name : {"base", "mtp", "base_affine4_g32", "base_nvfp4_g16"}) {
    for (const int ranks : {2, 3}) {
      if (ranks == 3 && std::string_view(name) == "base_affine4_g32") continue;
      SCOPED_TRACE(fmt::format("{} on {} ranks", name, ranks));
      const LoadedModel model = load_shared(ranks, name), again = load_shared(ranks, name);
      const mx::array wanted = logits_for(*model.model, name);
      for (const int chunk : {7, 1}) EXPECT_TRUE(same_bits(logits_for(*model.model, name, chunk), wanted)) << chunk;
      EXPECT_TRUE(same_bits(logits_for(*again.model, name), wanted));
    }
  }
}

TEST(TensorParallel, PlainMlxComputesTheReferenceToo) {
  const LoadOptions options{.exact = true, .ops = &kernels::plain_ops()};
  for (const char* name : {"base", "base_affine4_g32", "no_q_lora"}) {
    SCOPED_TRACE(name);
    expect_golden(*load_shared(2, name, options).model, name, 7);
  }
}

// The MTP layer is whole on rank 0: what it says of the same states has the bits of one machine.
TEST(TensorParallel, GuessesAreThoseOfOneMachine) {
  const mx::array ids = golden_array("mtp", "input_ids"), hidden = golden_array("mtp", "hidden");
  const LoadedModel whole = load_model(golden_folder("mtp"), {.exact = true});
  const LoadedModel spread = load_shared(2, "mtp", {.exact = true});
  EXPECT_TRUE(same_bits(mtp_logits_for(*spread.model, hidden, ids), mtp_logits_for(*whole.model, hidden, ids)));
}

// Every rank keeps every row. A block that is copied, or written from a session, is read by the heads of all ranks.
TEST(TensorParallel, RowsAreCopiedAndWrittenOnAllRanks) {
  const LoadedModel loaded = load_shared(3, "mtp");
  const CausalLm& model = *loaded.model;
  const mx::array ids = mx::flatten(mx::slice(golden_array("mtp", "input_ids"), {0, 0}, {1, 20}));
  const auto behind = [&](LatentPool& pool, int position, int count, int block) {
    const kernels::Step step{{position, count, {block}, 0}};
    mx::array hidden = model.forward(mx::slice(ids, {position}, {position + count}), pool,
                                     std::make_shared<const kernels::Step>(step));
    mx::eval(hidden);
    return hidden;
  };
  LatentPool pool(model.cache_shape(), 3), another(model.cache_shape(), 3);
  behind(pool, 0, 13, 0);
  pool.copy_rows(0, 1, 13);
  const mx::array wanted = behind(pool, 13, 7, 0);
  EXPECT_TRUE(same_bits(behind(pool, 13, 7, 1), wanted)) << "the rows are copied everywhere";
  std::vector<std::byte> bytes(pool.shape().block_bytes()), again(bytes.size());
  pool.read_block(0, bytes);
  another.write_block(2, bytes);
  EXPECT_TRUE(same_bits(behind(another, 13, 7, 2), wanted)) << "the rows are written everywhere";
  another.read_block(2, again);
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(bytes.size(),
            LatentPool(load_model(golden_folder("mtp"), {}).model->cache_shape(), 1).shape().block_bytes())
      << "as large as that of one machine";
}

// ---- the parts ----

bool is_cut(const std::string& name, int layers) {
  if (!name.starts_with("model.layers.") || name.starts_with(fmt::format("model.layers.{}.", layers))) return false;
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  return has("q_b_proj.") || has("q_proj.") || has("kv_b_proj.") || has("embed_q.") || has("unembed_out.") ||
         has("o_proj.weight") || has("o_proj.scales") || has("o_proj.biases") || has("gate_proj.") || has("up_proj.") ||
         has("down_proj.");
}

TEST(TensorParallel, EachRankHasItsPartOfTheWeights) {
  for (const char* name : {"mtp", "base_affine4_g32", "base_nvfp4_g16", "two_dense"}) {
    SCOPED_TRACE(name);
    std::size_t cut = 0, part = 0, all = 0, small = 0;
    const int layers = load_model(golden_folder(name), {}).model->config().num_hidden_layers;
    const SafetensorsFile file(golden_folder(name) / "model.safetensors");
    for (const auto& [tensor, info] : file.tensors()) {
      all += info.nbytes;
      if (info.shape.size() == 1) small += 2 * sizeof(float) * static_cast<std::size_t>(info.shape[0]);
      if (is_cut(tensor, layers) && !tensor.ends_with("global_scale")) {
        cut += info.nbytes;
        // Halves; but 160 columns of a dense MLP in groups of 32 are 96 and 64.
        const bool dense = tensor.find(".mlp.gate_proj") != std::string::npos ||
                           tensor.find(".mlp.up_proj") != std::string::npos ||
                           tensor.find(".mlp.down_proj") != std::string::npos;
        part += dense && std::string_view(name) != "base_nvfp4_g16" ? info.nbytes * 3 / 5 : info.nbytes / 2;
      }
      if (tensor.find("kv_b_proj") != std::string::npos) small += 8 * info.nbytes;  // becomes float32
    }
    const std::size_t before = mx::get_active_memory();
    const LoadedModel spread = load_shared(2, name, {.ops = &kernels::cpu_ops()});
    EXPECT_EQ(spread.weight_bytes, all - cut + part);
    EXPECT_GT(spread.copied_bytes, part / 4);
    EXPECT_LT(spread.copied_bytes, part);
    // Both ranks are in this process: together they have copied each value at most once.
    EXPECT_LE(mx::get_active_memory() - before, cut + small);
  }
}

TEST(TensorParallel, WhatCannotBeCutIsRefusedAtOnce) {
  const TemporaryFolder folder;
  const auto load_over = [&](int ranks, const std::string& name, const LoadOptions& options) {
    std::string hosts = "[[\"127.0.0.1:1\"]";  // nobody is waited for
    for (int rank = 1; rank < ranks; ++rank) hosts += ", [\"127.0.0.1:1\"]";
    ::setenv("MLX_HOSTFILE", folder.write("hosts.json", hosts + "]").c_str(), 1);
    ::setenv("MLX_RANK", "0", 1);
    EXPECT_ERROR(load_model(golden_folder(name), options), ErrorKind::invalid_request, HasSubstr("ranks"));
    std::string said;
    try {
      load_model(golden_folder(name), options);
    } catch (const Error& error) {
      said = error.what();
    }
    ::unsetenv("MLX_HOSTFILE");
    return said;
  };
  EXPECT_THAT(load_over(5, "base", shared()),
              HasSubstr("--split tensor: 5 ranks are too many for the heads of model.layers.0.self_attn: 4"));
  EXPECT_THAT(
      load_over(2, "base_affine4_g64", shared()),
      HasSubstr("the intermediate values of model.layers.1.mlp's experts: 64, which can be cut behind each 64"));
}

TEST(TensorParallel, LayersOfRanksAreForAPipeline) {
  const TemporaryFolder folder;
  ::setenv("MLX_HOSTFILE", folder.write("hosts.json", R"([["127.0.0.1:1"], ["127.0.0.1:1"]])").c_str(), 1);
  ::setenv("MLX_RANK", "0", 1);
  LoadOptions options = shared();
  options.ranks.layers = {1, 2};
  EXPECT_ERROR(load_model(golden_folder("base"), options), ErrorKind::invalid_request,
               HasSubstr("--layers: is for --split pipeline"));
  ::unsetenv("MLX_HOSTFILE");
  EXPECT_ERROR(load_model(golden_folder("base"), shared()), ErrorKind::invalid_request,
               HasSubstr("--split: cuts a model between ranks, and this process computes alone"));
}

TEST(LayerShare, FirstRanksGetAUnitMore) {
  const auto sizes = [](int ranks, int total, int unit) {
    std::vector<int> found;
    int end = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const Stretch part = LayerShare{rank, ranks}.of("things", total, unit);
      EXPECT_EQ(part.from, end);
      end = part.to;
      found.push_back(part.size());
    }
    EXPECT_EQ(end, total);
    return found;
  };
  EXPECT_EQ(sizes(3, 20, 1), (std::vector<int>{7, 7, 6}));
  EXPECT_EQ(sizes(2, 1536, 64), (std::vector<int>{768, 768}));
  EXPECT_EQ(sizes(5, 1536, 64), (std::vector<int>{320, 320, 320, 320, 256}));
  EXPECT_EQ(sizes(1, 20, 4), (std::vector<int>{20}));
  EXPECT_ERROR(static_cast<void>(LayerShare{.ranks = 3}.of("things", 128, 64)), ErrorKind::invalid_request,
               HasSubstr("3 ranks are too many for things: 128, which can be cut behind each 64"));
}

struct Matrix {
  const char* path;
  int rows, columns, count;
};

// A part is what the same stretch of the whole is, however it is stored; and what every rank left is counted.
TEST(MatrixParts, AreStretchesOfTheWhole) {
  const Matrix matrices[] = {{"model.layers.0.self_attn.o_proj", 64, 256, 0},
                             {"model.layers.0.mlp.gate_proj", 160, 64, 0},
                             {"model.layers.0.mlp.down_proj", 64, 160, 0}};
  for (const char* name : {"base", "bf16", "base_affine4_g32", "base_mxfp4_g32", "base_mxfp8_g32", "base_nvfp4_g16"}) {
    const Config config = Config::from_folder(golden_folder(name));
    for (const Matrix& m : matrices) {
      for (const auto side : {MatrixPart::Side::rows, MatrixPart::Side::columns}) {
        SCOPED_TRACE(fmt::format("{} {}, {}", name, m.path, side == MatrixPart::Side::rows ? "rows" : "columns"));
        const int from = 32, to = side == MatrixPart::Side::rows ? m.rows : m.columns;
        Weights all(golden_folder(name), config.quantization), some(golden_folder(name), config.quantization);
        const std::size_t bytes = some.total_bytes();
        const mx::array whole = dequantize(aligned(all.take_matrix(m.path, m.rows, m.columns, m.count)), mx::float32);
        const Weight part = some.take_part(m.path, m.rows, m.columns, m.count, {side, from, to});
        const mx::Shape start = side == MatrixPart::Side::rows ? mx::Shape{from, 0} : mx::Shape{0, from};
        EXPECT_TRUE(
            same_bits(dequantize(aligned(part), mx::float32), mx::contiguous(mx::slice(whole, start, whole.shape()))));
        const Weights rest(golden_folder(name), config.quantization);
        const std::size_t stored = rest.bytes_of(std::string(m.path) + ".");
        EXPECT_NEAR(static_cast<double>(bytes - some.total_bytes()), static_cast<double>(stored) * from / to, 8.0);
      }
    }
  }
}

TEST(MatrixParts, AreNotCutWithinAGroup) {
  const Config config = Config::from_folder(golden_folder("base_affine4_g32"));
  Weights weights(golden_folder("base_affine4_g32"), config.quantization);
  EXPECT_ERROR(weights.take_part("model.layers.0.self_attn.o_proj", 64, 256, 0, {MatrixPart::Side::columns, 0, 48}),
               ErrorKind::bad_file, HasSubstr("cut at 0 and 48 of 256"));
}

}  // namespace
}  // namespace glimt
