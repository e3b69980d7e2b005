#include "grammar/grammar.h"

#include "base/file.h"
#include "base/throws.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <thread>

namespace glimt::test {
namespace {

using State = Matcher::State;
using testing::HasSubstr;

Grammar schema(std::string_view text) { return Grammar::json_schema(demo_environment(), parse_json(text, "schema")); }
Grammar regex(std::string_view text) { return Grammar::regex(demo_environment(), text); }
Grammar lark(std::string_view text) { return Grammar::lark(demo_environment(), text); }

// Grammars of all kinds, for properties that each has to have.
std::vector<std::pair<std::string, Grammar>> all_kinds() {
  return {
      {"object", Grammar::json_object(demo_environment())},
      {"schema", schema(R"({"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"},
                            "tags": {"type": "array", "items": {"enum": ["a", "bé"]}}}, "required": ["name", "n"]})")},
      {"forced", schema(R"({"const": {"a long key that is forced": [1, 2, "x"], "and": null}})")},
      {"regex", regex("(ab|a[^x]{2,3})*c?")},
      {"words", regex("[a-z]+( [a-z]+)*\\.")},
      {"lark", lark("start: NAME (\",\" NAME)*\nNAME: /[a-z]{1,9}/\n%ignore / /")},
      {"lazy", lark("start: a (\"x\" | \"y\" a)\na[lazy]: /[a-z ]*z/")},
      {"suffix", lark("start: a \"x\"\na[suffix=\"zz\"]: /[a-z]*/")},
      {"special", lark("start: (<think> /[^<]*/ </think>)? \"x\"+")},
      {"thinking", schema(R"({"type": "array", "items": {"type": "boolean"}})").after_thinking()},
  };
}

TEST(Grammar, RegexIsTheWholeAnswer) {
  const Grammar grammar = regex("[a-c]{2,5}(x|yy)*");
  for (const char* text : {"ab", "abcabx", "ccyyxyy"}) EXPECT_TRUE(admits(grammar, text)) << text;
  for (const char* text : {"a", "ab ", "xab", "abcabc", "aby", ""}) EXPECT_FALSE(admits(grammar, text)) << text;
}

TEST(Grammar, RegexSamplesMatchAnotherEngine) {
  for (const char* pattern : {"[a-c]{2,5}(x|yy)*", "(\\d{3}-){2}\\d{4}", "[A-Z][a-z]*( [A-Z][a-z]*)?", "(a|b)*abb",
                              "-?(0|[1-9]\\d*)(\\.\\d+)?", "(foo|bar|foobar){1,3}", "[^a-y]z+"}) {
    const Grammar grammar = regex(pattern);
    const std::regex judge(pattern);
    int finished = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      const Sample answer = sample(grammar, seed, 100);
      ASSERT_EQ(answer.broken, "") << pattern;
      if (!answer.finished) continue;
      ++finished;
      bool ascii = true;
      for (const char c : answer.text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
      if (ascii) {
        EXPECT_TRUE(std::regex_match(answer.text, judge)) << pattern << " " << answer.text;
      }
    }
    EXPECT_GT(finished, 180) << pattern;
  }
}

// a^n b^n needs a stack, which no regex has.
TEST(Grammar, LarkSamplesHaveTheirStructure) {
  const Grammar grammar = lark("start: \"a\" start \"b\" | \"-\"");
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Sample answer = sample(grammar, seed, 100);
    ASSERT_EQ(answer.broken, "");
    if (!answer.finished) continue;
    const std::size_t middle = answer.text.find('-');
    ASSERT_NE(middle, std::string::npos);
    EXPECT_EQ(answer.text, std::string(middle, 'a') + "-" + std::string(middle, 'b'));
  }
}

TEST(Grammar, LarkKnowsControlTokens) {
  const Grammar grammar = lark("start: <think> /[a-z ]*/ </think> \"ok\"");
  EXPECT_TRUE(admits(grammar, "<think>so it is</think>ok"));
  EXPECT_FALSE(admits(grammar, "<think>so it is ok"));
  Matcher matcher = grammar.matcher();
  EXPECT_FALSE(matcher.accept(demo_tokenizer().encode_plain("<think>").front()));  // spelled, not the token
}

