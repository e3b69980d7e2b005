#include "text/tokenizer.h"

#include "base/error.h"
#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "text/cpu_time.h"
#include "text/text_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <thread>

namespace glimt {
namespace {

using test::data_folder;
using test::tokenizer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Fnv {
 public:
  void add(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x01000193u; }
  std::string hex() const { return fmt::format("{:08x}", hash_); }

 private:
  std::uint32_t hash_ = 0x811C9DC5u;
};

std::string hash_of(const std::vector<TokenId>& ids) {
  Fnv fnv;
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 32; shift += 8) fnv.add(static_cast<unsigned char>(id >> shift));
  }
  return fnv.hex();
}

std::string hash_of(std::string_view text) {
  Fnv fnv;
  for (const char c : text) fnv.add(static_cast<unsigned char>(c));
  return fnv.hex();
}

std::string text_of(const json::array& row) {
  const std::string unit(row[0].as_string());
  std::string text;
  for (std::int64_t i = 0; i < row[1].as_int64(); ++i) text += unit;
  return text;
}

TEST(Tokenizer, GivesTheIdsAndTextsOfThePythonPackage) {
  std::size_t texts = 0;
  std::size_t id_lists = 0;
  for (const json::value& line : test::json_lines("tokens.jsonl")) {
    const json::array& row = line.as_array();
    if (row[0].is_array()) {
      const auto ids = json::value_to<std::vector<TokenId>>(row[0]);
      ASSERT_EQ(hash_of(tokenizer().decode(ids)), row[1].as_string()) << line;
      ASSERT_EQ(hash_of(tokenizer().decode(ids, true)), row[2].as_string()) << line;
      ++id_lists;
      continue;
    }
    const std::string text = text_of(row);
    const std::vector<TokenId> raw = tokenizer().encode_raw(text);
    ASSERT_EQ(hash_of(tokenizer().encode_plain(text)), row[2].as_string()) << line;
    ASSERT_EQ(hash_of(raw), row[row.size() - 1].as_string()) << line;
    ASSERT_EQ(tokenizer().decode(raw), text) << line;
    ++texts;
  }
  EXPECT_GE(texts, 12000u);
  EXPECT_GE(id_lists, 400u);
}

