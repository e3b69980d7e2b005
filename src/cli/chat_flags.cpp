#include "cli/chat_flags.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "chat/messages.h"
#include "chat/tool_schemas.h"

#include <algorithm>
#include <cctype>

namespace glimt {
namespace {

constexpr std::size_t kLargestSource = std::size_t{1} << 20;  // of a schema or a grammar

std::string flag_of(const Setting& setting) {
  std::string flag = fmt::format("--{}", setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

// "on|off" is a flag that turns it on; the table's words for it stay.
bool is_switch(const Setting& setting) { return setting.value == "on|off"; }

}  // namespace

void set_from_terminal(ChatSettings& settings, std::string_view name, std::string_view value) {
  set_chat_setting(settings, name, value, [](const std::string& file) { return read_file(file, kLargestSource); });
}

void ChatFlags::add_setting(CLI::App& command, const Setting& setting) {
  const std::string name(setting.name);
  const std::string group = setting.group == Setting::Group::answer ? "Answer" : "Sampling";
  const auto take = [this, name](const std::string& value) {
    set_from_terminal(checked_, name, value);
    given_.emplace_back(name, value);
  };
  std::string help(setting.help);
  help.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(help.front())));
  if (is_switch(setting)) {
    command
        .add_flag_callback(
            flag_of(setting), [take] { take("on"); }, help)
        ->group(group);
    return;
  }
  const auto take_all = [take](const std::vector<std::string>& values) {
    for (const std::string& value : values) take(value);
  };
  CLI::Option* option = command.add_option_function<std::vector<std::string>>(
      flag_of(setting), take_all, help + (setting.repeatable ? " (repeatable)" : ""));
  option->type_name(std::string(setting.value))->type_size(1)->group(group);
  option->expected(1)->allow_extra_args(false);
  if (setting.repeatable) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void ChatFlags::add_to(CLI::App& command) {
  const char* group = "Answer";
  command
      .add_flag_callback(
          "--think", [this] { thinking_ = true; }, "Think before answering (default)")
      ->group(group);
  command
      .add_flag_callback(
          "--no-think", [this] { thinking_ = false; }, "Answer at once")
      ->group(group);
  command.add_option("--system", system_, "The system message")->type_name("TEXT")->group(group);
  command
      .add_option_function<std::string>(
          "--tools", [this](const std::string& path) { tools_ = read_tools(path); },
          "Tools that may be called: a JSON array in the form of OpenAI, Anthropic or MCP")
      ->type_name("FILE")
      ->group(group);
  for (const Setting& setting : chat_settings()) add_setting(command, setting);
}

ChatSettings ChatFlags::over(SamplingParams defaults) const {
  ChatSettings settings;
  settings.sampling = std::move(defaults);
  settings.thinking = thinking_;
  settings.system = system_;
  settings.tools = tools_;
  for (const auto& [name, value] : given_) set_from_terminal(settings, name, value);
  return settings;
}

json::array read_tools(const std::string& path) {
  const json::value tools = parse_json(read_file(path), path);  // its numbers are shown to the model
  if (!tools.is_array()) fail(ErrorKind::bad_file, path, "a JSON array of tools is wanted");
  json::array known = normalized_tools(tools.get_array(), path, ErrorKind::bad_file);
  const ToolSchemas checked{known};  // says now what is wrong with them
  return known;
}

}  // namespace glimt
