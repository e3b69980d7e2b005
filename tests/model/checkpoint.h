// Golden checkpoints (tests/golden) as values that a test can change and write somewhere else.
#pragma once

#include "base/json.h"
#include "base/temporary_folder.h"
#include "model/compare.h"
#include "model/registry.h"
#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

namespace glimt {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(GLIMT_SOURCE_DIR) / "tests" / "golden" / name;
}

inline std::filesystem::path golden_file(const std::string& name) { return golden_folder(name) / "golden.safetensors"; }

struct Checkpoint {
  json::object config;
  std::map<std::string, mx::array> tensors;
  std::unordered_map<std::string, std::string> metadata;

  static Checkpoint read(const std::string& name) {
    Checkpoint checkpoint;
    checkpoint.config = parse_json_file(golden_folder(name) / "config.json").get_object();
    const SafetensorsFile file(golden_folder(name) / "model.safetensors");
    for (const auto& [tensor, info] : file.tensors()) checkpoint.tensors.emplace(tensor, file.array(tensor));
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

// The worst difference of any float tensor, and whether any index or token differs.
inline bool all_ok(const std::vector<Comparison>& results) {
  bool ok = true;
  for (const Comparison& result : results) ok = ok && result.ok();
  return ok;
}

// Logits of the golden input ids, all positions, [B, L, vocab].
inline mx::array logits_for(const CausalLm& model, const std::string& golden_case = "base") {
  Caches caches = model.make_caches();
  const mx::array ids = SafetensorsFile(golden_file(golden_case)).array("input_ids");
  const mx::array logits = model.unembed(model.forward(ids, caches));
  mx::eval(logits);
  return logits;
}

inline float worst_difference(const mx::array& a, const mx::array& b) {
  return mx::max(mx::abs(mx::subtract(a, b))).item<float>();
}

}  // namespace glimt
