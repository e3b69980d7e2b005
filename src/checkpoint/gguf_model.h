// A GGUF file of a model that glimt runs: its tensors under our names (layout.h), and the config.json that its metadata
// amount to. Immutable once opened, so any thread may read it.
#pragma once

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/gguf_header.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace glimt {

// A tensor of the file.
struct GgufEntry {
  std::string stored_name;  // in the file
  GgufType type;            // one that is read
  Shape shape;              // as ours: outermost dimension first
  std::size_t offset, nbytes;
};

class GgufModel {
 public:
  // Maps and checks the file. Throws not_found; bad_file or unsupported, which name the file and the tensor or the
  // metadata: what parse_gguf_header finds, another architecture, experts that are chosen by softmax (what files made
  // before llama.cpp knew this model say, which makes it loop), a file that is one of several, types and tensors that
  // glimt does not read.
  explicit GgufModel(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::shared_ptr<const MappedFile>& map() const { return map_; }  // which offsets count from
  const std::map<std::string, GgufEntry>& tensors() const { return tensors_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }

  // What config.json of the release says, as far as the metadata do. Config::from_json takes it.
  const json::object& config() const { return config_; }

  // The chat template, empty if there is none.
  const std::string& chat_template() const { return chat_template_; }

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> map_;
  std::map<std::string, GgufEntry> tensors_;
  json::object config_;
  std::string chat_template_;
};

// Whether it is a file that begins as GGUF does.
bool is_gguf(const std::filesystem::path& path);

// Our name of a tensor of such a file; empty for one that belongs to no part of the model.
std::string name_of_gguf_tensor(const std::string& stored_name);

}  // namespace glimt
