#include "cli/pull_model.h"

#include "base/error.h"
#include "checkpoint/config.h"
#include "cli/interrupt.h"
#include "cli/pull_display.h"
#include "hub/manifest.h"
#include "hub/pull.h"
#include "hub/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace glimt {
namespace {

// Cancels a pull when Ctrl-C is pressed, while it lives.
class CancelOnInterrupt {
 public:
  explicit CancelOnInterrupt(Pull& pull)
      : thread_([&pull](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            if (interrupted()) pull.cancel();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
          }
        }) {}

 private:
  std::jthread thread_;
};

void print_json(const PullEvent& event) {
  const json::object line = pull_event_json(event);
  if (line.empty()) return;
  fmt::print("{}\n", json::serialize(line));
  std::fflush(stdout);
}

bool is_not_here(const std::string& name) {
  try {
    resolve_model(name);
    return false;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::not_found;
  }
}

bool says_yes(const std::string& name) {
  fmt::print(stderr, "{} is not here. Pull it from {}? [y/N] ", name, hub_settings_from_environment().endpoint);
  std::fflush(stderr);
  char line[16] = {};
  return std::fgets(line, sizeof line, stdin) != nullptr && (line[0] == 'y' || line[0] == 'Y');
}

}  // namespace

PullOptions pull_options(int connections) {
  PullOptions options;
  options.hub = hub_settings_from_environment();
  options.store = store_folder();
  options.connections = connections;
  options.check = [](const std::filesystem::path& folder) { Config::from_folder(folder); };
  return options;
}

void pull_model(const std::string& name, PullOutput output, int connections) {
  Pull pull(name, pull_options(connections));
  catch_interrupts();
  std::filesystem::path folder;
  try {
    const CancelOnInterrupt watch(pull);
    PullDisplay display;
    folder = pull.run(
        [&](const PullEvent& event) { output == PullOutput::json_lines ? print_json(event) : display.show(event); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) throw;
    fail(ErrorKind::cancelled, name, "interrupted; what has arrived is kept, and `glimt pull {}` goes on from there",
         name);
  }
  if (output == PullOutput::json_lines) return;
  const auto manifest = read_manifest(folder);
  fmt::print("{} is here: commit {}, in {}\n", name, manifest ? manifest->commit : "unknown", folder.string());
}

void offer_to_pull(const std::string& name) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return;
  try {
    hub_model(name);
  } catch (const Error&) {
    return;
  }
  if (is_not_here(name) && says_yes(name)) {
    pull_model(name, PullOutput::people);
    clear_interrupt();
  }
}

}  // namespace glimt
