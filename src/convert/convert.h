// A model in any layout that loads, to a folder in mlx-lm's layout: experts stacked, kv_b_proj split, the MTP layer
// kept, matrices quantized as a recipe says; config.json, an index, and the source's other small files beside it.
//
// It streams: a few pieces of matrices are in memory at a time. A unit (a matrix, a vector) is either noted in the
// journal, and then its bytes are on the disk, or made again by the next run; what is noted is not read again.
#pragma once

#include "base/json.h"
#include "checkpoint/checkpoint_folder.h"
#include "checkpoint/config.h"
#include "convert/calibration.h"
#include "convert/journal.h"
#include "convert/output_files.h"
#include "convert/plan.h"
#include "convert/source_rows.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt::convert {

struct ConvertOptions {
  Recipe recipe;
  bool repack = false;                                 // every matrix keeps its quantization; the recipe does not count
  bool search = false;                                 // for affine scales that lose less than MLX's own
  std::optional<CalibrationText> text = std::nullopt;  // weights the search; not with a GGUF file
  std::map<std::string, std::string> notes;            // of the result's files: from what and how it was made
  int threads = 1;
};

struct ConvertProgress {
  std::uint64_t done = 0, total = 0;  // bytes of the source
};

class Conversion {
 public:
  // Reads the headers and plans everything. Throws what reading the source throws, and plan_units.
  Conversion(const std::filesystem::path& source, ConvertOptions options);

  // Of a GGUF file, with the small files of `tokenizer`, a folder. What is quantized there keeps its codes where the
  // recipe has the same quantization for it: see gguf_recipe.
  Conversion(const std::shared_ptr<const GgufModel>& source, const std::filesystem::path& tokenizer,
             ConvertOptions options);

  std::uint64_t source_bytes() const { return source_bytes_; }         // of the tensors
  std::uint64_t result_bytes() const { return output_.file_bytes(); }  // of the files of weights
  std::uint64_t parameters() const { return output_.parameters(); }

  // Makes the model in `folder`, which may hold what an earlier run of the same conversion has left there; `journal` and
  // `journal`.states are files beside it. `tell` may throw to stop. Throws out_of_memory where the disk has no room,
  // bad_file. When it returns, everything is on the disk but the folder's own name.
  void run(const std::filesystem::path& folder, const std::filesystem::path& journal,
           const std::function<void(const ConvertProgress&)>& tell);

  // How far the result is from the source on a part of the text: after run(), with a text that is long enough.
  std::optional<DivergenceReport> measured() const;

 private:
  Conversion(const std::filesystem::path& small_files, std::shared_ptr<const GgufModel> gguf,
             const json::object& config, const std::string& config_name, ConvertOptions options);

  std::string plan_text() const;
  class Writing;  // all units, and what goes on beside

  void begin(const std::filesystem::path& folder, Journal& journal);
  void write_small_files(const std::filesystem::path& folder) const;
  void write_descriptions(const std::filesystem::path& folder) const;

  void write_chat_template(const std::filesystem::path& folder) const;

  std::filesystem::path source_;  // of the small files, and of the weights if there is no GGUF file
  std::shared_ptr<const GgufModel> gguf_;
  ConvertOptions options_;
  json::object source_config_;
  Config config_;
  CheckpointFolder checkpoint_;
  SourceFiles files_;
  std::vector<Unit> units_;
  OutputFiles output_;
  std::uint64_t source_bytes_ = 0;
  std::unique_ptr<Calibration> calibration_;
};

}  // namespace glimt::convert
