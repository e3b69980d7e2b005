// What breaks ends alone: a request whose grammar, guesses or numbers break fails by itself, and no other request
// notices.
#include "engine/engine_support.h"

#include "engine/constraint.h"
#include "grammar/grammar.h"

#include <limits>

namespace glimt {
namespace {

using testing::HasSubstr;

struct Constrained : Demo {
  std::unique_ptr<Engine, ExpectClean> engine = load(Speculation::adaptive);
  std::shared_ptr<const GrammarEnvironment> environment =
      std::make_shared<const GrammarEnvironment>(tokenizer, engine->info().vocab_size, engine->info().eos);

  TokenId id(std::string_view text) const { return *tokenizer.token_id(text); }
  std::string text_of(const Answer& answer) const {
    std::string text;
    for (const TokenId token : answer.tokens) text += tokenizer.piece(token);
    return text;
  }
  // A prompt that ends in the thinking, for a model that likes `token` above all others.
  GenerationRequest thinking(const Grammar& grammar, TokenId token, float bias = 60) const {
    GenerationRequest made = request(*engine, "");
    made.prompt = tokenizer.encode_raw("[gMASK]<sop><|user|>What is 46 plus 93?<|assistant|><think>");
    made.grammar = grammar.after_thinking();
    made.thinking_budget = ThinkingBudget{12, id("</think>"), id("<tool_call>")};
    made.sampling.logit_bias[token] = bias;
    made.max_tokens = 200;
    return made;
  }
};

// Many readings of the same text at once: more and more of them, until the grammar is over its limit.
std::string growing_grammar() {
  std::string lark = "start: ";
  std::string rules;
  for (int i = 0; i < 20; ++i) {
    lark += fmt::format("{}r{}", i > 0 ? " | " : "", i);
    rules += fmt::format("r{0}: \"a\" r{0} | \"a\"\n", i);
  }
  return lark + "\n" + rules;
}

TEST(EngineIsolation, AGrammarThatGrowsTooLargeEndsItsOwnRequest) {
  Constrained demo;
  const TokenId a = demo.id("a");
  GenerationRequest free = demo.request(*demo.engine, "");
  free.prompt = demo.tokenizer.encode_raw("[gMASK]<sop><|user|>Write a poem about a knife.<|assistant|></think>");
  free.sampling.temperature = 1;
  free.sampling.seed = 3;
  free.sampling.logit_bias[a] = -100;
  free.max_tokens = 400;
  free.eos.clear();
  const Answer alone = run(*demo.engine, free);
  EXPECT_EQ(alone.tokens.size(), 400u);

  GenerationRequest hostile = demo.request(*demo.engine, "hello");
  hostile.grammar = Grammar::lark(demo.environment, growing_grammar());
  hostile.sampling.logit_bias[a] = 1000;
  hostile.max_tokens = 0;
  const auto innocent_stream = demo.engine->submit(free), hostile_stream = demo.engine->submit(hostile);
  EXPECT_EQ(read(*innocent_stream).tokens, alone.tokens);
  EXPECT_ERROR(read(*hostile_stream), ErrorKind::invalid_request, HasSubstr("grammar"));
}

// The guesses look further ahead than the mask: they must not end an answer that the model would not write.
TEST(AnswerConstraint, AGuessThatBreaksTheGrammarCostsNothing) {
  Constrained demo;
  const TokenId a = demo.id("a");
  AnswerConstraint constraint(Grammar::lark(demo.environment, growing_grammar()));
  std::size_t length = 0;
  while (constraint.possible(std::vector<TokenId>(400, a)) > 0 && length < 400) {
    constraint.accept(a);
    ++length;
  }
  EXPECT_EQ(constraint.compute_masks({}), 0u);  // it stands where it stood
  EXPECT_TRUE(constraint.allows(0, a));
  constraint.accept(a);
  EXPECT_EQ(constraint.possible(std::vector<TokenId>{a}), 0u);  // guesses have ended
  const auto go_on = [&] {
    for (int i = 0; i < 4000; ++i) {
      constraint.compute_masks({});
      constraint.accept(a);
    }
  };
  EXPECT_ERROR(go_on(), ErrorKind::invalid_request, HasSubstr("grammar"));
}

TEST(AnswerConstraint, MasksBehindAGuessThatBreaksAreCut) {
  Constrained demo;
  const TokenId a = demo.id("a");
  AnswerConstraint constraint(Grammar::lark(demo.environment, growing_grammar()));
  const std::vector<TokenId> many(3000, a);
  const std::size_t masks = constraint.compute_masks(many);
  EXPECT_LT(masks, many.size());
  EXPECT_TRUE(constraint.allows(masks, a));
  constraint.accept(a);
  EXPECT_EQ(constraint.compute_masks({}), 0u);
  EXPECT_TRUE(constraint.allows(0, a));
}

TEST(AnswerConstraint, ATokenThatIsNotAllowedIsAnError) {
  Constrained demo;
  AnswerConstraint constraint(Grammar::regex(demo.environment, "b"));
  EXPECT_ERROR(constraint.accept(demo.id("a")), ErrorKind::internal, HasSubstr("not allowed"));
}

// ---- A constraint holds whatever the model likes, also while it thinks

TEST(EngineConstraint, HoldsForAModelThatEndsOrCallsInItsThinking) {
  Constrained demo;
  const Grammar object = Grammar::json_schema(
      demo.environment, parse_json(R"({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
                                       "additionalProperties": false})",
                                   "schema"));
  const json::array tools{parse_json(R"({"type": "function", "function": {"name": "get_weather", "parameters": {
      "type": "object", "properties": {"city": {"enum": ["Oslo", "Lima"]}}, "required": ["city"]}}})",
                                     "tools")};
  const Grammar call = Grammar::tool_calls(demo.environment, tools, {.allowed = {"get_weather"}, .parallel = false});
  std::vector<TokenId> liked(demo.engine->info().eos);
  liked.push_back(demo.id("<tool_call>"));
  liked.push_back(demo.id("</tool_call>"));
  liked.push_back(demo.id("<think>"));
  for (const TokenId token : liked) {
    SCOPED_TRACE(demo.tokenizer.piece(token));
    const Answer json = run(*demo.engine, demo.thinking(object, token));
    std::string text = demo.text_of(json);
    EXPECT_EQ(json.result.reason, FinishReason::stop) << text;
    ASSERT_NE(text.find("</think>"), std::string::npos) << text;
    EXPECT_TRUE(parse_json(text.substr(text.find("</think>") + 8), text).as_object().at("ok").is_bool());

    const Answer called = run(*demo.engine, demo.thinking(call, token));
    text = demo.text_of(called);
    EXPECT_EQ(called.result.reason, FinishReason::stop) << text;
    EXPECT_NE(text.find("</think><tool_call>get_weather<arg_key>city</arg_key><arg_value>"), std::string::npos) << text;
  }
}