TEST(Grammar, TextNeverMatchesAControlToken) {
  const Grammar grammar = regex("(?s:.*)");
  Matcher matcher = grammar.matcher();
  ASSERT_TRUE(accept_all(matcher, "some text"));
  for (const TokenId id : allowed(matcher)) {
    const bool end = std::ranges::count(demo_ends(), id) != 0;
    EXPECT_TRUE(end || !demo_tokenizer().is_control(id)) << demo_tokenizer().piece(id);
  }
  EXPECT_FALSE(matcher.accept(demo_environment()->control("<tool_call>")));
  EXPECT_TRUE(accept_all(matcher, ""));
}

TEST(Grammar, JsonIsWrittenInOneLine) {
  const Grammar grammar = schema(R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "array"}},
                                     "required": ["a"], "additionalProperties": false})");
  EXPECT_TRUE(admits(grammar, R"({"a": 1, "b": [1, "x", {"k": null}]})"));
  EXPECT_TRUE(admits(grammar, R"({"a": -7})"));
  for (const char* text : {R"({"a":1})", R"({ "a": 1})", "{\n\"a\": 1}", R"({"a": 1.5})", R"({"b": [], "a": 1})",
                           R"({"a": 1, "c": 1})", R"({"a": 01})", "{}", R"({"a": 1} )"}) {
    EXPECT_FALSE(admits(grammar, text)) << text;
  }
}

TEST(Grammar, AnyObject) {
  const Grammar grammar = Grammar::json_object(demo_environment());
  EXPECT_TRUE(admits(grammar, R"({"a": {"b": [true, null, -1.5e3, "é\n"]}})"));
  for (const char* text : {"[]", "1", "{", R"({"a": })"}) EXPECT_FALSE(admits(grammar, text)) << text;
}

TEST(Matcher, EndsWhereTheGrammarMayEnd) {
  Matcher matcher = regex("ab?").matcher();
  EXPECT_EQ(matcher.state(), State::unfinished);
  for (const TokenId end : demo_ends()) EXPECT_FALSE(matcher.accept(end));
  ASSERT_TRUE(accept_all(matcher, "a"));
  EXPECT_EQ(matcher.state(), State::accepting);
  std::vector<TokenId> ids = allowed(matcher);
  for (const TokenId end : demo_ends()) EXPECT_EQ(std::ranges::count(ids, end), 1);
  EXPECT_EQ(ids.size(), demo_ends().size() + 1);
  ASSERT_TRUE(accept_all(matcher, "b"));
  EXPECT_EQ(matcher.state(), State::complete);
  EXPECT_THAT(allowed(matcher), testing::UnorderedElementsAreArray(demo_ends()));
  EXPECT_FALSE(accept_all(matcher, "b"));
  EXPECT_TRUE(matcher.accept(demo_ends()[1]));
  EXPECT_EQ(matcher.state(), State::ended);
  EXPECT_FALSE(matcher.accept(demo_ends()[1]));
  EXPECT_THAT(allowed(matcher), testing::UnorderedElementsAreArray(demo_ends()));
  EXPECT_EQ(matcher.accepted(), 3U);
}

TEST(Matcher, MaskIsNeverEmptyAndMeansAccept) {
  for (const auto& [name, grammar] : all_kinds()) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const Sample answer = sample(grammar, seed, 80);
      EXPECT_EQ(answer.broken, "") << name << ": " << answer.text;
    }
  }
}

// What is not in the mask is refused without a trace. Text that is forced may be cut into other tokens than the mask
// shows, which are those of the tokenizer: they are accepted too, and mean the same text.
TEST(Matcher, RefusesTheRest) {
  Matcher matcher = regex("(ab|a[^x]{2,3})*c?").matcher();
  std::mt19937_64 random(5);
  for (int step = 0; step < 60; ++step) {
    const std::vector<TokenId> ids = allowed(matcher);
    for (TokenId id = 0; id < static_cast<TokenId>(demo_environment()->vocab_width()) + 5; id += 7) {
      if (std::ranges::count(ids, id) != 0) continue;
      ASSERT_FALSE(matcher.accept(id)) << demo_tokenizer().piece(id);
    }
    EXPECT_FALSE(matcher.accept(-1));
    ASSERT_EQ(allowed(matcher), ids);
    const TokenId next = ids[random() % ids.size()];
    if (std::ranges::count(demo_ends(), next) == 0) {
      ASSERT_TRUE(matcher.accept(next));
    }
  }
}

