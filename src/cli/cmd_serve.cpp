// glimt serve: the models behind HTTP, for agents, SDKs and editors.
#include "base/double.h"
#include "cli/commands.h"
#include "cli/load_flags.h"
#include "cli/pull_model.h"
#include "kernels/process.h"
#include "server/server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {
namespace {

constexpr std::uint16_t kDefaultPort = 11434;  // where Ollama's clients look
// Chats that find no place wait for whole answers of others, and 16 answers at once are hardly slower than 8 (the
// simulation in docs/SCALING.md).
constexpr int kParallel = 16;

struct ServeArguments {
  std::string model;
  std::string host;
  std::optional<int> port;
  LoadFlags load;
  ServerOptions server;
  ManagerOptions manager;
  std::string keep_alive;
};

std::uint16_t port_of(std::string_view digits, const char* variable, const std::string& value) {
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port < 0 || port > 65535) {
    fail(ErrorKind::invalid_request, variable, "HOST, HOST:PORT or :PORT is wanted, got '{}'", value);
  }
  return static_cast<std::uint16_t>(port);
}

// "host", "host:port", ":port", "http://host:port/", "[::1]:port".
void set_address(ServerOptions& options, const char* variable, const std::string& value) {
  std::string_view text = value;
  if (const std::size_t scheme = text.find("://"); scheme != text.npos) text.remove_prefix(scheme + 3);
  while (text.ends_with('/')) text.remove_suffix(1);
  const bool bracket = text.starts_with('[');
  const std::size_t host_end = bracket ? text.find(']') : std::min(text.rfind(':'), text.size());
  if (host_end == text.npos) fail(ErrorKind::invalid_request, variable, "a ']' is missing in '{}'", value);
  const std::string_view host = bracket ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  const std::string_view rest = text.substr(bracket ? host_end + 1 : host_end);
  if (!host.empty()) options.host = std::string(host);
  if (!rest.empty()) options.port = port_of(rest.substr(1), variable, value);
}

