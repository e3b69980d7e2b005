#include "server/scripted_model.h"

#include "base/error.h"
#include "chat/script.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostKnown = 64;
constexpr std::string_view kThinkEnd = "</think>";

bool inside_thinking(const std::vector<TokenId>& prompt) {
  return !prompt.empty() && prompt.back() == Script::tokenizer().token_id("<think>");
}

std::size_t common(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(ends.first - a.begin());
}

}  // namespace

std::vector<TokenId> scripted_tokens(std::string answer, const std::vector<TokenId>& prompt) {
  const bool thinks = inside_thinking(prompt);
  const std::size_t end = answer.find(kThinkEnd);
  if (!thinks && end != answer.npos) answer.erase(0, end + kThinkEnd.size());
  if (thinks && end == answer.npos) answer.insert(0, kThinkEnd);
  return Script::tokens(answer);
}

struct ScriptedModel::Sequence {
  GenerationRequest request;
  std::shared_ptr<EventQueue> events;
  std::vector<TokenId> answer;
  GenerationStats stats;
  Clock::time_point submitted = Clock::now(), started, first_token, next;
  bool begun = false;
};

ScriptedModel::ScriptedModel(std::string name, ScriptOptions options)
    : name_(std::move(name)), options_(std::move(options)) {
  const Tokenizer& tokenizer = Script::tokenizer();
  grammars_ = std::make_unique<GrammarCache>(std::make_shared<const GrammarEnvironment>(
      tokenizer, tokenizer.vocab_size(), std::vector<TokenId>{*tokenizer.token_id("<|user|>")}));
  thread_ = std::thread([this] { run(); });
}

ScriptedModel::~ScriptedModel() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  GenerationResult result{FinishReason::cancelled, {}, CancelReason::shutdown};
  for (auto& sequence : running_) sequence->events->end(result);
  for (auto& sequence : waiting_) sequence->events->end(result);
}

ChatResources ScriptedModel::resources() const {
  return {Script::tokenizer(),
          Script::chat_template(),
          {*Script::tokenizer().token_id("<|user|>")},
          [this]() -> GrammarCache& { return *grammars_; },
          options_.context};
}

std::shared_ptr<Stream> ScriptedModel::submit(GenerationRequest request) {
  auto events = std::make_shared<EventQueue>(request.most_unread_bytes, [this] { changed_.notify_all(); });
  auto stream = std::make_shared<Stream>(events);
  auto sequence = std::make_unique<Sequence>();
  sequence->request = std::move(request);
  sequence->events = events;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= options_.queue) {
    events->end(std::make_exception_ptr(Error(ErrorKind::overloaded, "engine: the queue is full; try again later")));
    return stream;
  }
  waiting_.push_back(std::move(sequence));
  changed_.notify_all();
  return stream;
}

EngineMetrics ScriptedModel::metrics() const {
  const std::lock_guard lock(mutex_);
  EngineMetrics metrics = totals_;
  metrics.running = static_cast<int>(running_.size());
  metrics.waiting = static_cast<int>(waiting_.size());
  return metrics;
}

EngineHealth ScriptedModel::health() const {
  EngineHealth health;
  health.metrics = metrics();
  const std::lock_guard lock(mutex_);
  health.ok = !stalled_;
  return health;
}

void ScriptedModel::stall(bool stalled) {
  const std::lock_guard lock(mutex_);
  stalled_ = stalled;
  changed_.notify_all();
}

void ScriptedModel::fail_all() {
  const std::lock_guard lock(mutex_);
  failing_ = true;
  changed_.notify_all();
}

std::size_t ScriptedModel::reused(const GenerationRequest& request) const {
  std::size_t most = 0;
  for (const auto& [space, tokens] : known_) {
    if (space == request.name_space) most = std::max(most, common(tokens, request.prompt));
  }
  return std::min(most, request.prompt.size() - 1);
}

void ScriptedModel::begin(Sequence& sequence) {
  sequence.begun = true;
  sequence.started = Clock::now();
  sequence.next = sequence.started + options_.prefill;
  sequence.stats.prompt_tokens = sequence.request.prompt.size();
  sequence.stats.reused_tokens = reused(sequence.request);
  totals_.prompt_tokens += sequence.stats.prompt_tokens;
  totals_.reused_tokens += sequence.stats.reused_tokens;
  const std::string prompt = Script::tokenizer().decode(sequence.request.prompt);
  sequence.answer = scripted_tokens(options_.answer(prompt), sequence.request.prompt);
  sequence.events->push(PrefillProgress{0, sequence.stats.prompt_tokens});
}

