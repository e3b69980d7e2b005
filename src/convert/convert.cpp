#include "convert/convert.h"

#include "base/error.h"
#include "base/file.h"
#include "convert/made_config.h"
#include "convert/unit_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <system_error>

namespace glimt::convert {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::uint64_t kSpareBytes = std::uint64_t{16} << 20;  // for the small files
constexpr std::size_t kMostSmallFile = std::size_t{256} << 20;

// What is finished goes to the disk and into the journal so often: a kill costs at most so much work, and the unit that
// it fell into.
constexpr auto kNotePause = 1s;

// Changes whenever the same source and options would give other bytes.
constexpr int kVersion = 3;

// What mlx-lm casts to: the older of the two names of the field, and no other words than these.
std::optional<Dtype> cast_of(const json::object& config) {
  const json::value* name = config.if_contains("torch_dtype");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  for (const Dtype type : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
    if (to_string(type) == std::string_view(name->get_string())) return type;
  }
  return std::nullopt;
}

// Tokenizer, template, generation_config, licence: what is no weights and was not written anew.
bool is_copied(const fs::path& file) {
  constexpr std::string_view kWritten[] = {"config.json", kIndex, "hf_quant_config.json"};
  constexpr std::string_view kEndings[] = {".json", ".jinja", ".txt", ".model", ".tiktoken"};
  const std::string name = file.filename().string();
  if (name.starts_with('.') || std::find(std::begin(kWritten), std::end(kWritten), name) != std::end(kWritten)) {
    return false;
  }
  return name.starts_with("LICENSE") || name.starts_with("NOTICE") ||
         std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

std::vector<fs::path> copied_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && is_copied(it->path())) files.push_back(it->path());
  }
  if (error) fail(ErrorKind::bad_file, folder.string(), "cannot read the folder: {}", error.message());
  std::sort(files.begin(), files.end());
  return files;
}

void check_space(const fs::path& folder, std::uint64_t wanted) {
  const std::optional<std::uint64_t> free = free_disk_bytes(folder);
  if (!free || *free >= wanted + kSpareBytes) return;
  constexpr double kMegabyte = 1e6;
  fail(ErrorKind::out_of_memory, folder.string(), "the result takes {:.0f} MB of the disk, {:.0f} MB are free",
       static_cast<double>(wanted + kSpareBytes) / kMegabyte, static_cast<double>(*free) / kMegabyte);
}

// All but some: what an earlier run has left of small files, perhaps under the names that they have while they are
// written, is written again.
void remove_files(const fs::path& folder, const std::vector<std::string>& kept) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  for (const fs::path& file : files) {
    std::error_code ignored;
    if (std::find(kept.begin(), kept.end(), file.filename().string()) == kept.end()) fs::remove_all(file, ignored);
  }
}

PlanOptions plan_options(const ConvertOptions& options, const json::object& config) {
  return {.recipe = options.recipe, .repack = options.repack, .float_type = cast_of(config)};
}

}  // namespace

Conversion::Conversion(const fs::path& source, ConvertOptions options)
    : Conversion(source, nullptr, Config::read(source), (source / "config.json").string(), std::move(options)) {}

Conversion::Conversion(const std::shared_ptr<const GgufModel>& source, const fs::path& tokenizer,
                       ConvertOptions options)
    : Conversion(tokenizer, source, source->config(), source->path().string(), std::move(options)) {}

Conversion::Conversion(const fs::path& small_files, std::shared_ptr<const GgufModel> gguf, const json::object& config,
                       const std::string& config_name, ConvertOptions options)
    : source_(small_files),
      gguf_(std::move(gguf)),
      options_(std::move(options)),
      source_config_(config),
      config_(Config::from_json(source_config_, config_name)),
      checkpoint_(gguf_ != nullptr ? CheckpointFolder(gguf_) : CheckpointFolder(source_, config_.quantization)),
      files_(checkpoint_),
      units_(plan_units(files_, config_, plan_options(options_, source_config_))),
      output_(units_, options_.notes) {
  for (const Unit& unit : units_) source_bytes_ += unit.source_bytes;
  if (options_.text) calibration_ = std::make_unique<Calibration>(source_, config_, *options_.text);
}

std::string Conversion::plan_text() const {
  std::string all =
      fmt::format("{} {} {}\n", kVersion, options_.search, dump_json(made_config(source_config_, units_)));
  std::set<fs::path> files;
  for (const auto& [name, tensor] : checkpoint_.tensors()) files.insert(tensor.file_path());
  for (const fs::path& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) continue;
    const timespec changed = modification_time(info);
    all += fmt::format("{} {} {} {}.{}\n", fs::absolute(file).string(), info.st_ino, info.st_size, changed.tv_sec,
                       changed.tv_nsec);
  }
  for (const std::string& header : output_.headers()) all += header;
  if (calibration_ != nullptr) all += calibration_->fingerprint();
  return to_string(boost::uuids::name_generator_sha1(boost::uuids::uuid{})(all));
}

void Conversion::begin(const fs::path& folder, Journal& journal) {
  const bool goes_on = !journal.is_empty() && output_.open(folder);
  remove_files(folder, goes_on ? output_.file_names() : std::vector<std::string>{});
  if (goes_on) return;
  check_space(folder, output_.file_bytes());
  output_.create(folder);
  journal.clear();
}