// Flags before GLIMT_HOST, that before OLLAMA_HOST.
void set_address(ServeArguments& arguments) {
  for (const char* variable : {"OLLAMA_HOST", "GLIMT_HOST"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') set_address(arguments.server, variable, value);
  }
  if (!arguments.host.empty()) arguments.server.host = arguments.host;
  if (arguments.port) arguments.server.port = static_cast<std::uint16_t>(*arguments.port);
}

// "300", "300s", "5m", "1h"; "-1": for ever.
std::chrono::nanoseconds duration_of(const std::string& text) {
  double number = 0;
  const auto [end, error] = read_double(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double seconds = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (error != std::errc() || seconds == 0 || !(number * seconds < 1e9)) {
    fail(ErrorKind::invalid_request, "--keep-alive", "seconds, or a number with s, m or h is wanted, got '{}'", text);
  }
  if (number < 0) return std::chrono::nanoseconds(-1);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(number * seconds));
}

// The model of the command line is loaded at once. Where that fails, the server ends.
class FirstModel {
 public:
  FirstModel(const std::string& name, ModelManager& models, Server& server) {
    fmt::print(stderr, "loading {}; requests for it wait\n", name);
    models.acquire(
        name, std::nullopt,
        [failure = failure_, stop = server.stopper(), name](const ModelLease& lease, const std::exception_ptr& error) {
          if (error) {
            failure->set_value(error);
            stop();
          } else {
            fmt::print(stderr, "{} is ready after {:.1f} s\n", name, lease.load_seconds);
            failure->set_value(nullptr);
          }
        });
  }

  // What went wrong until now.
  void rethrow() {
    std::future<std::exception_ptr> error = failure_->get_future();
    if (error.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
    if (const std::exception_ptr wrong = error.get()) std::rethrow_exception(wrong);
  }

 private:
  std::shared_ptr<std::promise<std::exception_ptr>> failure_ = std::make_shared<std::promise<std::exception_ptr>>();
};

// Several ranks hold one model, which they load together once.
void hold_one_model(ServeArguments& arguments) {
  if (arguments.model.empty()) {
    fail(ErrorKind::invalid_request, "MODEL", "is wanted: {} ranks compute one model", Engine::rank().size);
  }
  if (!arguments.keep_alive.empty()) {
    fail(ErrorKind::invalid_request, "--keep-alive", "a model that several ranks compute stays as long as they run");
  }
  arguments.manager.stays = true;
  arguments.server.fixed_models = true;
}

void serve(ServeArguments arguments) {
  if (follow_rank_0(arguments.model, arguments.load)) return;
  const bool spread = Engine::rank().size > 1;
  if (spread) hold_one_model(arguments);
  set_address(arguments);
  std::optional<StoredModel> also;
  if (!arguments.model.empty()) {
    offer_to_pull(arguments.model);
    also = stored_model(arguments.model, model_places());
    arguments.manager.default_model = also->name;
    arguments.manager.keep_alive = std::chrono::nanoseconds(-1);
  }
  if (!arguments.keep_alive.empty()) arguments.manager.keep_alive = duration_of(arguments.keep_alive);
  arguments.manager.cache_memory = arguments.load.options.cache_memory;
  arguments.server.context = arguments.load.options.context;
  arguments.server.version = GLIMT_VERSION;
  arguments.server.pulling = [] { return pull_options(); };
  arguments.load.set_up_process();
  arguments.server.device = kernels::process_device();
  const auto places = spread ? std::vector<std::filesystem::path>() : model_places();
  ModelManager models(stored_models(places, also, arguments.load.engine_options()), arguments.manager);
  Server server(arguments.server, models);
  fmt::print(stderr, "glimt listens on {}\n", server.url());
  std::optional<FirstModel> first;
  if (also) first.emplace(also->name, models, server);
  server.run(true);
  if (first) first->rethrow();
}

void add_network_flags(CLI::App& command, ServeArguments& arguments) {
  command.option_defaults()->group("Network");
  command.add_option("--host", arguments.host, "Address to listen on (default: GLIMT_HOST, OLLAMA_HOST, 127.0.0.1)")
      ->type_name("HOST");
  command.add_option("--port", arguments.port, fmt::format("Port to listen on (default: {}); 0: any", kDefaultPort))
      ->type_name("N")
      ->check(CLI::Range(0, 65535).description(""));
  command.add_option("--allow-host", arguments.server.origins.hosts, "Answer to this name as well")->type_name("NAME");
  command
      .add_option("--allow-origin", arguments.server.origins.origins,
                  "Pages of this origin may use the server, e.g. https://chat.example; '*' for all")
      ->type_name("ORIGIN");
  command
      .add_option("--api-key-file", arguments.server.api_key_file, "Only requests with a key of this file are answered")
      ->type_name("FILE");
  command.add_option("--tls-cert", arguments.server.tls_certificate, "Speak TLS with this certificate chain (PEM)")
      ->type_name("FILE");
  command.add_option("--tls-key", arguments.server.tls_key, "And its private key (PEM)")->type_name("FILE");
}

void add_request_flags(CLI::App& command, ServeArguments& arguments) {
  command.option_defaults()->group("Requests");
  EngineOptions& engine = arguments.load.options;
  command.add_option("--parallel", engine.parallel, "Most answers at once")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024).description(""));
  command.add_option("--queue", engine.queue, "Most requests that wait; beyond: 503")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000).description(""));
  command
      .add_option_function<int>(
          "--step-time", [&engine](int ms) { engine.step_time = std::chrono::milliseconds(ms); },
          "Most milliseconds that prompts of others may hold up an answer, as far as can be told; 0: no limit")
      ->type_name("MS")
      ->default_str("250")
      ->check(CLI::Range(0, 60'000).description(""));
  command
      .add_option_function<int>(
          "--mask-time", [&engine](int seconds) { engine.mask_time = std::chrono::seconds(seconds); },
          "Most seconds that the grammar of one answer may compute, and 2 ms for each of its tokens")
      ->type_name("S")
      ->default_str("10")
      ->check(CLI::Range(1, 3'600).description(""));
  command
      .add_option(
          "--keep-alive", arguments.keep_alive,
          "How long a model stays after its last answer, e.g. 5m; -1: for ever (default: MODEL for ever, else 5m)")
      ->type_name("TIME");
  command
      .add_option("--memory", arguments.manager.memory, "Memory of all models, e.g. 24GB (default: what is available)")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE");
  command.add_flag(
      "--fixed-models", arguments.server.fixed_models,
      "Nobody may pull, copy or remove models over HTTP (default: this machine and keys with models=change)");
  command.add_flag("--strict-models", arguments.manager.strict_models,
                   "claude-*, gpt-* and other vendors' names are unknown, and do not mean the default model");
  command.add_flag_callback(
      "--ignore-unknown-fields", [&arguments] { arguments.server.unknown = UnknownFields::ignore; },
      "Requests may have fields that are not known; the answer's header names them");
  command.add_flag_callback(
      "--log-json", [&arguments] { arguments.server.log = AccessLog::Form::json; }, "Log in JSON, one object a line");
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto arguments = std::make_shared<ServeArguments>();
  arguments->server.port = kDefaultPort;
  arguments->load.options.parallel = kParallel;
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP: the APIs of OpenAI, Anthropic and Ollama");
  command->add_option("model", arguments->model, "Folder or name of the model that requests without a name mean")
      ->type_name("MODEL");
  add_network_flags(*command, *arguments);
  add_request_flags(*command, *arguments);
  arguments->load.add_to(*command);
  command->callback([arguments] { serve(*arguments); });
}

}  // namespace glimt
