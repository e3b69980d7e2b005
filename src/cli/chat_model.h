// A model that can chat: what `run` and `eval` load.
#pragma once

#include "chat/chat_pipeline.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace glimt {

struct LoadFlags {
  void add_to(CLI::App& command);

  EngineOptions options;
  std::string session;  // a file to begin with, if it exists, and to leave the cache in
};

// Made when the first answer is constrained: it takes a second for a large vocabulary.
struct LazyGrammars {
  std::once_flag once;
  std::optional<GrammarCache> cache;
};

struct ChatModel {
  std::string name;  // as the user called it
  std::filesystem::path folder;
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  std::unique_ptr<Engine> engine;
  SamplingParams defaults;  // of generation_config.json
  double load_seconds = 0;
  std::shared_ptr<LazyGrammars> grammars = std::make_shared<LazyGrammars>();

  // Refers to this model, which must outlive it and stay where it is.
  ChatPipeline pipeline() const;
};

// Throws what resolving the name and opening the files throws.
ChatModel load_chat_model(const std::string& name_or_folder, const LoadFlags& flags);

// The cached rows of --session: taken from the file if there is one; the conversation's left there. Both say on stderr
// what they did; a file that cannot be used is an error.
void resume_session(const ChatModel& model, const std::string& file);
void leave_session(const ChatModel& model, const std::string& file, const std::vector<TokenId>& conversation);

// The most memory the process has held so far, in bytes; mapped weights count once they were touched.
std::size_t peak_memory();

// "prompt", "answer" and "memory", a line each, for --stats and /stats.
std::string describe(const ChatModel& model, const GenerationStats& stats);

// Tokens a second, or 0 when there was nothing to measure. Tokens found in the cache are not counted as read; the first
// token of each of the `answers` that were added up came with the last step of its prompt.
double prefill_speed(const GenerationStats& stats);
double decode_speed(const GenerationStats& stats, std::size_t answers = 1);

}  // namespace glimt
