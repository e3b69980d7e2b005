// The server with models that answer from a file: for clients that must not depend on what a model says.
//   scripted_server [--port N] [--script FILE] [--model FOLDER] [--context N] [--step-us N] [--prefill-ms N] [--parallel N] [--queue N]
//                   [--repeat] [--keys FILE] [--cert FILE --key FILE] [--unsent N] [--keep-alive-ms N] [--drain-ms N]
//                   [--connections N] [--header-ms N] [--idle-ms N] [--body-ms N] [--write-ms N] [--bodies N] [--json]
//                   [--load-ms N] [--broken]
// With --model the engine runs this model (which has the demo model's tokenizer), held to the script by grammars; the
// flags of the scripted one's speed and room then do nothing.
// Prints its URL when it listens. SIGUSR1 stalls the engine, SIGUSR2 lets it fail what runs.
#include "server/forced_model.h"
#include "server/scripted_model.h"
#include "server/server.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>

namespace glimt {
namespace {

using Flags = std::map<std::string, std::string>;

Flags flags_of(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const bool has_value = i + 1 < argc && std::strncmp(argv[i + 1], "--", 2) != 0;
    flags[name] = has_value ? argv[++i] : "";
  }
  return flags;
}

std::size_t number(const Flags& flags, const std::string& name, std::size_t fallback) {
  const auto found = flags.find(name);
  return found == flags.end() ? fallback : std::stoul(found->second);
}

std::string text(const Flags& flags, const std::string& name) {
  const auto found = flags.find(name);
  return found == flags.end() ? std::string() : found->second;
}

ScriptOptions script_options(const Flags& flags) {
  ScriptOptions options;
  const std::string file = text(flags, "--script");
  options.answer = file.empty() ? [](std::string_view) { return std::string("I think.</think>Hello there."); }
                                : script_of_file(file);
  options.context = number(flags, "--context", options.context);
  options.step = std::chrono::microseconds(number(flags, "--step-us", 0));
  options.prefill = std::chrono::milliseconds(number(flags, "--prefill-ms", 0));
  options.parallel = number(flags, "--parallel", options.parallel);
  options.queue = number(flags, "--queue", options.queue);
  options.repeat = flags.contains("--repeat");
  return options;
}

ServerOptions server_options(const Flags& flags) {
  ServerOptions options;
  const auto time = [&](const char* name, std::chrono::milliseconds& value) {
    value = std::chrono::milliseconds(number(flags, name, static_cast<std::size_t>(value.count())));
  };
  options.port = static_cast<std::uint16_t>(number(flags, "--port", 0));
  options.api_key_file = text(flags, "--keys");
  options.tls_certificate = text(flags, "--cert");
  options.tls_key = text(flags, "--key");
  options.limits.unsent_bytes = number(flags, "--unsent", options.limits.unsent_bytes);
  options.limits.connections = number(flags, "--connections", options.limits.connections);
  options.limits.all_bodies_bytes = number(flags, "--bodies", options.limits.all_bodies_bytes);
  if (flags.contains("--json")) options.log = AccessLog::Form::json;
  time("--keep-alive-ms", options.timeouts.keep_alive);
  time("--drain-ms", options.timeouts.drain);
  time("--header-ms", options.timeouts.header);
  time("--idle-ms", options.timeouts.idle);
  time("--body-ms", options.timeouts.body);
  time("--write-ms", options.timeouts.write);
  return options;
}

ModelSource forced_models(const Flags& flags) {
  ModelSource source = stored_models({}, StoredModel{"demo", text(flags, "--model")}, {});
  source.load = [load = source.load, answer = script_options(flags).answer](
                    const StoredModel& stored, std::size_t cache_memory, LoadProgress& progress) {
    return std::make_shared<ForcedModel>(load(stored, cache_memory, progress), answer);
  };
  return source;
}

// Signals that the test sends: this thread alone takes them.
void obey(const std::weak_ptr<ScriptedModel>& model) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  bool stalled = false;
  for (;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) return;
    const auto alive = model.lock();
    if (!alive) return;
    if (signal == SIGUSR1) alive->stall(stalled = !stalled);
    if (signal == SIGUSR2) alive->fail_all();
  }
}

int run(const Flags& flags) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto model = std::make_shared<ScriptedModel>("demo", script_options(flags));
  ModelSource source = scripted_models({{"demo", script_options(flags)}});
  source.load = [model, &flags](const StoredModel&, std::size_t, LoadProgress& progress) {
    constexpr std::size_t kParts = 16;
    progress.set_total(kParts);
    for (std::size_t i = 0; i < kParts; ++i, progress.add(1)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(number(flags, "--load-ms", 0)) / kParts);
    }
    if (flags.contains("--broken")) fail(ErrorKind::bad_file, "weights", "are cut short");
    return model;
  };
  if (flags.contains("--model")) source = forced_models(flags);
  ManagerOptions options;
  options.default_model = "demo";
  options.keep_alive = std::chrono::nanoseconds(-1);
  ModelManager models(std::move(source), options);
  Server server(server_options(flags), models);
  std::thread(obey, std::weak_ptr(model)).detach();
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  server.run(true);
  return 0;
}

}  // namespace
}  // namespace glimt

int main(int argc, char** argv) try {
  return glimt::run(glimt::flags_of(argc, argv));
} catch (const std::exception& error) {
  std::fprintf(stderr, "scripted_server: %s\n", error.what());
  return 2;
}
