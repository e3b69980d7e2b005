#include "measure/text_file.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <string>

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::filesystem::path kDemo = std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo";

class TextFile : public testing::Test {
 protected:
  std::string text_of(const std::string& name, const std::string& content, TextForm form = TextForm::literal) {
    return tokenizer_.decode(tokens_of(name, content, form));
  }
  std::vector<TokenId> tokens_of(const std::string& name, const std::string& content,
                                 TextForm form = TextForm::literal) {
    return read_text_tokens(folder_.write(name, content), kDemo, tokenizer_, form);
  }

  TemporaryFolder folder_;
  Tokenizer tokenizer_{kDemo};
};

TEST_F(TextFile, ControlTokensAreRecognisedOnlyInRawText) {
  const std::string text = "<|user|>hello";
  EXPECT_EQ(tokens_of("a.txt", text), tokenizer_.encode_plain(text));
  EXPECT_EQ(tokens_of("a.txt", text, TextForm::raw), tokenizer_.encode_raw(text));
  EXPECT_NE(tokenizer_.encode_plain(text), tokenizer_.encode_raw(text));
}

TEST_F(TextFile, ConversationsAreRenderedOneBehindTheOther) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]})";
  const std::string one = text_of("a.jsonl", line);
  EXPECT_THAT(one, AllOf(testing::StartsWith("[gMASK]<sop>"), HasSubstr("<|user|>hi"), testing::EndsWith("hello")));
  EXPECT_EQ(text_of("a.jsonl", line + "\n\n" + line + "\r\n"), one + one);
}

TEST_F(TextFile, TheBadLineIsNamed) {
  const std::string good = R"({"messages": [{"role": "user", "content": "hi"}]})";
  const auto refused = [&](const std::string& line, const char* words) {
    SCOPED_TRACE(line);
    EXPECT_ERROR(tokens_of("a.jsonl", good + "\n" + line), ErrorKind::invalid_request,
                 AllOf(HasSubstr("a.jsonl:2: "), HasSubstr(words)));
  };
  refused("{", "byte");
  refused("[]", "object");
  refused("{}", "messages");
  refused(R"({"messages": []})", "messages");
  refused(R"({"messages": [{"role": "user", "content": 7}]})", "content");
}

TEST_F(TextFile, WhatIsNoTextIsNamed) {
  EXPECT_ERROR(tokens_of("a.txt", "ab\xff"), ErrorKind::invalid_request,
               AllOf(HasSubstr("a.txt"), HasSubstr("byte 2")));
  EXPECT_ERROR(read_text_tokens("/nonexistent", kDemo, tokenizer_, TextForm::literal), ErrorKind::not_found,
               HasSubstr("/nonexistent"));
  EXPECT_ERROR(read_text_tokens(folder_.path(), kDemo, tokenizer_, TextForm::literal), ErrorKind::bad_file,
               HasSubstr("regular file"));
}

TEST_F(TextFile, VocabulariesAreTheSameIfTheirTokensAre) {
  const std::string json = read_file(kDemo / "tokenizer.json");
  folder_.write("same/tokenizer.json", json);
  folder_.write("spaced/tokenizer.json", json + "\n");
  EXPECT_NO_THROW(check_same_vocabulary(kDemo, tokenizer_, folder_.path() / "same"));
  EXPECT_NO_THROW(check_same_vocabulary(kDemo, tokenizer_, folder_.path() / "spaced"));

  std::string other = json;
  const std::size_t at = other.find("<|user|>");
  ASSERT_NE(at, std::string::npos);
  other.replace(at, 8, "<|USER|>");
  folder_.write("other/tokenizer.json", other);
  EXPECT_ERROR(check_same_vocabulary(kDemo, tokenizer_, folder_.path() / "other"), ErrorKind::invalid_request,
               AllOf(HasSubstr("other"), HasSubstr("<|USER|>"), HasSubstr("<|user|>"), HasSubstr("demo")));
  EXPECT_ERROR(check_same_vocabulary(kDemo, tokenizer_, folder_.path() / "none"), ErrorKind::not_found,
               HasSubstr("none"));
}

}  // namespace
}  // namespace glimt