// ---- The budget of the thinking

TEST_F(EngineTest, ACallEndsTheThinkingForItsBudgetToo) {
  GenerationRequest request = request_for(prompt_, 10);
  request.thinking_budget = ThinkingBudget{5, 7, wanted_[2]};
  EXPECT_EQ(run(*engine_, request).tokens, first(wanted_, 10));
}

TEST(EngineConstraint, TheBudgetForcesNothingThatTheGrammarForbids) {
  Constrained demo;
  const std::string lark =
      "start: \"I call get_weather.\" <tool_call> \"get_weather\" <arg_key> \"city\" </arg_key> <arg_value> \"Oslo\" "
      "</arg_value> </tool_call>";
  for (const std::size_t budget : {1u, 6u, 12u}) {
    GenerationRequest request = demo.request(*demo.engine, "hello");
    request.grammar = Grammar::lark(demo.environment, lark);
    request.thinking_budget = ThinkingBudget{budget, demo.id("</think>")};
    const std::string text = demo.text_of(run(*demo.engine, request));
    EXPECT_EQ(text.find("</think>"), std::string::npos) << text;
    EXPECT_NE(text.find("Oslo"), std::string::npos) << text;
  }
}

// ---- An answer that repeats itself and has to

TEST(EngineConstraint, AConstrainedAnswerIsNotCutForItsRepetition) {
  Constrained demo;
  GenerationRequest request = demo.request(*demo.engine, "hello");
  request.grammar = Grammar::regex(demo.environment, "(0 ){700}");
  request.max_tokens = 0;
  const Answer answer = run(*demo.engine, request);
  EXPECT_EQ(answer.result.reason, FinishReason::stop);
  EXPECT_EQ(demo.text_of(answer).size(), 1400u);
}

