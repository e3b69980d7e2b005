#include "cli/chat_model.h"

#include "hub/store.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

namespace glimt {
namespace {

std::string bytes(std::size_t count) {
  const auto value = static_cast<double>(count);
  return count < 1'000'000'000 ? fmt::format("{:.1f} MB", value / 1e6) : fmt::format("{:.2f} GB", value / 1e9);
}

}  // namespace

void LoadFlags::add_to(CLI::App& command) {
  command.add_option("--context", options.context, "Most tokens of prompt and answer (default: what the model allows)")
      ->type_name("N");
  command.add_option("--threads", options.threads, "CPU threads (default: all)")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
  command.add_flag("--exact", options.exact, "No approximation that speeds up: for comparisons");
}

ChatPipeline ChatModel::pipeline() const {
  return ChatPipeline(
      tokenizer, chat_template, generator->eos_tokens(),
      [this](const GenerationRequest& request, const Generator::PrefillCallback& on_prefill,
             const Generator::TokenCallback& on_token) { return generator->generate(request, on_prefill, on_token); });
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
    std::unique_ptr<Generator> generator = Generator::load(folder, flags.options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    wipe();
    return {name_or_folder,       folder,
            std::move(tokenizer), std::move(chat_template),
            std::move(generator), SamplingParams::from_generation_config(folder),
            took.count()};
  } catch (...) {
    wipe();
    throw;
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
  text += fmt::format("memory  {} at most; weights {}, cache {}\n", bytes(peak_memory()),
                      bytes(model.generator->weight_bytes()), bytes(model.generator->cache_bytes()));
  text += fmt::format("load    {:.2f} s\n", model.load_seconds);
  return text;
}

}  // namespace glimt
