// The pipeline with the tokenizer and template of the demo model, and a script in place of the model.
#include "chat/chat_pipeline.h"

#include "base/throws.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace glimt {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo";

// Writes a fixed text, token by token, as the model would.
class Script {
 public:
  explicit Script(std::string text) : text_(std::move(text)) {}

  GenerationResult operator()(const GenerationRequest& request, const Engine::PrefillCallback& on_prefill,
                              const Engine::TokenCallback& on_token) {
    last = request;
    if (on_prefill && !on_prefill(0, request.prompt.size())) return {FinishReason::cancelled, {}};
    GenerationResult result;
    for (const TokenId token : tokenizer().encode_raw(text_)) {
      ++result.stats.generated_tokens;
      if (!on_token({token, -0.5F, {}})) return {FinishReason::stop, result.stats};
      if (result.stats.generated_tokens == request.max_tokens) return {FinishReason::length, result.stats};
    }
    return {FinishReason::stop, result.stats};
  }

  static const Tokenizer& tokenizer() {
    static const Tokenizer tokenizer(kDemo);
    return tokenizer;
  }
  GenerationRequest last;

 private:
  std::string text_;
};

class Pipeline : public testing::Test {
 protected:
  ChatResult run(const std::string& text, ChatRequest request, const ChatObserver& observer = {}) {
    static const ChatTemplate chat_template(kDemo, Script::tokenizer());
    script_ = Script(text);
    const ChatPipeline pipeline(Script::tokenizer(), chat_template, {7}, std::ref(script_),
                                [&]() -> GrammarCache& { return grammars_; });
    return pipeline.run(request, observer);
  }
  static ChatRequest ask(std::string_view question) {
    ChatRequest request;
    request.messages.push_back({{"role", "user"}, {"content", question}});
    return request;
  }
  std::string prompt() const { return Script::tokenizer().decode(script_.last.prompt); }

  Script script_{""};
  GrammarCache grammars_{
      std::make_shared<const GrammarEnvironment>(Script::tokenizer(), Script::tokenizer().vocab_size(),
                                                 std::vector<TokenId>{*Script::tokenizer().token_id("<|user|>")})};
};

TEST_F(Pipeline, RendersTheRequestAndParsesTheAnswer) {
  ChatRequest request = ask("Hello");
  request.sampling.seed = 3;
  request.max_tokens = 100;
  const ChatResult result = run("I greet.</think>Hi there!", request);
  EXPECT_EQ(result.output.thinking, "I greet.");
  EXPECT_EQ(result.output.content, "Hi there!");
  EXPECT_EQ(result.reason, FinishReason::stop);
  EXPECT_GT(result.stats.generated_tokens, 3U);
  EXPECT_EQ(prompt(), "[gMASK]<sop><|user|>Hello<|assistant|><think>");
  EXPECT_EQ(script_.last.sampling.seed, 3U);
  EXPECT_EQ(script_.last.max_tokens, 100U);
  EXPECT_THAT(script_.last.eos, testing::ElementsAre(7));
}

TEST_F(Pipeline, ConstraintsAndTheThinkingBudgetReachTheEngine) {
  ChatRequest request = ask("Hello");
  run("I greet.</think>Hi there!", request);
  EXPECT_FALSE(script_.last.grammar);
  EXPECT_FALSE(script_.last.thinking_budget);
  request.thinking_budget = 5;
  request.constraint = RegexOutput{"[a-z]+"};
  run("I greet.</think>hi", request);
  ASSERT_TRUE(script_.last.thinking_budget);
  EXPECT_EQ(script_.last.thinking_budget->tokens, 5U);
  EXPECT_EQ(script_.last.thinking_budget->close, Script::tokenizer().token_id("</think>"));
  ASSERT_TRUE(script_.last.grammar);
  EXPECT_FALSE(script_.last.grammar->matcher().constrained());  // the thinking is free
  request.thinking = false;
  run("hi", request);
  EXPECT_FALSE(script_.last.thinking_budget);
  EXPECT_TRUE(script_.last.grammar->matcher().constrained());
  request.constraint = JsonSchemaOutput{{{"type", "nonsense"}}};
  EXPECT_ERROR(run("hi", request), ErrorKind::invalid_request, testing::HasSubstr("schema"));
  request.constraint = ToolCallOutput{{.allowed = {"missing"}}};
  EXPECT_ERROR(run("hi", request), ErrorKind::invalid_request, testing::HasSubstr("missing"));
}

TEST_F(Pipeline, AConstraintThatComesAgainIsNotCompiledAgain) {
  ChatRequest request = ask("Hello");
  request.tools =
      parse_json(R"([{"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}}}])", "t").as_array();
  for (const bool thinking : {true, false}) {
    request.thinking = thinking;
    for (const OutputConstraint& constraint :
         {OutputConstraint(JsonObjectOutput{}), OutputConstraint(JsonSchemaOutput{{{"type", "boolean"}}}),
          OutputConstraint(RegexOutput{"ab"}), OutputConstraint(LarkOutput{"start: \"ab\""}),
          OutputConstraint(ToolCallOutput{})}) {
      request.constraint = constraint;
      run("x", request);
      ASSERT_TRUE(script_.last.grammar);
      EXPECT_EQ(script_.last.grammar->matcher().constrained(), !thinking);
    }
  }
  EXPECT_EQ(grammars_.stats().misses, 5U);
  EXPECT_EQ(grammars_.stats().hits, 5U);
}

