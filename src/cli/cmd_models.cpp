// glimt list, rm, cp, verify, du: the models that are here.
#include "base/error.h"
#include "cli/bytes.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/manifest.h"
#include "hub/store.h"
#include "hub/store_changes.h"
#include "hub/workspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kShownCommit = 12;

// The commit and the source of a model; where that is unknown, where it is.
std::string origin(const StoredModel& model) {
  try {
    if (const auto contents = known_contents(model.folder)) {
      const std::string commit = contents->commit.substr(0, kShownCommit);
      return fmt::format("{}{}{}", contents->source, commit.empty() ? "" : ", commit ", commit);
    }
  } catch (const Error& error) {
    return error.what();
  }
  return model.folder.string();
}

void list() {
  struct Row {
    std::string name, size, origin;
  };
  std::vector<Row> rows;
  std::size_t name_width = 4;
  for (const StoredModel& model : list_models(model_places())) {
    rows.push_back({model.name, describe_bytes(Usage().add(model.folder)), origin(model)});
    name_width = std::max(name_width, model.name.size());
  }
  if (rows.empty()) {
    fmt::print(stderr, "no models yet; `glimt pull zai-org/GLM-4.7-Flash` gets one\n");
    return;
  }
  fmt::print("{:<{}}  {:>9}  {}\n", "NAME", name_width, "SIZE", "FROM");
  for (const Row& row : rows) fmt::print("{:<{}}  {:>9}  {}\n", row.name, name_width, row.size, row.origin);
}

void remove(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::uint64_t bytes = remove_model(name, store_folder(), model_places());
    fmt::print("removed {}, {}\n", name, describe_bytes(bytes));
  }
}

void stop_if_interrupted() {
  if (interrupted()) throw Error(ErrorKind::cancelled, "interrupted");
}

// Throws a status of 1 where something differs.
void verify(const std::string& model) {
  const std::filesystem::path folder = resolve_model(model);
  catch_interrupts();
  Progress progress("reading", "MB");
  constexpr std::uint64_t kMegabyte = 1000000;
  const std::vector<Difference> differences = verify_model(folder, [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done / kMegabyte, total / kMegabyte);
    stop_if_interrupted();
  });
  progress.clear();
  for (const Difference& difference : differences) fmt::print("{}: {}\n", difference.path, difference.what);
  if (!differences.empty()) throw CLI::RuntimeError(1);
  fmt::print("{}: all {} files are as they should be\n", model, known_contents(folder)->files.size());
}

void print_size(std::uint64_t bytes, const std::string& what) {
  fmt::print("{:>9}  {}\n", describe_bytes(bytes), what);
}

void disk_usage(const std::string& model) {
  Usage usage;
  if (!model.empty()) return print_size(usage.add(resolve_model(model)), model);
  for (const StoredModel& one : list_models(model_places())) print_size(usage.add(one.folder), one.name);
  for (const Unfinished& one : list_unfinished(store_folder())) {
    std::string name = one.key;
    std::replace(name.begin(), name.end(), '%', '/');
    print_size(usage.add(one.path), fmt::format("{} (unfinished)", name));
  }
  print_size(usage.total(), "total");
}

}  // namespace

void add_list_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("list", "The models that are here, also those of Hugging Face's client and Ollama");
  command->callback(list);
}

void add_rm_command(CLI::App& app) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("rm", "Remove models, or what unfinished pulls of them left");
  command->add_option("models", *names, "Names, as list prints them")->required()->type_name("MODEL");
  command->callback([names] { remove(*names); });
}

void add_cp_command(CLI::App& app) {
  auto source = std::make_shared<std::string>(), target = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("cp", "Give a model another name; takes no space where the disk can share files");
  command->add_option("source", *source, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("target", *target, "Its new name")->required()->type_name("NAME");
  command->callback([source, target] { copy_model(*source, *target, store_folder(), model_places()); });
}

void add_verify_command(CLI::App& app) {
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("verify", "Read all files of a model and compare them with their hashes");
  command->add_option("model", *model, "Folder or name of a model")->required()->type_name("MODEL");
  command->callback([model] { verify(*model); });
}

void add_du_command(CLI::App& app) {
  auto model = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("du", "What the models, and unfinished pulls, take on the disk");
  command->add_option("model", *model, "Only this model; files that several share count once")->type_name("MODEL");
  command->callback([model] { disk_usage(*model); });
}

}  // namespace glimt
