// Which tokens a piece of the answer's content is made of, for logprobs: the reader of the answer holds text back,
// drops some of it, and replaces bytes that are no character, and what a client gets must still add up.
#pragma once

#include "api/answer_writer.h"
#include "engine/request.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Tokens in, as the model wrote them; text in, as it is shown. Joined, the bytes of the tokens that come out are the
// text: bytes of a token that are not shown are left out, and a token of which nothing is shown does not come out.
class ShownTokens {
 public:
  explicit ShownTokens(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}  // must outlive this

  void push(const TokenEvent& token);  // of the content

  // The tokens that end inside of `text`, which is what is shown next.
  std::vector<ContentToken> take(std::string_view text);

  // A token of which a part was shown and no more will be; nothing if there is none.
  std::vector<ContentToken> finish();

 private:
  struct Waiting {
    ContentToken token;  // bytes: those that were shown
    std::string left;    // that were not yet
  };

  void pass(std::vector<ContentToken>& out);  // the first one goes
  void show(char byte, std::vector<ContentToken>& out);

  const Tokenizer& tokenizer_;
  std::deque<Waiting> waiting_;
};

}  // namespace glimt