TEST(Tokenizer, KnowsItsVocabulary) {
  EXPECT_EQ(tokenizer().vocab_size(), 4096u);
  EXPECT_EQ(tokenizer().controls().tokens().size(), 36u);
  EXPECT_EQ(tokenizer().token_id("<|endoftext|>"), 4060);
  EXPECT_EQ(tokenizer().token_id("<think>"), 4081);
  EXPECT_EQ(tokenizer().token_id("no such piece"), std::nullopt);
  EXPECT_EQ(tokenizer().piece(4067), "<|user|>");
  const auto space_a = tokenizer().token_id(" a");
  ASSERT_TRUE(space_a.has_value());
  EXPECT_EQ(tokenizer().piece(*space_a), " a");
  EXPECT_TRUE(tokenizer().is_control(4067) && tokenizer().is_special(4067));
  EXPECT_TRUE(tokenizer().is_control(4081) && !tokenizer().is_special(4081));
  EXPECT_FALSE(tokenizer().is_control(100) || tokenizer().is_special(100));
  for (const TokenId outside : {-1, 4096, 2'000'000'000}) {
    EXPECT_FALSE(tokenizer().contains(outside) || tokenizer().is_control(outside));
    EXPECT_EQ(tokenizer().piece(outside), "");
  }
}

TEST(Tokenizer, PlainTextNeverBecomesAControlToken) {
  for (const ControlToken& token : tokenizer().controls().tokens()) {
    EXPECT_THAT(tokenizer().encode_raw(token.text), ElementsAre(token.id));
    for (const std::string& text : {token.text, " " + token.text + token.text, "a" + token.text + "\n"}) {
      const std::vector<TokenId> ids = tokenizer().encode_plain(text);
      for (const TokenId id : ids) EXPECT_FALSE(tokenizer().is_control(id)) << text;
      EXPECT_EQ(tokenizer().decode(ids), text);
    }
  }
}

TEST(Tokenizer, EncodesARenderedPromptByItsControls) {
  const RenderedPrompt prompt{"<|user|>a<|user|>b", {{0, 8, 4067}}};
  std::vector<TokenId> wanted = {4067};
  for (const TokenId id : tokenizer().encode_plain("a<|user|>b")) wanted.push_back(id);
  EXPECT_EQ(tokenizer().encode(prompt), wanted);
  EXPECT_THAT(tokenizer().encode(RenderedPrompt{}), ElementsAre());
  EXPECT_THAT(tokenizer().encode(RenderedPrompt{"<|user|>", {{0, 8, 4067}}}), ElementsAre(4067));
}

TEST(Tokenizer, NamesTheByteThatIsNotUtf8) {
  EXPECT_ERROR(tokenizer().encode_plain("ab\xFFz"), ErrorKind::invalid_request,
               HasSubstr("text: not valid UTF-8 at byte 2"));
  EXPECT_ERROR(tokenizer().encode_raw("\xE2\x82"), ErrorKind::invalid_request, HasSubstr("at byte 0"));
  EXPECT_ERROR(tokenizer().encode_raw("a\xED\xA0\x80"), ErrorKind::invalid_request, HasSubstr("at byte 1"));
  EXPECT_ERROR(tokenizer().encode(RenderedPrompt{"<|user|>a\xC0", {{0, 8, 4067}}}), ErrorKind::invalid_request,
               HasSubstr("at byte 9"));
}

TEST(Tokenizer, RefusesIdsItCannotDecode) {
  EXPECT_ERROR(tokenizer().decode(std::vector<TokenId>{5, 4096}), ErrorKind::invalid_request,
               HasSubstr("id 4096 is not in the vocabulary"));
  EXPECT_ERROR(tokenizer().decode(std::vector<TokenId>{-1}), ErrorKind::invalid_request, HasSubstr("id -1"));
}

TEST(Tokenizer, LongTextsTakeLinearTime) {
  // 256 KB each; quadratic work would take minutes.
  const CpuTime time;
  for (const char* unit : {"a", " ", "\n", "ab", "1", "<", "\xF0\x9F\x99\x82", " \t", "\xCC\x81"}) {
    std::string text;
    while (text.size() < (std::size_t{256} << 10)) text += unit;
    EXPECT_EQ(tokenizer().decode(tokenizer().encode_plain(text)), text);
  }
  EXPECT_LT(time.seconds(), 60);
  EXPECT_ERROR(tokenizer().encode_plain(std::string((std::size_t{16} << 20) + 1, 'x')), ErrorKind::invalid_request,
               HasSubstr("at most 16777216 wanted"));
}

std::size_t peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST(Tokenizer, LongTextsTakeLittleMemory) {
  std::string text;
  while (text.size() < (std::size_t{8} << 20)) text += "The quick brown fox, 1234 times.\n  jumps ";
  test::tokenizer().encode_plain("x");
  const std::size_t before = peak_bytes();
  const std::size_t tokens = test::tokenizer().encode_plain(text).size();
  EXPECT_GT(tokens, text.size() / 8);
  EXPECT_LT(peak_bytes() - before, 15 * text.size());  // mostly the tokens themselves
}

TEST(Tokenizer, RefusesAPromptThatNoContextHolds) {
  const RenderedPrompt prompt{std::string(2000, 'x'), {}};
  EXPECT_NO_THROW(test::tokenizer().encode(prompt, 125));
  EXPECT_ERROR(test::tokenizer().encode(prompt, 124), ErrorKind::invalid_request,
               "prompt: 2000 bytes are far more than a context of 124 tokens holds");
}

TEST(Tokenizer, ServesSeveralThreads) {
  const std::string text = "Threads share one tokenizer: <think>日本語</think> 12345";
  const std::vector<TokenId> wanted = tokenizer().encode_raw(text);
  std::vector<int> failures(4, 0);
  std::vector<std::thread> threads;
  for (int& failed : failures) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) failed += tokenizer().encode_raw(text) == wanted ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(failures, ElementsAre(0, 0, 0, 0));
}

TEST(Tokenizer, LoadsAndMoves) {
  Tokenizer first(data_folder());
  Tokenizer second(std::move(first));
  EXPECT_EQ(second.piece(4067), "<|user|>");
  EXPECT_THAT(second.encode_raw("<sop>"), ElementsAre(4064));
}

// ---- files that cannot be used ----

Tokenizer load(std::string_view json) { return Tokenizer::from_json(json, "t.json"); }

// The test's tokenizer.json with one change.
std::string changed(const std::function<void(json::object&)>& change) {
  json::object object = parse_json_file(data_folder() / "tokenizer.json").get_object();
  change(object);
  return json::serialize(object);
}

TEST(TokenizerFile, MustBeThere) {
  EXPECT_ERROR(Tokenizer(std::filesystem::path("/nowhere")), ErrorKind::not_found,
               HasSubstr("/nowhere/tokenizer.json: "));
}

TEST(TokenizerFile, MustNotBeHuge) {
  const TemporaryFolder folder;
  std::filesystem::resize_file(folder.write("tokenizer.json", "{}"), Tokenizer::kMaxFileBytes + 1);  // sparse
  EXPECT_ERROR(Tokenizer(folder.path()), ErrorKind::bad_file, HasSubstr("bytes long, at most"));
}

