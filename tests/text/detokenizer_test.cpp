#include "text/detokenizer.h"

#include "text/text_data.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace glimt {
namespace {

using test::tokenizer;

std::string streamed(const std::vector<TokenId>& ids, ControlText control) {
  Detokenizer detokenizer(tokenizer(), control);
  std::string text;
  for (const TokenId id : ids) {
    const std::string piece = detokenizer.push(id);
    EXPECT_EQ(find_invalid_utf8(piece), std::nullopt);
    text += piece;
  }
  return text + detokenizer.finish();
}

TokenId byte_token(unsigned char byte) {
  return tokenizer().token_id(std::string_view(reinterpret_cast<const char*>(&byte), 1)).value();
}

TEST(Detokenizer, GivesWholeCharactersOnly) {
  Detokenizer detokenizer(tokenizer());
  EXPECT_EQ(detokenizer.push(byte_token(0xF0)), "");
  EXPECT_EQ(detokenizer.push(byte_token(0x9F)), "");
  EXPECT_EQ(detokenizer.push(byte_token(0x99)), "");
  EXPECT_EQ(detokenizer.push(byte_token(0x82)), "\U0001F642");
  EXPECT_EQ(detokenizer.push(byte_token('a')), "a");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, ReplacesACharacterThatIsNeverCompleted) {
  Detokenizer detokenizer(tokenizer());
  EXPECT_EQ(detokenizer.push(byte_token(0xE6)), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
  EXPECT_EQ(detokenizer.push(byte_token(0xE6)), "");
  EXPECT_EQ(detokenizer.push(4081), "\uFFFD<think>");
}

TEST(Detokenizer, ShowsOrHidesControlTokens) {
  const std::vector<TokenId> ids = {4067, byte_token('a'), 4081, byte_token('b'), 4060};
  EXPECT_EQ(streamed(ids, ControlText::show), "<|user|>a<think>b<|endoftext|>");
  EXPECT_EQ(streamed(ids, ControlText::hide_special), "a<think>b");
  EXPECT_EQ(streamed(ids, ControlText::hide), "ab");
}

TEST(Detokenizer, SetsControlTokensApart) {
  Detokenizer detokenizer(tokenizer(), ControlText::hide_special);
  EXPECT_EQ(detokenizer.push_parted(byte_token(0xE6)).text, "");
  TokenText parts = detokenizer.push_parted(4081);
  EXPECT_EQ(parts.text, "\uFFFD");
  EXPECT_EQ(parts.control, "<think>");
  std::string spelled;
  for (const TokenId id : tokenizer().encode_plain("<think>")) {
    parts = detokenizer.push_parted(id);
    EXPECT_EQ(parts.control, "");
    spelled += parts.text;
  }
  EXPECT_EQ(spelled, "<think>");
  parts = detokenizer.push_parted(4067);  // <|user|>, which is hidden
  EXPECT_EQ(parts.text + parts.control, "");
}

TEST(Detokenizer, UnknownIdsHaveNoText) {
  EXPECT_EQ(streamed({-1, byte_token('a'), 5000, 2'000'000'000}, ControlText::show), "a");
}

TEST(Detokenizer, StreamsWhatDecodeGives) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<TokenId> ids;
    for (std::size_t n = random() % 20; n > 0; --n) {
      // The first 256 ids are mostly single bytes, of which characters rarely come out whole.
      ids.push_back(static_cast<TokenId>(random() % (round % 2 == 0 ? 256 : 4096)));
    }
    EXPECT_EQ(streamed(ids, ControlText::show), tokenizer().decode(ids));
    EXPECT_EQ(streamed(ids, ControlText::hide_special), tokenizer().decode(ids, true));
  }
}

}  // namespace
}  // namespace glimt
