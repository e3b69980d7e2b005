#include "cli/text_flags.h"

#include "kernels/process.h"

#include <fmt/format.h>

namespace glimt {

void TextFlags::add_to(CLI::App& command) {
  command.add_option("--text", file, "Text, or a conversation a line (.jsonl), which the model's template renders")
      ->required()
      ->type_name("FILE");
  command.add_flag("--raw", raw, "Recognise control tokens such as <|user|>; without it all text is literal");
  command.add_option("--context", options.context, "Tokens of a window; each is read without the others")
      ->check(CLI::Range(2, 1 << 20).description(""))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--limit", limit, "Only the first N tokens of the text (0: all)")
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--exact", options.exact, "Float32 cache rows, no rounding of activations");
  command.add_flag("--json", json, "One line of JSON instead of a table");
  device.add_to(command);
  command.add_option("--threads", threads, "CPU threads (default: all)")
      ->check(CLI::Range(1, kernels::kMostThreads).description(""))
      ->type_name("N");
}

void TextFlags::set_up_process() const {
  device.use(options.exact);
  if (threads > 0) kernels::set_process_threads(threads);
  kernels::set_process_buffer_cache(kernels::process_buffer_cache());
}

std::vector<TokenId> TextFlags::read_tokens(const std::filesystem::path& folder, const Tokenizer& tokenizer) const {
  std::vector<TokenId> tokens = read_text_tokens(file, folder, tokenizer, raw ? TextForm::raw : TextForm::literal);
  if (limit > 0 && tokens.size() > limit) tokens.resize(limit);
  return tokens;
}

std::string describe(const Estimate& estimate, double factor) {
  const std::string value = fmt::format("{:.6g}", estimate.value * factor);
  return estimate.error ? fmt::format("{} ± {:.2g}", value, *estimate.error * factor) : value;
}

json::object to_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"error", estimate.error ? json::value(*estimate.error) : json::value()}};
}

std::string describe_text(const PerplexityReport& report, int context) {
  return fmt::format("{} tokens predicted, in {} window{} of up to {}", report.tokens, report.windows,
                     report.windows == 1 ? "" : "s", context);
}

std::string describe_errors(const PerplexityReport& report) {
  return report.windows == 1 ? "One window has no standard error: take a longer text or a shorter --context."
                             : "± is the standard error, over windows.";
}

}  // namespace glimt
