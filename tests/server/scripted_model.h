// A model that answers from a script, token by token, at a pace of its own: everything but the engine is real.
#pragma once

#include "serving/model_source.h"
#include "serving/served_model.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace glimt {

struct ScriptOptions {
  // The answer to a prompt, as the model writes it: with "<think>", "</think>", "<tool_call>", … as control tokens; a
  // backslash in front makes one ordinary text. What stands before "</think>" is left out where the prompt has closed
  // the thinking; where it is open and the answer has none, it is closed at once.
  std::function<std::string(std::string_view prompt)> answer;
  std::chrono::microseconds step{0};  // between two tokens of an answer
  std::chrono::milliseconds prefill{0};
  std::size_t context = 200'000;
  std::size_t parallel = 256, queue = 256;
  bool repeat = false;  // the answer again and again, until it is cancelled or has max_tokens
};

class ScriptedModel : public ServedModel {
 public:
  ScriptedModel(std::string name, ScriptOptions options);
  ~ScriptedModel() override;

  const std::string& name() const override { return name_; }
  ChatResources resources() const override;
  const SamplingParams& defaults() const override { return defaults_; }
  std::string_view fingerprint() const override { return "fp_scripted"; }
  std::shared_ptr<Stream> submit(GenerationRequest request) override;
  EngineMetrics metrics() const override;
  EngineHealth health() const override;

  void stall(bool stalled);  // the engine takes no step, and its health says so
  void fail_all();           // whatever runs ends with an internal error

 private:
  struct Sequence;

  void run();
  bool step(Sequence& sequence);  // false at its end
  void begin(Sequence& sequence);
  std::size_t reused(const GenerationRequest& request) const;
  void remember(const Sequence& sequence);

  const std::string name_;
  const ScriptOptions options_;
  SamplingParams defaults_;
  std::unique_ptr<GrammarCache> grammars_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::unique_ptr<Sequence>> running_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::deque<std::pair<std::string, std::vector<TokenId>>> known_;  // name space, prompt and answer
  EngineMetrics totals_;
  bool stop_ = false, stalled_ = false, failing_ = false;
  std::thread thread_;
};

// A source of scripted models by name.
ModelSource scripted_models(std::vector<std::pair<std::string, ScriptOptions>> models);

// What the script's `answer` is behind `prompt`: see ScriptOptions::answer.
std::vector<TokenId> scripted_tokens(std::string answer, const std::vector<TokenId>& prompt);

// [{"when": text, "answer": text}, …]: the first whose text is in the last turn of the prompt (all behind the last
// <|user|> or <|observation|>) answers; one without "when" always fits.
std::function<std::string(std::string_view)> script_of_file(const std::string& file);

}  // namespace glimt
