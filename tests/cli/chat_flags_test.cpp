#include "cli/chat_flags.h"

#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace glimt {
namespace {

using testing::HasSubstr;

std::string error_of(ChatSettings& settings, std::string_view name, std::string_view value) {
  try {
    set_from_terminal(settings, name, value);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.what();
  }
  return "no error";
}

TEST(Settings, EveryNameSetsAndShowsItsField) {
  ChatSettings s;
  const TemporaryFolder folder;
  const std::string file = folder.write("list.lark", "start: \"a\"").string();
  const std::vector<std::pair<std::string, std::string>> values = {
      {"temperature", "0.5"},     {"top_k", "40"},
      {"top_p", "0.8"},           {"min_p", "0.1"},
      {"typical_p", "0.9"},       {"repeat_penalty", "1.1"},
      {"presence_penalty", "-1"}, {"frequency_penalty", "0.25"},
      {"repeat_last_n", "-1"},    {"dry_multiplier", "0.8"},
      {"dry_base", "2"},          {"dry_allowed_length", "3"},
      {"dry_last_n", "100"},      {"seed", "18446744073709551615"},
      {"max_tokens", "12"},       {"top_logprobs", "3"},
      {"logprobs", "on"},         {"thinking_budget", "100"},
      {"format", "json"},         {"regex", "a+"},
      {"grammar", file},          {"tool_choice", "required"},
      {"stop_in_thinking", "on"}};
  for (const auto& [name, value] : values) set_from_terminal(s, name, value);
  for (const auto& [name, value] : values) {
    const auto settings = chat_settings();
    const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& x) { return x.name == name; });
    ASSERT_NE(found, settings.end()) << name;
    EXPECT_EQ(found->shown(s), value) << name;
  }
  EXPECT_EQ(s.sampling.temperature, 0.5F);
  EXPECT_EQ(s.sampling.top_k, 40);
  EXPECT_EQ(s.sampling.top_p, 0.8F);
  EXPECT_EQ(s.sampling.min_p, 0.1F);
  EXPECT_EQ(s.sampling.typical_p, 0.9F);
  EXPECT_EQ(s.sampling.repeat_penalty, 1.1F);
  EXPECT_EQ(s.sampling.presence_penalty, -1);
  EXPECT_EQ(s.sampling.frequency_penalty, 0.25F);
  EXPECT_EQ(s.sampling.repeat_last_n, -1);
  EXPECT_EQ(s.sampling.dry.multiplier, 0.8F);
  EXPECT_EQ(s.sampling.dry.base, 2);
  EXPECT_EQ(s.sampling.dry.allowed_length, 3);
  EXPECT_EQ(s.sampling.dry.last_n, 100);
  EXPECT_EQ(s.sampling.seed, 18446744073709551615U);
  EXPECT_EQ(s.max_tokens, 12U);
  EXPECT_EQ(s.thinking_budget, 100U);
  EXPECT_EQ(s.sampling.top_logprobs, 3);
  EXPECT_TRUE(s.sampling.logprobs);
  EXPECT_EQ(chat_settings().size(), values.size() + 3);  // and the three below
}

TEST(Settings, ListsGrowAndEmpty) {
  ChatSettings s;
  set_from_terminal(s, "stop", "a");
  set_from_terminal(s, "stop", "b c");
  EXPECT_THAT(s.stop, testing::ElementsAre("a", "b c"));
  set_from_terminal(s, "stop", "none");
  EXPECT_TRUE(s.stop.empty());
  set_from_terminal(s, "logit-bias", "5=-1.5");
  set_from_terminal(s, "logit_bias", "6=2");
  EXPECT_EQ(s.sampling.logit_bias, (std::map<TokenId, float>{{5, -1.5F}, {6, 2.0F}}));
  set_from_terminal(s, "logit_bias", "none");
  EXPECT_TRUE(s.sampling.logit_bias.empty());
  set_from_terminal(s, "dry_breaker", "none");
  set_from_terminal(s, "dry_breaker", ";");
  EXPECT_THAT(s.dry_breakers, testing::ElementsAre(";"));
  set_from_terminal(s, "seed", "7");
  set_from_terminal(s, "seed", "random");
  EXPECT_FALSE(s.sampling.seed.has_value());
  set_from_terminal(s, "top_logprobs", "2");
  set_from_terminal(s, "logprobs", "off");
  EXPECT_EQ(s.sampling.top_logprobs, 0);
}

