// The engine: many requests on one model. One thread owns the model and its caches; all others submit requests and read
// streams. This header and those that it includes are all that a front needs: no tensors, no kernels, no model behind
// them.
//
//   auto engine = Engine::load("models/demo", {});
//   auto stream = engine->submit({.prompt = tokens, .eos = engine->info().eos});
//   while (auto event = stream->next()) …
#pragma once

#include "engine/engine_options.h"
#include "engine/metrics.h"
#include "engine/request.h"
#include "engine/stream.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace glimt {

// Fixed once the model is loaded.
struct EngineInfo {
  std::size_t context = 0;        // most tokens of prompt and answer
  std::size_t model_context = 0;  // what the model allows: more, where the cache memory did not hold it
  std::size_t vocab_size = 0;
  bool has_mtp = false;
  std::vector<TokenId> eos;  // of config.json and generation_config.json
  std::size_t weight_bytes = 0;
  std::size_t cache_bytes = 0;  // the budget
  std::size_t cache_bytes_per_token = 0;
  std::string fingerprint = {};  // of configuration and weights: checkpoint_fingerprint
};

// All methods may be called from any thread, also at once.
class Engine {
 public:
  // Throws what load_model throws, bad_file for a broken generation_config.json, and invalid_request for options that
  // the model or the machine does not allow.
  static std::unique_ptr<Engine> load(const std::filesystem::path& folder, const EngineOptions& options);

  // Where several processes compute one model together, rank 0 has the engine, and the others follow it: which one this
  // process is, as the environment says (MLX_HOSTFILE, MLX_RANK); and what the others do until rank 0 has ended. Throw
  // invalid_request or bad_file for an environment that is wrong; what load() throws; internal when a rank is lost.
  static ProcessRank rank();
  static void follow(const std::filesystem::path& folder, const EngineOptions& options);

  ~Engine();  // everything that runs or waits ends as cancelled

  // Returns at once. What is wrong with the request comes as the stream's exception: invalid_request, out_of_memory,
  // overloaded (the queue is full), timeout (its deadline), internal (NaN or infinite logits). The request is cancelled
  // when the stream goes.
  std::shared_ptr<Stream> submit(GenerationRequest request);

  // Submits and reads the stream to its end. A callback that returns false ends the request: FinishReason::cancelled in
  // the prompt, stop behind a token. Throws the stream's exception, and what the callbacks throw.
  using PrefillCallback = std::function<bool(std::size_t done, std::size_t total)>;
  using TokenCallback = std::function<bool(const TokenEvent&)>;
  GenerationResult generate(GenerationRequest request, const PrefillCallback& on_prefill,
                            const TokenCallback& on_token);

  // The rows of the longest known beginning of `tokens` to a file that only its owner may read, and back into the
  // cache, block by block between the engine's steps. A file is of one configuration and one name space. Returns how
  // many tokens they are: fewer than the file's where the cache has no room. Throws not_found if nothing is known of
  // them; bad_file for a file that is damaged or of another model, configuration or name space.
  std::size_t save_session(const std::filesystem::path& file, std::span<const TokenId> tokens,
                           const std::string& name_space = {});
  std::size_t load_session(const std::filesystem::path& file, const std::string& name_space = {});

  const EngineInfo& info() const;
  EngineMetrics metrics() const;
  EngineHealth health() const;

 private:
  class Impl;
  friend class EngineLoader;
  explicit Engine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace glimt
