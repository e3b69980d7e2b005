#include "serving/model_facts.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/summary.h"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostText = std::size_t{1} << 20;  // of a template or a licence
constexpr std::size_t kMostFolders = 4096;               // that a catalog keeps

std::chrono::system_clock::time_point in_system_time(fs::file_time_type time) {
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(fs::file_time_type::clock::to_sys(time));
}

std::string text_or_empty(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return {};
  try {
    return read_file(file, kMostText);
  } catch (const Error&) {
    return {};  // of no use in a list, and no reason to leave the model out
  }
}

// Half of the digest: RFC 4122's version 5 of UUIDs, a SHA-1, which Boost has.
std::string half_digest(std::string_view bytes, unsigned char which) {
  boost::uuids::uuid name_space = {};
  *name_space.begin() = which;
  std::string text = boost::uuids::to_string(
      boost::uuids::name_generator_sha1(name_space)(static_cast<const void*>(bytes.data()), bytes.size()));
  std::erase(text, '-');
  return text;
}

// Names, sizes and times of the files of a folder, in the order of their names.
void look_at_files(const fs::path& folder, ModelFacts& facts) {
  std::vector<std::string> lines;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const std::uintmax_t size = it->file_size(gone);
    const fs::file_time_type time = it->last_write_time(gone);
    if (gone) continue;
    facts.bytes += size;
    facts.modified = std::max(facts.modified, in_system_time(time));
    lines.push_back(fmt::format("{}\n{}\n{}\n", it->path().filename().string(), size, time.time_since_epoch().count()));
  }
  std::sort(lines.begin(), lines.end());
  std::string all = text_or_empty(folder / "config.json");
  for (const std::string& line : lines) all += line;
  facts.digest = half_digest(all, 0) + half_digest(all, 1);
}

std::string template_of(const fs::path& folder) {
  if (std::string own = text_or_empty(folder / "chat_template.jinja"); !own.empty()) return own;
  const std::string config = text_or_empty(folder / "tokenizer_config.json");
  if (config.empty()) return {};
  const json::value parsed = parse_json(config, "tokenizer_config.json");
  const json::value* text = parsed.is_object() ? parsed.get_object().if_contains("chat_template") : nullptr;
  return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

// "affine 4 bits group 64" is "INT4", "mxfp4 group 32" is "MXFP4", "bfloat16" is "BF16".
std::string short_format(const std::string& format) {
  std::string word = format.substr(0, format.find(' '));
  if (word == "affine") return fmt::format("INT{}", format.substr(7, format.find(' ', 7) - 7));
  if (word == "bfloat16") return "BF16";
  if (word.starts_with("float")) return fmt::format("F{}", word.substr(5));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return word;
}

void look_at_weights(const fs::path& folder, ModelFacts& facts) {
  const ModelSummary summary = summarize(folder);
  const json::object config = Config::read(folder);
  const json::value* type = config.if_contains("model_type");
  facts.model_type =
      type != nullptr && type->is_string() ? std::string(type->get_string()) : summary.config.architecture;
  const auto& formats = summary.parameters_by_format;
  const auto most = std::max_element(formats.begin(), formats.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != formats.end()) facts.quantization = short_format(most->first);
  facts.parameters = summary.trunk_parameters;
  facts.context = static_cast<std::size_t>(summary.config.max_position_embeddings);
  facts.hidden_size = static_cast<std::size_t>(summary.config.hidden_size);
  facts.layers = static_cast<std::size_t>(summary.config.num_hidden_layers);
}

void look_inside(ModelFacts& facts) {
  facts.license = text_or_empty(facts.folder / "LICENSE");
  try {
    look_at_weights(facts.folder, facts);
    facts.chat_template = template_of(facts.folder);
  } catch (const std::exception& error) {
    facts.problem = error.what();
  }
}

ModelFacts outside_of(const StoredModel& model) {
  ModelFacts facts;
  facts.name = model.name;
  facts.folder = model.folder;
  look_at_files(model.folder, facts);
  return facts;
}

}  // namespace

ModelFacts read_model_facts(const StoredModel& model) {
  ModelFacts facts = outside_of(model);
  look_inside(facts);
  return facts;
}

std::shared_ptr<const ModelFacts> ModelCatalog::facts(const StoredModel& model) {
  ModelFacts fresh = outside_of(model);
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(model.folder);
    if (known != known_.end() && known->second->digest == fresh.digest && known->second->name == model.name) {
      return known->second;
    }
  }
  look_inside(fresh);
  auto read = std::make_shared<const ModelFacts>(std::move(fresh));
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostFolders) known_.clear();
  known_[model.folder] = read;
  return read;
}

}  // namespace glimt
