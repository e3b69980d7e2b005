#include "cli/load_flags.h"

#include "base/error.h"
#include "cli/pull_model.h"
#include "kernels/process.h"
#include "serving/follower.h"

#include <unistd.h>

#include <csignal>
#include <map>
#include <system_error>

namespace glimt {
namespace {

// "loading …" on the line of a terminal, while it lives.
class LoadingLine {
 public:
  explicit LoadingLine(const std::string& name) : terminal_(::isatty(STDERR_FILENO) == 1) {
    if (terminal_) fmt::print(stderr, "loading {} …", name);
  }
  ~LoadingLine() {
    if (terminal_) std::fputs("\r\033[K", stderr);
  }
  LoadingLine(const LoadingLine&) = delete;
  LoadingLine& operator=(const LoadingLine&) = delete;

 private:
  bool terminal_;
};

// std::filesystem::exists, but a folder that may not be read is the user's error and not the program's.
bool is_there(const std::string& file) {
  std::error_code error;
  const bool there = std::filesystem::exists(file, error);
  if (error) fail(ErrorKind::invalid_request, file, "cannot be looked up: {}", error.message());
  return there;
}

}  // namespace

void LoadFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Model");
  command.add_option("--context", options.context, "Most tokens of prompt and answer (default: what the model allows)")
      ->type_name("N");
  command.add_option("--threads", threads, "CPU threads (default: all)")
      ->type_name("N")
      ->check(CLI::Range(0, kernels::kMostThreads).description(""));
  device.add_to(command);
  command.add_flag_callback(
      "--no-huge-pages", [this] { options.huge_pages = false; },
      "Leave the weights in their files; else they are copied if memory allows, for speed");
  command.add_flag("--exact", options.exact, "No approximation that speeds up: for comparisons");
  add_expand_prompts(command);
  command
      .add_option("--cache-memory", options.cache_memory,
                  "Memory for the cache, e.g. 2GB (default: half of what is free beside the weights)")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE");
  const std::map<std::string, kernels::RowType> types{
      {"f32", kernels::RowType::f32}, {"bf16", kernels::RowType::bf16}, {"q8", kernels::RowType::q8}};
  command
      .add_option_function<std::string>(
          "--cache-type", [this, types](const std::string& name) { options.cache_type = types.at(name); },
          "How the cache is stored: f32, bf16 (default), or q8 in half its memory")
      ->check(CLI::IsMember({"f32", "bf16", "q8"}).description(""))
      ->type_name("TYPE");
  command
      .add_option_function<std::string>(
          "--speculation",
          [this](const std::string& name) {
            options.speculation = name == "off" ? Speculation::off : Speculation::adaptive;
          },
          "Guess ahead: off, or adaptive (default), where it pays; the answer is the same")
      ->check(CLI::IsMember({"off", "adaptive"}).description(""))
      ->type_name("HOW");
  command.option_defaults()->group("Options");
  ranks.add_to(command);
}

void LoadFlags::add_expand_prompts(CLI::App& command) {
  command.add_flag("--expand-prompts", options.expand_prompts,
                   "Long prompts faster on a CPU; an answer's last bits then depend on what was cached");
}

void LoadFlags::set_up_process() const {
  device.use(options.exact);
  if (threads > 0) kernels::set_process_threads(threads);
  kernels::set_process_buffer_cache(kernels::process_buffer_cache());
}

EngineOptions LoadFlags::engine_options() const {
  EngineOptions all = options;
  all.ranks = ranks.options();
  return all;
}

bool follow_rank_0(const std::string& name_or_folder, const LoadFlags& flags) {
  if (!Engine::rank().follows()) return false;
  std::signal(SIGINT, SIG_IGN);
  flags.set_up_process();
  follow_model(name_or_folder, flags.engine_options());
  return true;
}

ChatModel load_model_for(const std::string& name_or_folder, const LoadFlags& flags) {
  if (!flags.session.empty()) is_there(flags.session);  // says so before the model is loaded, not after
  offer_to_pull(name_or_folder);
  flags.set_up_process();
  const LoadingLine line(name_or_folder);
  return load_chat_model(name_or_folder, flags.engine_options());
}

void resume_session(const ChatModel& model, const std::string& file) {
  if (file.empty() || !is_there(file)) return;
  fmt::print(stderr, "{}: {} tokens of an earlier session need not be read again\n", file,
             model.engine->load_session(file));
}

void leave_session(const ChatModel& model, const std::string& file, const std::vector<TokenId>& conversation) {
  if (file.empty() || conversation.empty()) return;
  try {
    fmt::print(stderr, "{}: keeps {} tokens of this session\n", file, model.engine->save_session(file, conversation));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    fmt::print(stderr, "{}: not written, the conversation is too short to be worth it\n", file);
  }
}

}  // namespace glimt
