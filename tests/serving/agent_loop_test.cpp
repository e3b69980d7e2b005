// An agent's loop: a long prompt, a call, its result, the next call, … Every turn begins with all that was said before,
// so its rows must be in the prefix cache: a prompt that is rendered from what a client sends back has to be the tokens
// that the model read and wrote.
#include "serving/chat_model.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr int kTurns = 50;
constexpr std::size_t kSlack = 8;  // the end token, the last token's row, the one that the MTP layer wants again

// The demo model, told that it may read more than it was trained for: what it answers then is nonsense in the form that
// a grammar gives it.
class LongDemo {
 public:
  LongDemo() {
    const fs::path demo = fs::path(GLIMT_SOURCE_DIR) / "models" / "demo";
    for (const char* name : {"chat_template.jinja", "generation_config.json", "model.safetensors", "tokenizer.json",
                             "tokenizer_config.json"}) {
      fs::create_symlink(demo / name, folder_.path() / name);
    }
    json::object config = parse_json_file(demo / "config.json").as_object();
    config["max_position_embeddings"] = 32768;
    write_file_atomically(folder_.path() / "config.json", dump_json(config));
  }

  ChatModel load() const {
    EngineOptions options;
    options.cache_memory = std::size_t{256} << 20;
    options.huge_pages = false;
    return load_chat_model(folder_.path().string(), options);
  }

 private:
  TemporaryFolder folder_;
};

json::array some_tools() {
  return parse_json(R"([
    {"type": "function", "function": {"name": "read_file", "description": "Reads a part of a file.", "parameters":
      {"type": "object", "properties": {"path": {"type": "string", "maxLength": 12}, "line": {"type": "integer",
       "minimum": 0, "maximum": 999}}, "required": ["path", "line"]}}},
    {"type": "function", "function": {"name": "edit", "description": "Changes a file.", "parameters":
      {"type": "object", "properties": {"path": {"enum": ["a.txt", "b/c d.txt"]}, "changes": {"type": "array",
       "maxItems": 2, "items": {"type": "object", "properties": {"at": {"type": "integer", "minimum": 0,
       "maximum": 99}, "all": {"type": "boolean"}}, "required": ["at", "all"], "additionalProperties": false}}},
       "required": ["path", "changes"]}}}])",
                    "tools")
      .as_array();
}

ChatRequest long_request(const ChatModel& model, std::size_t tokens, bool thinking, float temperature) {
  ChatRequest request;
  std::string rules = "You are a careful assistant that works in a folder of files.";
  for (int i = 1; model.tokenizer.encode_plain(rules).size() < tokens; ++i) {
    rules += fmt::format("\n{}. Look at file number {} before you change it, and say what you have found.", i, 7 * i);
  }
  request.messages.push_back({{"role", "system"}, {"content", rules}});
  request.messages.push_back({{"role", "user"}, {"content", "Put the files in order."}});
  request.tools = some_tools();
  request.thinking = thinking;
  request.template_options["clear_thinking"] = false;
  request.constraint = ToolCallOutput{};
  request.sampling.temperature = temperature;
  request.max_tokens = 300;
  request.thinking_budget = 12;
  return request;
}

// What a client does with an answer: it keeps the message, and adds the results of the calls.
void add_turn(ChatRequest& request, const ChatResult& result, int turn) {
  request.messages.push_back(to_message(result.output));
  for (std::size_t i = 0; i < result.output.tool_calls.size(); ++i) {
    request.messages.push_back(
        {{"role", "tool"}, {"content", fmt::format("Result {} of turn {}: 17 lines, \"ok\".", i, turn)}});
  }
}

void expect_that_every_turn_hits(bool thinking, float temperature) {
  const LongDemo demo;
  const ChatModel model = demo.load();
  ChatRequest request = long_request(model, 1200, thinking, temperature);
  std::size_t known = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    SCOPED_TRACE(turn);
    request.sampling.seed = static_cast<std::uint64_t>(turn);
    const ChatResult result = model.pipeline().run(request, {});
    ASSERT_FALSE(result.output.tool_calls.empty());
    ASSERT_FALSE(result.output.call_cut);
    EXPECT_EQ(result.output.thinking.empty(), !thinking);
    if (turn == 0) {
      EXPECT_THAT(result.prompt.size(), testing::AllOf(testing::Gt(1400U), testing::Lt(1900U)));
    }
    EXPECT_GE(result.stats.reused_tokens + kSlack, known);
    known = result.stats.prompt_tokens + result.stats.generated_tokens;
    add_turn(request, result, turn);
  }
  EXPECT_GT(known, 1500U + kTurns * 30);
}

TEST(AgentLoop, EveryTurnHitsThePrefixCache) { expect_that_every_turn_hits(false, 0); }

TEST(AgentLoop, EveryTurnHitsWithItsThinking) { expect_that_every_turn_hits(true, 1); }

}  // namespace
}  // namespace glimt
