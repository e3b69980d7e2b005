// The flags that decide how a model is loaded, and loading it in front of somebody who waits.
#pragma once

#include "cli/device_flag.h"
#include "cli/rank_flags.h"
#include "serving/chat_model.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace glimt {

struct LoadFlags {
  void add_to(CLI::App& command);

  // A part of add_to, for commands that have few of them.
  void add_expand_prompts(CLI::App& command);

  // What holds for the whole process: before the first model is loaded.
  void set_up_process() const;

  // The options with what the flags of ranks say. Throws what RankFlags::options throws.
  EngineOptions engine_options() const;

  EngineOptions options;
  RankFlags ranks;
  DeviceFlag device;
  int threads = 0;      // of the kernels; 0: all cores
  std::string session;  // a file to begin with, if it exists, and to leave the cache in
};

// On a rank above 0: computes its part of the model until rank 0 has ended, and returns true. The user speaks to rank 0,
// so an interrupt is not for the others.
bool follow_rank_0(const std::string& name_or_folder, const LoadFlags& flags);

// Sets up the process, then load_chat_model, which says on stderr that it loads if that is a terminal.
ChatModel load_model_for(const std::string& name_or_folder, const LoadFlags& flags);

// The cached rows of --session: taken from the file if there is one; the conversation's left there. Both say on stderr
// what they did; a file that cannot be used is an error.
void resume_session(const ChatModel& model, const std::string& file);
void leave_session(const ChatModel& model, const std::string& file, const std::vector<TokenId>& conversation);

}  // namespace glimt