TEST(Matcher, RollbackEqualsAFreshReplay) {
  for (const auto& [name, grammar] : all_kinds()) {
    for (std::uint64_t seed = 0; seed < 25; ++seed) {
      std::mt19937_64 random(seed);
      Matcher matcher = grammar.matcher();
      std::vector<TokenId> tokens;
      for (int round = 0; round < 12; ++round) {
        for (std::size_t wanted = random() % 9; wanted > 0 && matcher.state() != State::ended; --wanted) {
          const std::vector<TokenId> ids = allowed(matcher);
          tokens.push_back(ids[random() % ids.size()]);
          ASSERT_TRUE(matcher.accept(tokens.back())) << name;
        }
        const std::size_t back = random() % (tokens.size() + 1);
        matcher.rollback(back);
        tokens.resize(tokens.size() - back);
        Matcher fresh = grammar.matcher();
        for (const TokenId id : tokens) ASSERT_TRUE(fresh.accept(id)) << name;
        ASSERT_EQ(matcher.state(), fresh.state()) << name;
        ASSERT_EQ(matcher.accepted(), fresh.accepted()) << name;
        ASSERT_EQ(matcher.constrained(), fresh.constrained()) << name;
        ASSERT_EQ(allowed(matcher), allowed(fresh)) << name << " after " << tokens.size() << " tokens";
        ASSERT_EQ(matcher.forced(), fresh.forced()) << name;
      }
    }
  }
}

// Otherwise a speculated token could not be taken back.
TEST(Matcher, GrammarsThatCannotRollBackAreRefused) {
  EXPECT_ERROR(lark("start: a \"x\"\na[stop=\"zz\"]: /[a-z]*/"), ErrorKind::invalid_request, HasSubstr("rollback"));
  EXPECT_ERROR(lark("start: a\na[max_tokens=3]: /[a-z]*/"), ErrorKind::invalid_request, HasSubstr("rollback"));
  EXPECT_TRUE(admits(lark("start: a \"x\"\na[suffix=\"zz\"]: /[a-z]*/"), "abzzx"));
}

TEST(Matcher, ClonesAreIndependent) {
  const Grammar grammar = regex("[ab]{4}");
  Matcher first = grammar.matcher();
  ASSERT_TRUE(accept_all(first, "a"));
  Matcher second = first.clone();
  ASSERT_TRUE(accept_all(second, "bb"));
  EXPECT_EQ(first.accepted() + 1, second.accepted() - (demo_tokenizer().encode_raw("bb").size() - 1));
  ASSERT_TRUE(accept_all(second, "a"));
  EXPECT_EQ(second.state(), State::complete);
  EXPECT_EQ(first.state(), State::unfinished);
}

// One answer that makes a regex too large ends alone.
TEST(Matcher, FailsAlone) {
  const Grammar grammar = regex("(?s:.*)(x.{200}|y.{300})");
  Matcher first = grammar.matcher();
  const auto until_too_large = [&] {
    std::mt19937_64 random(1);
    for (int i = 0; i < 3000; ++i) {
      const std::vector<TokenId> ids = allowed(first);
      first.accept(ids[random() % ids.size()]);
    }
  };
  EXPECT_ERROR(until_too_large(), ErrorKind::invalid_request, HasSubstr("too many"));
  EXPECT_ERROR(allowed(first), ErrorKind::invalid_request, HasSubstr("too many"));
  Matcher second = grammar.matcher();
  EXPECT_TRUE(accept_all(second, "text and xy"));
  EXPECT_FALSE(allowed(second).empty());
}

TEST(Matcher, ForcedTokensAreTheTokenizersOwn) {
  const std::string text = R"({"a long key that is forced": [1, 2, "x"], "and": null})";
  Matcher matcher = schema(R"({"const": {"a long key that is forced": [1, 2, "x"], "and": null}})").matcher();
  std::vector<TokenId> tokens;
  while (matcher.state() == State::unfinished) {
    std::vector<TokenId> next = matcher.forced();
    if (next.empty()) {
      const std::vector<TokenId> ids = allowed(matcher);
      ASSERT_FALSE(ids.empty());
      next = {ids.front()};
    }
    for (const TokenId id : next) ASSERT_TRUE(matcher.accept(id));
    tokens.insert(tokens.end(), next.begin(), next.end());
  }
  EXPECT_EQ(demo_tokenizer().decode(tokens), text);
  EXPECT_GE(matcher.accepted(), 10U);
}

