// The engine: many requests on one model. One thread owns the model and its caches; everyone else submits requests and
// reads streams.
//
//   auto engine = Engine::load("models/demo", {});
//   auto stream = engine->submit({.prompt = tokens, .eos = engine->info().eos});
//   while (auto event = stream->next()) …
#pragma once

#include "base/huge_pages.h"
#include "engine/engine_loop.h"
#include "engine/engine_options.h"
#include "engine/stream.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace glimt {

// Fixed once the model is loaded.
struct EngineInfo {
  std::size_t context = 0;
  std::size_t vocab_size = 0;
  bool has_mtp = false;
  std::vector<TokenId> eos;  // of config.json and generation_config.json
  std::size_t weight_bytes = 0;
  std::size_t cache_bytes = 0;  // the budget
  std::size_t cache_bytes_per_token = 0;
};

struct EngineHealth {
  bool ok = true;  // false: the step at hand has run for longer than step_limit, or the engine's thread has ended
  double step_seconds = 0;  // of the step at hand; 0 between steps
  double idle_seconds = 0;  // since the last step ended
  EngineMetrics metrics;    // as of the end of the last step
};

// All methods may be called from any thread, also at once.
class Engine {
 public:
  // Throws what load_model throws, bad_file for a broken generation_config.json, and invalid_request for options that
  // the model or the machine does not allow.
  static std::unique_ptr<Engine> load(const std::filesystem::path& folder, const EngineOptions& options);

  // `make` is called on the engine's thread.
  struct Loaded {
    std::unique_ptr<CausalLm> model;
    std::size_t weight_bytes = 0;
    std::vector<std::shared_ptr<const MappedFile>> files;  // that the weights are in, for the huge pages
    std::vector<TokenId> eos;
    std::string fingerprint;  // of the weights: a session file is for one model
  };
  Engine(const std::function<Loaded()>& make, const EngineOptions& options);
  ~Engine();  // everything that runs or waits ends as cancelled

  // Returns at once. What is wrong with the request comes as the stream's exception: invalid_request, out_of_memory,
  // overloaded, timeout (its deadline), internal (NaN or infinite logits).
  std::shared_ptr<Stream> submit(GenerationRequest request);

  // Submits and reads the stream to its end. A callback that returns false ends the request: FinishReason::cancelled in
  // the prompt, stop behind a token. Throws the stream's exception.
  using PrefillCallback = std::function<bool(std::size_t done, std::size_t total)>;
  using TokenCallback = std::function<bool(const TokenEvent&)>;
  GenerationResult generate(GenerationRequest request, const PrefillCallback& on_prefill,
                            const TokenCallback& on_token);

  // The rows of the longest known beginning of `tokens` to a file, and back into the cache. Returns how many tokens they
  // are. Throws not_found if nothing is known of them; bad_file for a file that is damaged or of another model.
  std::size_t save_session(const std::filesystem::path& file, std::span<const TokenId> tokens,
                           const std::string& name_space = {});
  std::size_t load_session(const std::filesystem::path& file, const std::string& name_space = {});

  const EngineInfo& info() const { return info_; }
  EngineMetrics metrics() const;
  EngineHealth health() const;

 private:
  struct Mailbox;
  void run(EngineLoop& loop);
  void on_thread(const std::function<void(EngineLoop&)>& work);  // waits; throws what it throws

  EngineInfo info_;
  std::unique_ptr<HugePages> huge_pages_;
  std::string model_key_;             // what a session file must agree with
  std::shared_ptr<Mailbox> mailbox_;  // streams know it, and may outlive the engine
};

}  // namespace glimt
