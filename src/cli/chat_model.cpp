#include "cli/chat_model.h"

#include "base/error.h"
#include "cli/bytes.h"
#include "hub/store.h"
#include "kernels/process.h"
#include "text/end_tokens.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <map>

namespace glimt {
namespace {

std::size_t cache_in_use(const Engine& engine) {
  const EngineMetrics metrics = engine.metrics();
  return static_cast<std::size_t>(metrics.blocks - metrics.free_blocks) * metrics.block_bytes;
}

std::vector<TokenId> eos_of(const Tokenizer& tokenizer, const EngineInfo& info) {
  return end_tokens(tokenizer, info.eos, info.vocab_size);
}

}  // namespace

void LoadFlags::add_to(CLI::App& command) {
  command.add_option("--context", options.context, "Most tokens of prompt and answer (default: what the model allows)")
      ->type_name("N");
  command.add_option("--threads", options.threads, "CPU threads (default: all)")
      ->type_name("N")
      ->check(CLI::Range(0, kernels::kMostThreads).description(""));
  command.add_flag_callback(
      "--no-huge-pages", [this] { options.huge_pages = false; },
      "Leave the weights in their files; else they are copied if memory allows, for speed");
  command.add_flag("--exact", options.exact, "No approximation that speeds up: for comparisons");
  command
      .add_option("--cache-memory", options.cache_memory,
                  "Memory for the cache, e.g. 2GB (default: half of what is free beside the weights)")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE");
  const std::map<std::string, kernels::RowType> types{
      {"f32", kernels::RowType::f32}, {"bf16", kernels::RowType::bf16}, {"q8", kernels::RowType::q8}};
  command
      .add_option_function<std::string>(
          "--cache-type", [this, types](const std::string& name) { options.cache_type = types.at(name); },
          "Of the cache: f32, bf16 (default), or q8 in half its memory")
      ->check(CLI::IsMember({"f32", "bf16", "q8"}).description(""))
      ->type_name("TYPE");
  command
      .add_option_function<std::string>(
          "--speculation",
          [this](const std::string& name) {
            options.speculation = name == "off" ? Speculation::off : Speculation::adaptive;
          },
          "off, or adaptive (default): guess ahead where it pays; the answer is the same")
      ->check(CLI::IsMember({"off", "adaptive"}).description(""))
      ->type_name("HOW");
}

ChatPipeline ChatModel::pipeline() const {
  return ChatPipeline(
      tokenizer, chat_template, eos_of(tokenizer, engine->info()),
      [this](const GenerationRequest& request, const Engine::PrefillCallback& on_prefill,
             const Engine::TokenCallback& on_token) { return engine->generate(request, on_prefill, on_token); },
      [this]() -> GrammarCache& {
        std::call_once(grammars->once, [this] {
          const EngineInfo& info = engine->info();
          grammars->cache.emplace(
              std::make_shared<const GrammarEnvironment>(tokenizer, info.vocab_size, eos_of(tokenizer, info)));
        });
        return *grammars->cache;
      });
}

ChatModel load_chat_model(const std::string& name_or_folder, const LoadFlags& flags) {
  const std::filesystem::path folder = resolve_model(name_or_folder);
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (terminal) fmt::print(stderr, "loading {} …", name_or_folder);
  const auto start = std::chrono::steady_clock::now();
  const auto wipe = [terminal] {
    if (terminal) fmt::print(stderr, "\r\033[K");
  };
  try {
    Tokenizer tokenizer(folder);
    ChatTemplate chat_template(folder, tokenizer);
    std::unique_ptr<Engine> engine = Engine::load(folder, flags.options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    wipe();
    return {name_or_folder,       folder,
            std::move(tokenizer), std::move(chat_template),
            std::move(engine),    SamplingParams::from_generation_config(folder),
            took.count()};
  } catch (...) {
    wipe();
    throw;
  }
}

void resume_session(const ChatModel& model, const std::string& file) {
  if (file.empty() || !std::filesystem::exists(file)) return;
  fmt::print(stderr, "{}: {} tokens of an earlier session need not be read again\n", file,
             model.engine->load_session(file));
}

void leave_session(const ChatModel& model, const std::string& file, const std::vector<TokenId>& conversation) {
  if (file.empty() || conversation.empty()) return;
  try {
    fmt::print(stderr, "{}: keeps {} tokens of this session\n", file, model.engine->save_session(file, conversation));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    fmt::print(stderr, "{}: not written, the conversation is too short to be worth it\n", file);
  }
}

std::size_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<std::size_t>(usage.ru_maxrss);
#else
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
#endif
}

double prefill_speed(const GenerationStats& stats) {
  const auto computed = static_cast<double>(stats.prompt_tokens - stats.reused_tokens);
  return stats.prefill_seconds > 0 ? computed / stats.prefill_seconds : 0;
}

double decode_speed(const GenerationStats& stats, std::size_t answers) {
  if (stats.generated_tokens <= answers || stats.decode_seconds <= 0) return 0;
  return static_cast<double>(stats.generated_tokens - answers) / stats.decode_seconds;
}

std::string describe(const ChatModel& model, const GenerationStats& stats) {
  std::string text = fmt::format("prompt  {} tokens", stats.prompt_tokens);
  if (stats.reused_tokens > 0) text += fmt::format(", {} of them kept from before", stats.reused_tokens);
  text += fmt::format(", {:.2f} s, {:.1f} tokens/s\n", stats.prefill_seconds, prefill_speed(stats));
  text += fmt::format("answer  {} tokens, {:.2f} s, {:.1f} tokens/s\n", stats.generated_tokens, stats.decode_seconds,
                      decode_speed(stats));
  const EngineMetrics metrics = model.engine->metrics();
  if (stats.drafted > 0) {
    text += fmt::format("guesses {} of {} right, about {:.2f} times the speed without them\n", stats.accepted,
                        stats.drafted, metrics.speculation_speedup());
  }
  const std::size_t huge = metrics.huge_page_bytes;
  text += fmt::format("memory  {} at most; weights {}{}, cache {}\n", describe_bytes(peak_memory()),
                      describe_bytes(model.engine->info().weight_bytes),
                      huge > 0 ? fmt::format(" ({} in huge pages)", describe_bytes(huge)) : std::string(),
                      describe_bytes(cache_in_use(*model.engine)));
  text += fmt::format("load    {:.2f} s\n", model.load_seconds);
  return text;
}

}  // namespace glimt
