#include "cli/stats.h"

#include "base/machine.h"
#include "cli/bytes.h"

#include <fmt/format.h>

namespace glimt {
namespace {

std::size_t cache_in_use(const Engine& engine) {
  const EngineMetrics metrics = engine.metrics();
  return static_cast<std::size_t>(metrics.blocks - metrics.free_blocks) * metrics.block_bytes;
}

}  // namespace

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
  text += fmt::format("memory  {} at most; weights {}{}, cache {}\n", describe_bytes(peak_resident_bytes()),
                      describe_bytes(model.engine->info().weight_bytes),
                      huge > 0 ? fmt::format(" ({} in huge pages)", describe_bytes(huge)) : std::string(),
                      describe_bytes(cache_in_use(*model.engine)));
  text += fmt::format("load    {:.2f} s\n", model.load_seconds);
  return text;
}

}  // namespace glimt