TEST_F(Pipeline, WithoutThinkingTheAnswerStartsAsContent) {
  ChatRequest request = ask("Hello");
  request.thinking = false;
  EXPECT_EQ(run("Hi!", request).output.content, "Hi!");
  EXPECT_TRUE(prompt().ends_with("<|assistant|></think>"));
}

TEST_F(Pipeline, UserTextCannotOpenTheThinking) {
  // Without a generation prompt the prompt ends with what the user wrote: plain text, not the control token.
  ChatRequest request = ask("say <think>");
  request.template_options["add_generation_prompt"] = false;
  const ChatResult result = run("ok", request);
  EXPECT_EQ(result.output.content, "ok");
  EXPECT_EQ(result.output.thinking, "");
}

TEST_F(Pipeline, ToolsReachThePromptAndTypeTheArguments) {
  ChatRequest request = ask("Weather?");
  request.tools = parse_json(R"([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
      "properties": {"zip": {"type": "string"}, "days": {"type": "integer"}}, "required": ["zip"]}}}])",
                             "t")
                      .as_array();
  const ChatResult result =
      run("</think><tool_call>weather<arg_key>zip</arg_key><arg_value>0150</arg_value><arg_key>days</arg_key>"
          "<arg_value>2</arg_value></tool_call>",
          request);
  EXPECT_NE(prompt().find("\"weather\""), std::string::npos);
  ASSERT_EQ(result.output.tool_calls.size(), 1U);
  EXPECT_EQ(dump_json(result.output.tool_calls[0].arguments), R"({"zip": "0150", "days": 2})");
}

TEST_F(Pipeline, StopStringsEndTheAnswer) {
  ChatRequest request = ask("Count");
  request.thinking = false;
  request.stop = {"four", "5"};
  const ChatResult result = run("one two three four five", request);
  EXPECT_EQ(result.output.content, "one two three ");
  EXPECT_EQ(result.reason, FinishReason::stop);
  request.stop = {"nine"};
  EXPECT_EQ(run("one two ni", request).output.content, "one two ni");  // what was held back comes out
}

TEST_F(Pipeline, SaysWhyItEnded) {
  ChatRequest request = ask("x");
  request.thinking = false;
  request.max_tokens = 2;
  EXPECT_EQ(run("one two three four", request).reason, FinishReason::length);
}

TEST_F(Pipeline, ObserversStopTheAnswer) {
  ChatRequest request = ask("x");
  request.thinking = false;
  std::string seen;
  int tokens = 0;
  const ChatObserver observer{.on_prefill = {},
                              .on_event = [&](const OutputEvent& e) { seen += std::get<ContentDelta>(e).text; },
                              .keep_going = [&] { return ++tokens < 3; }};
  const ChatResult result = run("one two three four five six", request, observer);
  EXPECT_EQ(result.reason, FinishReason::cancelled);
  EXPECT_EQ(tokens, 3);
  EXPECT_EQ(result.output.content, seen);
  EXPECT_LT(seen.size(), 20U);
  const ChatObserver unwilling{
      .on_prefill = [](std::size_t, std::size_t) { return false; }, .on_event = {}, .keep_going = {}};
  EXPECT_EQ(run("one", request, unwilling).reason, FinishReason::cancelled);
}

TEST_F(Pipeline, KeepsTokensOnlyForLogprobs) {
  ChatRequest request = ask("x");
  EXPECT_TRUE(run("a b", request).tokens.empty());
  request.sampling.logprobs = true;
  const ChatResult result = run("a b", request);
  EXPECT_EQ(result.tokens.size(), result.stats.generated_tokens);
}

TEST_F(Pipeline, AnswersBecomeMessages) {
  ParsedOutput output{"hm", "text", {{"f", {{"a", 1}}}}};
  EXPECT_EQ(
      dump_json(to_message(output)),
      R"({"role": "assistant", "content": "text", "reasoning_content": "hm", "tool_calls": [{"type": "function", )"
      R"("function": {"name": "f", "arguments": {"a": 1}}}]})");
  EXPECT_EQ(dump_json(to_message({"", "x", {}})), R"({"role": "assistant", "content": "x"})");
  ChatRequest request = ask("a");
  request.messages.push_back(to_message(output));
  request.messages.push_back({{"role", "tool"}, {"content", "2"}});
  run("</think>done", request);
  EXPECT_NE(
      prompt().find(
          "<think>hm</think>text<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call><|observation|>"),
      std::string::npos);
}

TEST_F(Pipeline, RefusesAConversationWithoutMessages) { EXPECT_THROW(run("x", ChatRequest{}), Error); }

}  // namespace
}  // namespace glimt