// The loop over the units. What is finished goes to the disk and into the journal now and then, and a calibration passes
// through each stage before and after its units.
class Conversion::Writing {
 public:
  using Tell = std::function<void(const ConvertProgress&)>;

  Writing(Conversion& owner, Journal& journal, int first_stage, const Tell& tell)
      : owner_(owner),
        journal_(journal),
        tell_(tell),
        writer_(owner.files_, owner.output_, owner.options_.threads, owner.options_.search),
        first_stage_(first_stage) {
    progress_.total = owner.source_bytes_;
    if (owner.calibration_ == nullptr) return;
    progress_.total *= 2;
    for (const Unit& unit : owner.units_) stage_bytes_[owner.calibration_->stage_of(unit.name)] += unit.source_bytes;
  }

  void run() {
    try {
      for (const Unit& unit : owner_.units_) {
        if (owner_.calibration_ != nullptr) enter(owner_.calibration_->stage_of(unit.name));
        write(unit);
        if (std::chrono::steady_clock::now() - noted_ > kNotePause) note();
      }
      if (owner_.calibration_ != nullptr) leave();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) note();
      throw;
    }
    note();
  }

 private:
  void note() {
    owner_.output_.sync();
    journal_.add(finished_);
    finished_.clear();
    noted_ = std::chrono::steady_clock::now();
  }

  void write(const Unit& unit) {
    const std::uint64_t before = progress_.done;
    if (!journal_.has(unit.name)) {
      writer_.write(unit, importance_of(unit), [&](std::size_t bytes) {
        progress_.done = before + bytes;
        tell_(progress_);
      });
      finished_.push_back(unit.name);
    }
    progress_.done = before + unit.source_bytes;
  }

  Importance importance_of(const Unit& unit) const {
    const auto* job = std::get_if<MatrixJob>(&unit.job);
    if (owner_.calibration_ == nullptr || job == nullptr) return {};
    return owner_.calibration_->importance_of(job->path, static_cast<std::size_t>(std::max(job->size.count, 1)));
  }

  void enter(int stage) {
    if (stage == stage_) return;
    leave();
    stage_ = stage;
    calibrate([&](const Calibration::Tell& tell) { owner_.calibration_->begin(stage, tell); });
  }

  // The result's part of a stage is read back, so it has to be there; what is noted is not computed again.
  void leave() {
    if (stage_ >= first_stage_) note();
    calibrate([&](const Calibration::Tell& tell) { owner_.calibration_->end(stage_, tell); });
  }

  // One half of a stage's work besides its units.
  void calibrate(const std::function<void(const Calibration::Tell&)>& pass) {
    if (stage_ < 0) return;
    const std::uint64_t before = progress_.done, bytes = stage_bytes_[stage_] / 2;
    if (stage_ >= first_stage_) {
      pass([&](double share) {
        progress_.done = before + static_cast<std::uint64_t>(share * static_cast<double>(bytes));
        tell_(progress_);
      });
    }
    progress_.done = before + bytes;
  }

  Conversion& owner_;
  Journal& journal_;
  const Tell& tell_;
  UnitWriter writer_;
  ConvertProgress progress_;
  std::vector<std::string> finished_;
  std::chrono::steady_clock::time_point noted_ = std::chrono::steady_clock::now();
  std::map<int, std::uint64_t> stage_bytes_;
  int first_stage_, stage_ = -1;
};

void Conversion::run(const fs::path& folder, const fs::path& journal_path,
                     const std::function<void(const ConvertProgress&)>& tell) {
  make_folder(folder);
  Journal journal(journal_path, plan_text());
  begin(folder, journal);
  int first_stage = 0;
  if (calibration_ != nullptr) {
    const fs::path states = journal_path.string() + ".states";
    std::error_code ignored;
    if (journal.is_empty()) fs::remove(states, ignored);
    write_descriptions(folder);
    first_stage = calibration_->open(folder, states);
  }
  Writing(*this, journal, first_stage, tell).run();
  write_small_files(folder);
}

std::optional<DivergenceReport> Conversion::measured() const {
  return calibration_ != nullptr ? calibration_->measured() : std::nullopt;
}

void Conversion::write_small_files(const fs::path& folder) const {
  for (const fs::path& file : copied_files(source_)) {
    write_file_atomically(folder / file.filename(), read_file(file, kMostSmallFile));
  }
  if (gguf_ != nullptr) write_chat_template(folder);
  write_descriptions(folder);
}

void Conversion::write_descriptions(const fs::path& folder) const {
  write_file_atomically(folder / kIndex, indented(output_.index()));
  write_file_atomically(folder / "config.json", indented(made_config(source_config_, units_)));
}

// A GGUF file's, where the folder of the tokenizer has none.
void Conversion::write_chat_template(const fs::path& folder) const {
  const fs::path own = folder / "chat_template.jinja", settings = folder / "tokenizer_config.json";
  if (gguf_->chat_template().empty() || fs::exists(own)) return;
  if (fs::exists(settings)) {
    const json::value value = parse_json_file(settings);
    if (value.is_object() && value.get_object().contains("chat_template")) return;
  }
  write_file_atomically(own, gguf_->chat_template());
}

}  // namespace glimt::convert