TEST(TokenizerFile, MustBeWellFormed) {
  EXPECT_ERROR(load(""), ErrorKind::bad_file, HasSubstr("t.json: not a tokenizer.json"));
  EXPECT_ERROR(load("{}"), ErrorKind::bad_file, HasSubstr("t.json: not a tokenizer.json"));
  EXPECT_ERROR(load("[1, 2"), ErrorKind::bad_file, HasSubstr("not a tokenizer.json"));
  EXPECT_ERROR(load("{\"model\": \"\xFF\"}"), ErrorKind::bad_file, HasSubstr("not valid UTF-8 at byte 11"));
  EXPECT_ERROR(load(std::string(200000, '[')), ErrorKind::bad_file, HasSubstr("not a tokenizer.json"));
  std::string deep = "{\"version\": \"1.0\", \"pre_tokenizer\": ";
  for (int i = 0; i < 50000; ++i) deep += "{\"type\": \"Sequence\", \"pretokenizers\": [";
  EXPECT_ERROR(load(deep), ErrorKind::bad_file, HasSubstr("not a tokenizer.json"));
  const std::string whole = read_file(data_folder() / "tokenizer.json");
  for (std::size_t n = 1; n < whole.size(); n += whole.size() / 23) {
    EXPECT_ERROR(load(std::string_view(whole).substr(0, n)), ErrorKind::bad_file, HasSubstr("t.json: "));
  }
}

TEST(TokenizerFile, MustNotHaveARegexThatDoesNotCompile) {
  const std::string json = changed([](json::object& file) {
    file["pre_tokenizer"] = parse_json(
        R"({"type": "Split", "pattern": {"Regex": "(((["}, "behavior": "Isolated", "invert": false})", "test");
  });
  EXPECT_ERROR(load(json), ErrorKind::bad_file, HasSubstr("t.json: "));
}

TEST(TokenizerFile, MustBeByteLevelBpe) {
  EXPECT_ERROR(load(changed([](json::object& file) { file["decoder"] = nullptr; })), ErrorKind::unsupported,
               HasSubstr("the decoder must be ByteLevel"));
  EXPECT_ERROR(load(changed([](json::object& file) { file["model"].as_object()["dropout"] = 0.5; })),
               ErrorKind::unsupported, HasSubstr("dropout"));
  EXPECT_ERROR(load(changed([](json::object& file) {
                 file["model"] = parse_json(R"({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"})", "test");
               })),
               ErrorKind::unsupported, HasSubstr("the model must be BPE"));
  EXPECT_ERROR(load(changed([](json::object& file) {
                 file["model"].as_object()["vocab"].as_object()["zzzz"] = 4'000'000'000u;
               })),
               ErrorKind::unsupported, HasSubstr("id 4000000000 is too large"));
}

TEST(TokenizerFile, MustHavePlainAddedTokens) {
  const auto with_token = [](std::string_view text, std::string_view flag) {
    return changed([&](json::object& file) {
      json::object& token = file["added_tokens"].as_array()[3].as_object();
      if (!text.empty()) token["content"] = text;
      if (!flag.empty()) token[flag] = true;
    });
  };
  EXPECT_ERROR(load(with_token("", "lstrip")), ErrorKind::unsupported, HasSubstr("added token '[sMASK]' has lstrip"));
  EXPECT_ERROR(load(with_token("", "rstrip")), ErrorKind::unsupported, HasSubstr("has lstrip, rstrip or single_word"));
  EXPECT_ERROR(load(with_token("", "single_word")), ErrorKind::unsupported, HasSubstr("single_word"));
  EXPECT_ERROR(load(with_token("@", "")), ErrorKind::unsupported, HasSubstr("shorter than two"));
  EXPECT_ERROR(load(with_token("<a b>", "")), ErrorKind::unsupported, HasSubstr("white space"));
  EXPECT_ERROR(load(with_token("\u0120a", "")), ErrorKind::unsupported, HasSubstr("decodes to another text"));
}

TEST(TokenizerFile, ItsTruncationAndPaddingAreIgnored) {
  const Tokenizer cut = load(changed([](json::object& file) {
    file["truncation"] =
        parse_json(R"({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0})", "test");
    file["padding"] = parse_json(R"({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
                                     "pad_id": 4060, "pad_type_id": 0, "pad_token": "<|endoftext|>"})",
                                 "test");
  }));
  const std::string text = "one two three four five six";
  EXPECT_EQ(cut.encode_plain(text), tokenizer().encode_plain(text));
  EXPECT_EQ(cut.encode_raw(text), tokenizer().encode_plain(text));
}

TEST(TokenizerFile, AVocabularyThatSpellsAControlTokenIsCaught) {
  // "/nothink" is one pre-token, and with ignore_merges a whole pre-token of the vocabulary is taken as it is.
  const Tokenizer both =
      load(changed([](json::object& file) { file["model"].as_object()["vocab"].as_object()["/nothink"] = 4091; }));
  EXPECT_ERROR(both.encode_plain("/nothink"), ErrorKind::unsupported, HasSubstr("ordinary text into an added token"));
  EXPECT_THAT(both.encode_raw("/nothink"), ElementsAre(4091));
}

}  // namespace
}  // namespace glimt
