// Golden checkpoints (tests/golden) as values that a test can change and write somewhere else.
#pragma once

#include "base/json.h"
#include "base/temporary_folder.h"
#include "checkpoint/golden_folder.h"
#include "checkpoint/safetensors.h"
#include "kernels/kernels.h"
#include "measure/compare.h"
#include "model/arrays.h"
#include "model/load_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

namespace glimt {

inline mx::array golden_array(const std::string& golden_case, const std::string& name) {
  return array_of(SafetensorsFile(golden_file(golden_case)), name);
}

struct Checkpoint {
  json::object config;
  std::map<std::string, mx::array> tensors;
  std::unordered_map<std::string, std::string> metadata;

  static Checkpoint read(const std::string& name) {
    Checkpoint checkpoint;
    checkpoint.config = parse_json_file(golden_folder(name) / "config.json").get_object();
    const SafetensorsFile file(golden_folder(name) / "model.safetensors");
    for (const auto& [tensor, info] : file.tensors()) checkpoint.tensors.emplace(tensor, array_of(file, info));
    checkpoint.metadata.insert(file.metadata().begin(), file.metadata().end());
    return checkpoint;
  }

  mx::array& at(const std::string& name) { return tensors.at(name); }
  void set(const std::string& name, const mx::array& value) { tensors.insert_or_assign(name, value); }
  mx::array pull(const std::string& name) {  // removes it
    mx::array value = tensors.at(name);
    tensors.erase(name);
    return value;
  }

  // Writes config.json and one model.safetensors.
  void write(const std::filesystem::path& folder) const {
    write_config(folder);
    write_tensors(folder / "model.safetensors", [](const std::string&) { return true; });
  }

  void write_config(const std::filesystem::path& folder) const {
    write_file_atomically(folder / "config.json", dump_json(config));
  }

  void write_tensors(const std::filesystem::path& file, const std::function<bool(const std::string&)>& wanted) const {
    std::unordered_map<std::string, mx::array> chosen;
    for (const auto& [name, value] : tensors) {
      if (wanted(name)) chosen.emplace(name, value);
    }
    mx::save_safetensors(file.string(), chosen, metadata);
  }

  LoadedModel load(const LoadOptions& options = {.exact = true}) const {
    const TemporaryFolder folder;
    write(folder.path());
    return load_model(folder.path(), options);  // the mapping outlives the name
  }
};

// Every stored tensor within the tolerance, indices and tokens equal.
inline void expect_close(const std::vector<Comparison>& results) {
  EXPECT_FALSE(results.empty());
  for (const Comparison& result : results) {
    EXPECT_LE(result.worst, result.allowed) << result.name << (result.exact ? " (positions that differ)" : "");
  }
}

inline void expect_golden(const CausalLm& model, const std::string& golden_case, int chunk = 0,
                          double tolerance = 2e-4) {
  expect_close(compare(model, golden_file(golden_case), {.chunk = chunk, .tolerance = tolerance}));
}

// The model over ids [B, L], cut at positions that are multiples of `chunk` (0: at once) -> hidden states [B, L,
// hidden].
inline mx::array hidden_for(const CausalLm& model, const mx::array& ids, int chunk = 0) {
  const int batch = ids.shape(0), length = ids.shape(1);
  UniformCache cache(model.cache_shape(), batch, length);
  std::vector<mx::array> parts;
  for (int from = 0; from < length;) {
    const int to = chunk == 0 ? length : std::min(from + chunk, length);
    const mx::array rows = mx::flatten(mx::slice(ids, {0, from}, {batch, to}));
    parts.push_back(mx::unflatten(model.forward(rows, cache.pool(), cache.extend(to - from)), 0, {batch, to - from}));
    mx::eval(parts.back());
    from = to;
  }
  return mx::concatenate(parts, 1);
}

// Logits of the golden input ids, all positions, [B, L, vocab].
inline mx::array logits_for(const CausalLm& model, const std::string& golden_case = "base", int chunk = 0) {
  const mx::array ids = golden_array(golden_case, "input_ids");
  const mx::array logits = model.unembed(hidden_for(model, ids, chunk));
  kernels::evaluate({logits});
  return logits;
}

// What the MTP layer says behind each pair of the hidden state at p - 1 and the token at p: logits [B, L, vocab] for
// hidden [B, L, hidden] and ids [B, L].
inline mx::array mtp_logits_for(const CausalLm& model, const mx::array& hidden, const mx::array& ids) {
  const int batch = ids.shape(0), length = ids.shape(1);
  UniformCache cache(model.cache_shape(), batch, length, 1);
  const mx::array y =
      model.mtp_forward(mx::flatten(hidden, 0, 1), mx::flatten(ids), cache.pool(), cache.extend(length));
  const mx::array logits = mx::unflatten(model.mtp_unembed(y), 0, {batch, length});
  kernels::evaluate({logits});
  return logits;
}

inline float worst_difference(const mx::array& a, const mx::array& b) {
  return mx::max(mx::abs(mx::subtract(a, b))).item<float>();
}

}  // namespace glimt
