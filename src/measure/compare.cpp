#include "measure/compare.h"

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "model/arrays.h"
#include "model/load_model.h"

#include <algorithm>
#include <map>
#include <set>

namespace glimt {
namespace {

using Recorded = std::map<std::string, mx::array>;

mx::array columns(const mx::array& x, int from, int to) {  // of [B, L, ..]
  mx::Shape start(x.ndim(), 0), stop = x.shape();
  start[1] = from;
  stop[1] = to;
  return mx::slice(x, start, stop);
}

void append(Recorded& recorded, const std::string& name, const mx::array& value) {
  const auto found = recorded.find(name);
  if (found == recorded.end()) {
    recorded.emplace(name, value);
  } else {
    found->second = mx::concatenate({found->second, value}, 1);
  }
}

// Runs `step` over [0, length) in chunks.
template <typename Step>
void in_chunks(int length, int chunk, Step step) {
  if (chunk <= 0) chunk = length;
  for (int from = 0; from < length; from += chunk) step(from, std::min(from + chunk, length));
}

// [B, L, ..] as rows [B * L, ..], and back.
mx::array as_rows(const mx::array& x) { return mx::flatten(x, 0, 1); }
mx::array as_batch(const mx::array& x, int batch) { return mx::unflatten(x, 0, {batch, -1}); }

Recorded record_forward(const CausalLm& model, const mx::array& ids, int chunk, UniformCache& cache) {
  Recorded recorded;
  const int batch = ids.shape(0);
  const auto record = [&](const std::string& name, const mx::array& value) {
    append(recorded, name, as_batch(value, batch));
  };
  in_chunks(ids.shape(1), chunk, [&](int from, int to) {
    const mx::array hidden =
        model.forward(as_rows(columns(ids, from, to)), cache.pool(), cache.extend(to - from), record);
    record("hidden", hidden);
    record("logits", model.unembed(hidden));
    mx::eval(recorded.at("logits"));
  });
  return recorded;
}

void record_mtp(const CausalLm& model, const mx::array& ids, int chunk, Recorded& recorded) {
  const int batch = ids.shape(0), length = ids.shape(1) - 1;
  const mx::array hidden = recorded.at("hidden");
  UniformCache cache(model.cache_shape(), batch, length, 1);
  in_chunks(length, chunk, [&](int from, int to) {
    const mx::array y = model.mtp_forward(as_rows(columns(hidden, from, to)), as_rows(columns(ids, from + 1, to + 1)),
                                          cache.pool(), cache.extend(to - from));
    append(recorded, "mtp.hidden", as_batch(y, batch));
    append(recorded, "mtp.logits", as_batch(model.mtp_unembed(y), batch));
    mx::eval(recorded.at("mtp.logits"));
  });
}

mx::array greedy_continuation(const CausalLm& model, const mx::array& logits, UniformCache& cache, int count) {
  const int length = logits.shape(1);
  const auto best = [](const mx::array& of) { return mx::astype(mx::argmax(of, -1), mx::int32); };
  mx::array next = mx::flatten(best(columns(logits, length - 1, length)));  // [B]
  std::vector<mx::array> tokens = {next};
  for (int i = 1; i < count; ++i) {
    next = best(model.unembed(model.forward(next, cache.pool(), cache.extend(1))));
    mx::eval(next);
    tokens.push_back(next);
  }
  return mx::stack(tokens, 1);
}

// The reference files list a token's experts in the order of their numbers; bring ours into that order.
void sort_picks(Recorded& recorded) {
  std::vector<std::string> names;
  for (const auto& [name, value] : recorded) {
    if (name.ends_with(".gate.inds")) names.push_back(name);
  }
  for (const std::string& name : names) {
    mx::array& indices = recorded.at(name);
    mx::array& scores = recorded.at(name.substr(0, name.size() - 4) + "scores");
    const mx::array order = mx::argsort(indices, -1);
    indices = mx::take_along_axis(indices, order, -1);
    scores = mx::take_along_axis(scores, order, -1);
  }
}

Comparison compare_one(const std::string& name, const mx::array& wanted, const mx::array& got, double tolerance,
                       const std::string& where) {
  if (wanted.shape() != got.shape()) {
    fail(ErrorKind::bad_file, where, "tensor '{}' has another shape than the model's", name);
  }
  Comparison result{name, 0, tolerance, false};
  if (wanted.dtype() == mx::int32) {
    result.exact = true;
    result.allowed = 0;
    result.worst = mx::sum(mx::not_equal(wanted, mx::astype(got, mx::int32))).item<int>();
  } else {
    const mx::array difference = mx::abs(mx::subtract(mx::astype(wanted, mx::float32), got));
    // NaN compares false with everything; count it as an infinite difference.
    const mx::array worst = mx::max(mx::where(mx::isnan(difference), mx::array(INFINITY), difference));
    result.worst = static_cast<double>(mx::astype(worst, mx::float32).item<float>());
  }
  return result;
}

}  // namespace

std::vector<Comparison> compare(const CausalLm& model, const std::filesystem::path& golden,
                                const CompareOptions& options) {
  const SafetensorsFile file(golden);
  const std::string where = golden.string();
  const auto& tensors = file.tensors();
  const auto input = tensors.find("input_ids");
  if (input == tensors.end() || input->second.shape.size() != 2 || input->second.dtype != Dtype::i32 ||
      input->second.nbytes == 0) {
    fail(ErrorKind::bad_file, where, "must hold 'input_ids', int32 [batch, length]");
  }
  const mx::array ids = array_of(file, "input_ids");
  if (mx::min(ids).item<int>() < 0 || mx::max(ids).item<int>() >= model.config().vocab_size) {
    fail(ErrorKind::bad_file, where, "'input_ids' must be below the vocabulary size {}", model.config().vocab_size);
  }

  const auto greedy = tensors.find("greedy");
  const bool continues = greedy != tensors.end() && greedy->second.shape.size() == 2;
  const std::int64_t capacity = std::int64_t{ids.shape(1)} + (continues ? greedy->second.shape[1] : 0);
  if (capacity > model.max_context_length()) {
    fail(ErrorKind::bad_file, where, "has {} positions, the model has {}", capacity, model.max_context_length());
  }
  UniformCache cache(model.cache_shape(), ids.shape(0), static_cast<int>(capacity));
  Recorded recorded = record_forward(model, ids, options.chunk, cache);
  if (model.has_mtp() && ids.shape(1) > 1) record_mtp(model, ids, options.chunk, recorded);
  if (continues) {
    recorded.emplace("greedy", greedy_continuation(model, recorded.at("logits"), cache, greedy->second.shape[1]));
  }
  sort_picks(recorded);

  std::vector<Comparison> results;
  for (const auto& [name, info] : tensors) {
    if (name == "input_ids") continue;
    const auto got = recorded.find(name);
    if (got == recorded.end())
      fail(ErrorKind::bad_file, where, "tensor '{}' is not something this model computes", name);
    results.push_back(compare_one(name, array_of(file, name), got->second, options.tolerance, where));
  }
  return results;
}

bool all_ok(const std::vector<Comparison>& results) {
  return std::all_of(results.begin(), results.end(), [](const Comparison& r) { return r.ok(); });
}

CheckpointComparison compare_checkpoint(const std::filesystem::path& folder, const std::filesystem::path& golden,
                                        const CompareOptions& options, bool exact) {
  bool again = Config::from_folder(folder).dtype == "bfloat16";
  const auto attempt = [&](bool rounded) {
    const LoadedModel loaded =
        load_model(folder, {.exact = exact, .round_rope_frequencies = rounded, .ranks = options.ranks});
    again = again && !loaded.model->stage_times();
    return compare(*loaded.model, golden, options);
  };
  CheckpointComparison comparison{attempt(false), false};
  if (all_ok(comparison.results) || !again) return comparison;
  std::vector<Comparison> rounded = attempt(true);
  return all_ok(rounded) ? CheckpointComparison{std::move(rounded), true} : comparison;
}

}  // namespace glimt
