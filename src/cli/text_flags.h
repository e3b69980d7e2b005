// The flags of the commands that measure models with a text, and their common output.
#pragma once

#include "base/json.h"
#include "cli/device_flag.h"
#include "cli/progress.h"
#include "measure/divergence.h"
#include "measure/text_file.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace glimt {

struct TextFlags {
  void add_to(CLI::App& command);

  // What holds for the whole process: before the first model is loaded.
  void set_up_process() const;

  // What measure(on_progress) gives, with its progress on the terminal. Sets up the process.
  template <typename Measure>
  auto with_progress(const Measure& measure) const {
    set_up_process();
    Progress progress("measuring", "layer tokens");
    auto report = measure([&](std::size_t done, std::size_t total) { progress.update(done, total); });
    progress.clear();
    return report;
  }

  // The text as tokens of the model in `folder`, as many as are wanted. Throws what read_text_tokens throws.
  std::vector<TokenId> read_tokens(const std::filesystem::path& folder, const Tokenizer& tokenizer) const;

  std::string file;
  TextPassOptions options;
  std::size_t limit = 0;  // tokens of the text; 0: all
  bool raw = false;
  bool json = false;
  DeviceFlag device;
  int threads = 0;  // of the kernels; 0: all cores
};

// "5.6123 ± 0.0456", or without an error if there is none.
std::string describe(const Estimate& estimate, double factor = 1);

// {"value": …, "error": … or null}
json::object to_json(const Estimate& estimate);

// "8176 tokens predicted, in 16 windows of up to 512"
std::string describe_text(const PerplexityReport& report, int context);

// What errors are over, for the end of a table.
std::string describe_errors(const PerplexityReport& report);

}  // namespace glimt