void ScriptedModel::remember(const Sequence& sequence) {
  std::vector<TokenId> all = sequence.request.prompt;
  const auto n = static_cast<std::ptrdiff_t>(std::min(sequence.stats.generated_tokens, sequence.answer.size()));
  all.insert(all.end(), sequence.answer.begin(), sequence.answer.begin() + n);
  known_.emplace_back(sequence.request.name_space, std::move(all));
  if (known_.size() > kMostKnown) known_.pop_front();
}

bool ScriptedModel::step(Sequence& s) {
  const auto now = Clock::now();
  const auto end = [&](FinishReason reason, CancelReason by) {
    s.stats.queue_seconds = std::chrono::duration<double>(s.started - s.submitted).count();
    s.stats.decode_seconds = std::chrono::duration<double>(now - s.started).count();
    remember(s);
    s.events->end(GenerationResult{reason, s.stats, by});
    return false;
  };
  if (!s.begun) begin(s);
  if (s.events->cancelled()) return end(FinishReason::cancelled, s.events->cancelled_by());
  if (failing_) {
    s.events->end(std::make_exception_ptr(Error(ErrorKind::internal, "engine: NaN in the logits")));
    return false;
  }
  if (s.events->overflowed()) {
    s.events->end(std::make_exception_ptr(Error(ErrorKind::overloaded, "engine: its reader is too slow")));
    return false;
  }
  if (now < s.next) return true;
  const std::size_t at = s.stats.generated_tokens;
  if (s.request.max_tokens > 0 && at >= s.request.max_tokens) return end(FinishReason::length, CancelReason::none);
  if (at >= s.answer.size() && (!options_.repeat || s.answer.empty()))
    return end(FinishReason::stop, CancelReason::none);
  ++s.stats.generated_tokens;
  ++totals_.generated_tokens;
  TokenEvent token{s.answer[at % s.answer.size()], -0.5F, {}};
  for (int i = 0; i < s.request.sampling.top_logprobs; ++i) token.top.push_back({token.token, -0.5F - float(i)});
  s.events->push(std::move(token));
  s.next = now + options_.step;
  return true;
}

void ScriptedModel::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    while (!waiting_.empty() && running_.size() < options_.parallel) {
      running_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (running_.empty() || stalled_) {
      changed_.wait(lock);
      continue;
    }
    ++totals_.steps;
    for (auto s = running_.begin(); s != running_.end();) s = step(**s) ? std::next(s) : running_.erase(s);
    failing_ = false;
    if (running_.empty()) continue;
    auto next = (*running_.begin())->next;
    for (const auto& s : running_) next = std::min(next, s->next);
    lock.unlock();  // also where there is nothing to wait for: others must get their turn
    lock.lock();
    if (next > Clock::now()) changed_.wait_until(lock, next);
  }
}

ModelSource scripted_models(std::vector<std::pair<std::string, ScriptOptions>> models) {
  ModelSource source;
  source.list = [models] {
    std::vector<StoredModel> stored;
    for (const auto& [name, options] : models) stored.push_back({name, Script::folder()});
    return stored;
  };
  source.weight_bytes = [](const StoredModel&) { return std::size_t{1}; };
  source.load = [models](const StoredModel& wanted, std::size_t, LoadProgress&) -> std::shared_ptr<ServedModel> {
    for (const auto& [name, options] : models) {
      if (name == wanted.name) return std::make_shared<ScriptedModel>(name, options);
    }
    fail(ErrorKind::not_found, wanted.name, "no such script");
  };
  return source;
}

std::function<std::string(std::string_view)> script_of_file(const std::string& file) {
  struct Rule {
    std::string when, answer;
  };
  std::vector<Rule> rules;
  const json::value script = parse_json_file(file);
  for (const json::value& rule : script.as_array()) {
    const JsonFields fields(rule.as_object(), file);
    rules.push_back({fields.string_or("when", ""), fields.string("answer")});
  }
  return [rules = std::move(rules)](std::string_view prompt) -> std::string {
    std::size_t turn = 0;
    for (const std::string_view role : {"<|user|>", "<|observation|>"}) {
      if (const std::size_t at = prompt.rfind(role); at != prompt.npos) turn = std::max(turn, at);
    }
    const std::string_view last = prompt.substr(turn);
    for (const Rule& rule : rules) {
      if (last.find(rule.when) != last.npos) return rule.answer;
    }
    return "I have no answer to this.";
  };
}

}  // namespace glimt
