// How long a step of the engine takes, from measured ones.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace glimt::simulation {

// What a step computes. Keys: rows that its rows attend to, added up over them.
struct StepLoad {
  int rows = 0;
  double decode_keys = 0;   // of sequences with few rows, each of which reads its own cache
  double prefill_keys = 0;  // of prompts, whose rows share what they read

  void add_decode(int depth, int count) { add(depth, count, decode_keys); }
  void add_prefill(int depth, int count) { add(depth, count, prefill_keys); }

 private:
  void add(int depth, int count, double& keys) {
    rows += count;
    keys += count * (depth + (count + 1) / 2.0);
  }
};

// Seconds of a step = those of its rows, between the measured numbers of rows on a line in logarithms, plus a constant
// for each key. The file is what bench/step_costs.py writes: {"machine": …, "date": …, "model": …, "layers": 13,
// "row_bytes": 14976, "steps": [{"sequences": 8, "tokens": 1, "depth": 0, "seconds": 0.07}, …]}. A step of one token for
// each sequence is one that decodes. Each kind needs two depths of one shape, and depth 0 several numbers of rows.
class StepSeconds {
 public:
  // Throws not_found, bad_file.
  static StepSeconds from_file(const std::filesystem::path& file);

  double operator()(const StepLoad& load) const;

  const std::string& about() const { return about_; }  // the machine, the date, the model
  int layers() const { return layers_; }
  int row_bytes() const { return row_bytes_; }  // of the cache, for a token

 private:
  double row_seconds(int rows) const;

  std::string about_;
  int layers_ = 1;
  int row_bytes_ = 0;
  std::vector<std::pair<double, double>> rows_;  // logarithms of rows and of seconds, by rows
  double decode_key_ = 0, prefill_key_ = 0;
};

}  // namespace glimt::simulation