// ---- Broken numbers

// Rows that are NaN never reach the prefix cache, also when whole blocks of the prompt were computed by then.
TEST(EngineIsolation, BrokenRowsAreNotRemembered) {
  constexpr TokenId kBroken = 7;
  Checkpoint checkpoint = Checkpoint::read("base");
  const mx::array rows = mx::reshape(mx::arange(0, 320, mx::int32), {320, 1});
  const mx::array& weight = checkpoint.at("model.embed_tokens.weight");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  checkpoint.set("model.embed_tokens.weight", mx::where(mx::equal(rows, mx::array(kBroken)), mx::array(nan), weight));
  const auto engine = load(checkpoint, {.step_tokens = 128});
  Tokens prompt;
  for (int i = 0; i < 400; ++i) prompt.push_back(20 + i % 200);
  prompt[140] = kBroken;  // in the second of four chunks
  for (int i = 0; i < 2; ++i) {
    EXPECT_ERROR(run(*engine, request_for(prompt, 4)), ErrorKind::internal, HasSubstr("NaN"));
    EXPECT_EQ(settled(*engine).cached_blocks, 1);  // the sound beginning
  }
  prompt[140] = 8;
  EXPECT_EQ(run(*engine, request_for(prompt, 4)).result.stats.reused_tokens, 128u);
}

// ---- A reader that does not read

TEST(EngineIsolation, AReaderThatStopsEndsItsOwnRequest) {
  const Demo demo;
  const auto engine = demo.load(Speculation::off);
  const GenerationRequest request = demo.long_request(*engine, 300);
  const Tokens wanted = run(*engine, request).tokens;
  GenerationRequest unread = request;
  unread.most_unread_bytes = 40 * sizeof(StreamEvent);
  const auto stopped = engine->submit(unread);
  const auto other = engine->submit(request);
  EXPECT_EQ(read(*other).tokens, wanted);
  settled(*engine);
  Tokens seen;
  std::exception_ptr ended_with;
  while (const std::optional<StreamEvent> event = stopped->poll()) {
    if (const auto* token = std::get_if<TokenEvent>(&*event)) seen.push_back(token->token);
    if (const auto* thrown = std::get_if<std::exception_ptr>(&*event)) ended_with = *thrown;
  }
  EXPECT_LE(seen.size(), 40u);
  EXPECT_EQ(seen, first(wanted, seen.size()));
  ASSERT_TRUE(ended_with);
  EXPECT_ERROR(std::rethrow_exception(ended_with), ErrorKind::overloaded, HasSubstr("unread"));
}

// ---- Name spaces where blocks are scarce

// A request must not count on blocks that belong to another name space: it would wait or fail for ever.
TEST(EngineIsolation, NameSpacesDoNotCountOnEachOthersBlocks) {
  const std::size_t block = settled(*load("base")).block_bytes;
  const auto engine = load("base", {.cache_memory = 6 * block});
  const Tokens prompt = some_prompts()[4];
  GenerationRequest bob = request_for(prompt, 150);  // grows into a fourth block
  bob.name_space = "bob";
  GenerationRequest alice = bob;
  alice.name_space = "alice";
  const Tokens wanted = run(*load("base"), request_for(prompt, 150)).tokens;
  for (int round = 0; round < 3; ++round) {
    const auto first_stream = engine->submit(bob), second_stream = engine->submit(alice);
    EXPECT_EQ(read(*first_stream).tokens, wanted);
    EXPECT_EQ(read(*second_stream).tokens, wanted);
  }
  EXPECT_EQ(settled(*engine).preemptions, 0u);  // the second waited until its blocks were there
}

}  // namespace
}  // namespace glimt
