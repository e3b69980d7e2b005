#include "serving/chat_model.h"

#include "hub/store.h"
#include "text/end_tokens.h"

#include <chrono>
#include <utility>

namespace glimt {

ChatResources ChatModel::resources() const {
  const EngineInfo& info = engine->info();
  const std::vector<TokenId> eos = end_tokens(tokenizer, info.eos, info.vocab_size);
  const auto get_grammars = [this, eos]() -> GrammarCache& {
    std::call_once(grammars->once, [&] {
      grammars->cache.emplace(std::make_shared<const GrammarEnvironment>(tokenizer, engine->info().vocab_size, eos));
    });
    return *grammars->cache;
  };
  return {tokenizer, chat_template, eos, get_grammars, info.context, memory};
}

ChatPipeline ChatModel::pipeline() const {
  return ChatPipeline(resources(), [this](const GenerationRequest& request, const Engine::PrefillCallback& on_prefill,
                                          const Engine::TokenCallback& on_token) {
    return engine->generate(request, on_prefill, on_token);
  });
}

ChatModel load_chat_model(const std::string& name_or_folder, const EngineOptions& options) {
  const std::filesystem::path folder = resolve_model(name_or_folder);
  const auto start = std::chrono::steady_clock::now();
  Tokenizer tokenizer(folder);
  ChatTemplate chat_template(folder, tokenizer);
  SamplingParams defaults = SamplingParams::from_generation_config(folder);
  std::unique_ptr<Engine> engine = Engine::load(folder, options);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {name_or_folder,      folder,      std::move(tokenizer), std::move(chat_template), std::move(engine),
          std::move(defaults), took.count()};
}

}  // namespace glimt