TEST(Matcher, ThinkingIsFreeUntilItEnds) {
  const Grammar grammar = regex("[0-9]+").after_thinking();
  Matcher matcher = grammar.matcher();
  ASSERT_TRUE(accept_all(matcher, "any text, {even} this"));
  EXPECT_FALSE(matcher.constrained());
  for (const TokenId end : demo_ends()) EXPECT_FALSE(matcher.accept(end));
  EXPECT_FALSE(matcher.accept(demo_environment()->control("<tool_call>")));
  // No control token but the one that ends the thinking, in the mask as in accept(), which changes nothing.
  const std::vector<TokenId> free = allowed(matcher);
  EXPECT_EQ(free.size(), demo_tokenizer().vocab_size() - demo_tokenizer().controls().tokens().size() + 1);
  for (const ControlToken& control : demo_tokenizer().controls().tokens()) {
    EXPECT_EQ(std::ranges::count(free, control.id), control.text == "</think>" ? 1 : 0) << control.text;
    if (control.text == "</think>") continue;
    const std::size_t before = matcher.accepted();
    EXPECT_FALSE(matcher.accept(control.id)) << control.text;
    EXPECT_EQ(matcher.accepted(), before);
    EXPECT_EQ(matcher.state(), State::unfinished);
  }
  ASSERT_TRUE(matcher.accept(demo_environment()->control("</think>")));
  EXPECT_TRUE(matcher.constrained());
  EXPECT_FALSE(accept_all(matcher, "x"));
  ASSERT_TRUE(accept_all(matcher, "42"));
  EXPECT_TRUE(matcher.accept(demo_ends().front()));
  matcher.rollback(matcher.accepted() - 2);
  EXPECT_FALSE(matcher.constrained());
  EXPECT_EQ(matcher.accepted(), 2U);
}

TEST(Matcher, IdsBeyondTheTokenizerAreNeverAllowed) {
  Matcher matcher = regex("(?s:.*)").matcher();
  for (const TokenId id : allowed(matcher)) EXPECT_TRUE(demo_tokenizer().contains(id)) << id;
  EXPECT_FALSE(matcher.accept(static_cast<TokenId>(demo_tokenizer().vocab_size())));
  EXPECT_FALSE(matcher.accept(1'000'000'000));
}

TEST(Grammar, OneGrammarServesManyThreads) {
  const Grammar grammar = schema(R"({"type": "array", "items": {"type": "string"}, "maxItems": 3})");
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t seed = 0; seed < 10; ++seed) texts[t] += sample(grammar, seed, 60).text;
      texts[t] += sample(regex("[a-z]{3}"), 1, 9).text;  // compiling at the same time
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, texts.front());
}

TEST(GrammarEnvironment, NeedsEnds) {
  const Tokenizer& tokenizer = demo_tokenizer();
  const std::vector<TokenId> none;
  const std::vector<TokenId> ordinary{5};
  EXPECT_ERROR(GrammarEnvironment(tokenizer, 0, none), ErrorKind::invalid_request, HasSubstr("no end token"));
  EXPECT_ERROR(GrammarEnvironment(tokenizer, 0, ordinary), ErrorKind::invalid_request,
               HasSubstr("end token 5 is not an added token"));
  EXPECT_ERROR(demo_environment()->control("<|nothing|>"), ErrorKind::unsupported, HasSubstr("<|nothing|>"));
}

TEST(GrammarEnvironment, OutlivesItsTokenizer) {
  std::optional<Tokenizer> tokenizer(std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo");
  const auto environment = std::make_shared<const GrammarEnvironment>(*tokenizer, 0, demo_ends());
  tokenizer.reset();
  Matcher matcher = Grammar::json_schema(environment, json::object{{"const", "forced text"}}).matcher();
  EXPECT_FALSE(matcher.forced().empty());
}

}  // namespace
}  // namespace glimt::test
