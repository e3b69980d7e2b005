// A model that can chat: what one folder gives, loaded once and shared by everyone who asks it something.
#pragma once

#include "chat/chat_pipeline.h"

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace glimt {

// Made when the first answer is constrained: it takes a second for a large vocabulary.
struct LazyGrammars {
  std::once_flag once;
  std::optional<GrammarCache> cache;
};

// Immutable but for what its engine and its grammars do behind locks: any number of threads may use one at once.
struct ChatModel {
  std::string name;  // as the caller called it
  std::filesystem::path folder;
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  std::unique_ptr<Engine> engine;
  SamplingParams defaults;  // of generation_config.json
  double load_seconds = 0;
  std::shared_ptr<LazyGrammars> grammars = std::make_shared<LazyGrammars>();
  std::shared_ptr<AnswerMemory> memory = std::make_shared<AnswerMemory>();

  // For prepare(), and the same with this engine behind it. Both refer to this model, which must outlive them and stay
  // where it is.
  ChatResources resources() const;
  ChatPipeline pipeline() const;
};

// Throws what resolve_model, Tokenizer, ChatTemplate, Engine::load and SamplingParams::from_generation_config throw.
ChatModel load_chat_model(const std::string& name_or_folder, const EngineOptions& options);

}  // namespace glimt