TEST(Settings, BadValuesAreNamedAndChangeNothing) {
  ChatSettings s;
  EXPECT_THAT(error_of(s, "top_p", "1.5"), HasSubstr("top_p: must be from 0 to 1, got 1.5"));
  EXPECT_EQ(s.sampling.top_p, 1);
  EXPECT_THAT(error_of(s, "top_k", "4.5"), HasSubstr("top_k: a number is wanted, got '4.5'"));
  EXPECT_THAT(error_of(s, "top_k", ""), HasSubstr("top_k"));
  EXPECT_THAT(error_of(s, "temperature", "nan"), HasSubstr("temperature"));
  EXPECT_THAT(error_of(s, "seed", "-1"), HasSubstr("seed"));
  EXPECT_THAT(error_of(s, "stop", ""), HasSubstr("stop: must not be empty"));
  EXPECT_THAT(error_of(s, "logprobs", "maybe"), HasSubstr("on or off"));
  EXPECT_THAT(error_of(s, "logit_bias", "7"), HasSubstr("TOKEN=BIAS"));
  EXPECT_THAT(error_of(s, "logit_bias", "x=1"), HasSubstr("logit_bias"));
  EXPECT_THAT(error_of(s, "warmth", "1"), HasSubstr("there is no such setting; there are max_tokens, thinking_budget"));
}

TEST(Settings, NumbersHaveTheBoundsOfTheTable) {
  for (const SamplingField& field : sampling_fields()) {
    ChatSettings s;
    const std::string name(field.name);
    EXPECT_THAT(error_of(s, name, fmt::format("{:.0f}", field.max * 2 + 1)), HasSubstr(name + ": must be ")) << name;
    EXPECT_EQ(error_of(s, name, fmt::format("{:.0f}", field.max)), "no error") << name;
    EXPECT_EQ(static_cast<float>(field.get(s.sampling)), static_cast<float>(field.max)) << name;
  }
}

ChatSettings parse_flags(std::vector<std::string> arguments, SamplingParams defaults = {}) {
  CLI::App app;
  ChatFlags flags;
  flags.add_to(app);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return flags.over(defaults);
}

TEST(Settings, OneConstraintDecidesTheAnswer) {
  static const Tokenizer tokenizer(std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo");
  const auto made = [&](const ChatSettings& s) { return make_request(s, {}, tokenizer).constraint; };
  const TemporaryFolder folder;
  folder.write("schema.json", R"({"type": "integer"})");
  folder.write("list.lark", R"(start: "a"+)");
  folder.write("broken.json", "{");
  ChatSettings s;
  EXPECT_TRUE(std::holds_alternative<std::monostate>(made(s)));
  set_from_terminal(s, "format", "json");
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(made(s)));
  set_from_terminal(s, "format", (folder.path() / "schema.json").string());
  EXPECT_EQ(std::get<JsonSchemaOutput>(made(s)).schema, json::value({{"type", "integer"}}));
  EXPECT_ERROR(set_from_terminal(s, "format", (folder.path() / "broken.json").string()), ErrorKind::invalid_request,
               HasSubstr("broken.json"));
  EXPECT_ERROR(set_from_terminal(s, "grammar", "nowhere.lark"), ErrorKind::not_found, HasSubstr("nowhere.lark"));
  EXPECT_ERROR(set_chat_setting(s, "grammar", "some.lark"), ErrorKind::invalid_request,
               HasSubstr("cannot be read here"));
  set_from_terminal(s, "format", "none");
  set_from_terminal(s, "regex", "[0-9]+");
  EXPECT_EQ(std::get<RegexOutput>(made(s)).pattern, "[0-9]+");
  set_from_terminal(s, "grammar", (folder.path() / "list.lark").string());
  EXPECT_ERROR(made(s), ErrorKind::invalid_request, HasSubstr("only one"));
  set_from_terminal(s, "regex", "none");
  EXPECT_EQ(std::get<LarkOutput>(made(s)).source, R"(start: "a"+)");
  set_from_terminal(s, "grammar", "none");
  set_from_terminal(s, "tool_choice", "required");
  EXPECT_ERROR(made(s), ErrorKind::invalid_request, HasSubstr("no tools to call"));
  s.tools = parse_json(R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])", "t").as_array();
  EXPECT_EQ(std::get<ToolCallOutput>(made(s)).rules.allowed, std::vector<std::string>());
  set_from_terminal(s, "tool_choice", "f");
  EXPECT_EQ(std::get<ToolCallOutput>(made(s)).rules.allowed, std::vector<std::string>{"f"});
}

