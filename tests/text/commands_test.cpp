// glimt tokenize and glimt prompt as a user runs them: arguments and stdin in, stdout or an Error out.
#include "cli/commands.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "text/text_data.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

using ::testing::HasSubstr;

const std::string& model() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    folder.write("config.json", "{}");
    for (const char* name : {"tokenizer.json", "chat_template.jinja"}) {
      folder.write(name, read_file(test::data_folder() / name));
    }
    return folder.path().string();
  }();
  return path;
}

// What a command prints with `input` on stdin.
std::string run(std::vector<std::string> arguments, std::string_view input = {}) {
  const TemporaryFolder folder;
  const int file = ::open(folder.write("stdin", input).c_str(), O_RDONLY | O_CLOEXEC);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(file, STDIN_FILENO);
  ::testing::internal::CaptureStdout();
  const auto restore = [&] {
    std::string output = ::testing::internal::GetCapturedStdout();
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    ::close(file);
    return output;
  };
  try {
    CLI::App app;
    add_prompt_command(app);
    add_tokenize_command(app);
    arguments.insert(arguments.begin() + 1, model());
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them last first
  } catch (...) {
    restore();
    throw;
  }
  return restore();
}

TEST(TokenizeCommand, TurnsTextIntoIdsAndBack) {
  const std::string ids = run({"tokenize", "hello \u65e5\u672c <|user|>"});
  EXPECT_EQ(ids.front(), '[');
  EXPECT_THAT(ids, ::testing::Not(HasSubstr("4067")));
  EXPECT_EQ(run({"tokenize", "--decode", ids}), "hello \u65e5\u672c <|user|>");
  EXPECT_EQ(run({"tokenize", "--decode"}, ids), "hello \u65e5\u672c <|user|>");
  EXPECT_EQ(run({"tokenize"}, "hello \u65e5\u672c <|user|>"), ids);
  EXPECT_EQ(run({"tokenize", "--raw"}, "<|user|>"), "[4067]\n");
  EXPECT_EQ(run({"tokenize", "--decode", "4067  4081,4082"}), "<|user|><think></think>");
  EXPECT_EQ(run({"tokenize", ""}), "[]\n");
}

TEST(TokenizeCommand, ShowsAPieceALine) {
  EXPECT_EQ(run({"tokenize", "--raw", "--show", "<|user|> \u00e9"}),
            "  4067 \"<|user|>\" control\n   220 \" \"\n   127 \"\\xc3\"\n   102 \"\\xa9\"\n");
}

TEST(TokenizeCommand, RefusesWhatItCannotRead) {
  EXPECT_ERROR(run({"tokenize", "--decode", "1 x"}), ErrorKind::invalid_request, "ids: 'x' is not a token id");
  EXPECT_ERROR(run({"tokenize", "--decode", "1 99999999999"}), ErrorKind::invalid_request, HasSubstr("not a token id"));
  EXPECT_ERROR(run({"tokenize", "--decode", "5000"}), ErrorKind::invalid_request, HasSubstr("id 5000"));
  EXPECT_ERROR(run({"tokenize", "--decode", "--show", "5000"}), ErrorKind::invalid_request, HasSubstr("id 5000"));
  EXPECT_ERROR(run({"tokenize"}, "a\xFF"), ErrorKind::invalid_request, HasSubstr("at byte 1"));
}

TEST(PromptCommand, RendersARequest) {
  const std::string_view request =
      R"({"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "<|user|>"}],
                                       "chat_template_kwargs": {"enable_thinking": false}})";
  EXPECT_EQ(run({"prompt"}, request), "[gMASK]<sop><|user|><|user|><|assistant|></think>");
  EXPECT_EQ(run({"tokenize", "--decode"}, run({"prompt", "--tokens"}, request)), run({"prompt"}, request));
  EXPECT_EQ(run({"prompt"}, R"({"messages": [], "add_generation_prompt": false, "enable_thinking": true})"),
            "[gMASK]<sop>");
}

TEST(PromptCommand, ReadsArgumentsThatAreStrings) {
  EXPECT_EQ(run({"prompt"}, R"({"messages": [{"role": "assistant", "content": null, "tool_calls": [
                  {"type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.50, \"b\": \"x\"}"}},
                  {"name": "g", "arguments": ""}]}], "add_generation_prompt": false})"),
            "[gMASK]<sop><|assistant|></think><tool_call>f<arg_key>a</arg_key><arg_value>1.5</arg_value>"
            "<arg_key>b</arg_key><arg_value>x</arg_value></tool_call><tool_call>g</tool_call>");
  EXPECT_ERROR(
      run({"prompt"}, R"({"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "{"}]}]})"),
      ErrorKind::invalid_request, HasSubstr("request: messages[0]: tool_calls[0].arguments: not valid JSON"));
}

TEST(PromptCommand, ReadsMessagesAndToolsInEveryForm) {
  const std::string plain = R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "ab"}],
                                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1}}}]})";
  EXPECT_EQ(
      run({"prompt"}, R"({"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": ["a", {"type":
                "text", "text": "b"}]}], "tools": [{"name": "f", "input_schema": {"a": 1}}]})"),
      run({"prompt"}, plain));
  EXPECT_ERROR(run({"prompt"}, R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
               ErrorKind::invalid_request, HasSubstr("request: messages[0].content[0]: a part of type 'image'"));
}

TEST(PromptCommand, ReadsARequestALine) {
  const std::string lines = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\\n\"}]}\r\n\n{\"messages\": []}";
  EXPECT_EQ(run({"prompt", "--jsonl"}, lines),
            "\"[gMASK]<sop><|user|>a\\n<|assistant|><think>\"\n\"[gMASK]<sop><|assistant|><think>\"\n");
  EXPECT_EQ(run({"prompt", "--jsonl", "--tokens"}, "{\"messages\": []}\n"), "[4062, 4064, 4068, 4081]\n");
  EXPECT_ERROR(run({"prompt", "--jsonl"}, lines + "\n[]"), ErrorKind::invalid_request,
               "line 4: request: the request must be a JSON object");
  EXPECT_ERROR(run({"prompt", "--jsonl"}, "{\"messages\": 3}"), ErrorKind::invalid_request,
               HasSubstr("line 1: request"));
}

}  // namespace
}  // namespace glimt
