// What a folder says of its model without loading it, for lists of models. Plain values.
#pragma once

#include "hub/store.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace glimt {

struct ModelFacts {
  std::string name;
  std::filesystem::path folder;
  std::uint64_t bytes = 0;                         // of the files in the folder itself, not below it
  std::chrono::system_clock::time_point modified;  // of the one that changed last

  // 64 hexadecimal digits: of config.json's content and of the names, sizes and times of the folder's files. It takes
  // no time for gigabytes, and stays as long as no file is written; a copy of the folder has another one unless it
  // keeps the files' times.
  std::string digest;

  std::string problem;         // why there is nothing behind this, where the files cannot be used; empty if they can
  std::string model_type;      // of config.json: "glm4_moe_lite"
  std::string quantization;    // of most weights: "INT4", "MXFP4", "BF16"
  std::size_t parameters = 0;  // without the MTP layer
  std::size_t context = 0;     // that the model was made for
  std::size_t hidden_size = 0;
  std::size_t layers = 0;     // without the MTP layer
  std::string chat_template;  // its text; empty if there is none
  std::string license;        // the text of LICENSE; empty if there is none
};

// Reads the folder: its files' headers, not the weights. What is wrong with it is its `problem`; never throws for that.
ModelFacts read_model_facts(const StoredModel& model);

// Keeps what it has read until a file of the folder changes. Any thread may use it; reads files.
class ModelCatalog {
 public:
  std::shared_ptr<const ModelFacts> facts(const StoredModel& model);

 private:
  std::mutex mutex_;
  std::map<std::filesystem::path, std::shared_ptr<const ModelFacts>> known_;
};

}  // namespace glimt