TEST(Settings, ToolChoiceNoneKeepsTheToolsAndBansCalls) {
  ChatSettings s;
  s.tools = parse_json(R"([{"name": "f"}])", "t").as_array();
  const Tokenizer tokenizer(std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo");
  const auto request = [&] { return make_request(s, {}, tokenizer); };
  EXPECT_FALSE(request().tool_use.banned);
  set_from_terminal(s, "tool_choice", "none");
  EXPECT_TRUE(request().tool_use.banned);
  EXPECT_EQ(request().tools.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request().constraint));
  set_from_terminal(s, "regex", "[0-9]+");  // which may decide the answer beside it
  EXPECT_TRUE(std::holds_alternative<RegexOutput>(request().constraint));
}

TEST(Settings, FlagsGoOverTheDefaultsOfTheModel) {
  SamplingParams defaults;
  defaults.temperature = 0.6F;
  defaults.top_p = 0.95F;
  const ChatSettings s = parse_flags({"--top-p", "0.5", "--stop", "x", "--stop", "y", "--no-think", "--system", "S",
                                      "--seed=4", "--presence-penalty", "-0.5", "--logprobs", "--logit-bias", "3=1"},
                                     defaults);
  EXPECT_EQ(s.sampling.temperature, 0.6F);
  EXPECT_EQ(s.sampling.top_p, 0.5F);
  EXPECT_EQ(s.sampling.presence_penalty, -0.5F);
  EXPECT_THAT(s.stop, testing::ElementsAre("x", "y"));
  EXPECT_FALSE(s.thinking);
  EXPECT_EQ(s.system, "S");
  EXPECT_EQ(s.sampling.seed, 4U);
  EXPECT_TRUE(s.sampling.logprobs);
  EXPECT_TRUE(parse_flags({}).thinking);
  EXPECT_TRUE(parse_flags({"--think"}).thinking);
}

TEST(Settings, FlagsAreCheckedWhileParsing) {
  EXPECT_THROW(parse_flags({"--temperature", "hot"}), Error);
  EXPECT_THROW(parse_flags({"--top-p", "2"}), Error);
  EXPECT_THROW(parse_flags({"--tools", "/nowhere/tools.json"}), Error);
  EXPECT_THROW(parse_flags({"--temprature", "1"}), CLI::ParseError);
  EXPECT_THROW(parse_flags({"--temperature"}), CLI::ParseError);
}

TEST(Settings, BreakersBecomeTokensWithTheText) {
  const Tokenizer tokenizer(std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo");
  ChatSettings s;
  s.system = "S";
  EXPECT_TRUE(make_request(s, {}, tokenizer).sampling.dry.breakers.empty()) << "DRY is off";
  s.sampling.dry.multiplier = 1;
  s.dry_breakers = {"\n"};
  const ChatRequest request = make_request(s, {{{"role", "user"}, {"content", "q"}}}, tokenizer);
  ASSERT_FALSE(request.sampling.dry.breakers.empty());
  for (const TokenId token : request.sampling.dry.breakers)
    EXPECT_NE(tokenizer.piece(token).find('\n'), std::string_view::npos);
  ASSERT_EQ(request.messages.size(), 2U);
  EXPECT_EQ(request.messages[0].at("role"), "system");
}

}  // namespace
}  // namespace glimt
