// A grammar whose masks take long, beside an ordinary request: counted in steps, with threads that the test holds back.
#include "engine/engine_loop.h"
#include "engine/engine_support.h"

#include <future>
#include <system_error>

namespace glimt {
namespace {

// Threads whose work begins when the test says so: until then no mask is computed.
class HeldThreads {
 public:
  ~HeldThreads() { release(); }
  StartThread start() {
    return [open = open_](std::function<void()> body) {
      return std::thread([open, body = std::move(body)] {
        open.wait();
        body();
      });
    };
  }
  // Behind an engine in a scope: it ends after the threads were released.
  struct Guard {
    HeldThreads& threads;
    ~Guard() { threads.release(); }
  };
  void release() {
    if (!released_) promise_.set_value();
    released_ = true;
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> open_ = promise_.get_future().share();
  bool released_ = false;
};

StartThread no_threads() {
  return [](const std::function<void()>&) -> std::thread {
    throw std::system_error(EAGAIN, std::generic_category(), "no thread");
  };
}

class Fixture {
 public:
  explicit Fixture(const StartThread& start, EngineOptions options = {}) {
    options.cache_memory = std::size_t{16} << 20;
    options.exact = true;
    LoadedModel model = load_model(demo_.folder, {.exact = true});
    const std::vector<TokenId> ends = model.model->config().eos_token_id;
    vocab_ = static_cast<std::size_t>(model.model->config().vocab_size);
    environment_ = std::make_shared<const GrammarEnvironment>(demo_.tokenizer, vocab_, ends);
    loop_ = std::make_unique<EngineLoop>(std::move(model.model), options, start);
  }

  std::unique_ptr<Stream> submit(const std::string& lark, std::size_t max_tokens, TokenId bias = -1) {
    GenerationRequest request = request_for(demo_.tokenizer.encode_plain("Say something."), max_tokens);
    if (!lark.empty()) {
      request.grammar = Grammar::lark(environment_, lark);
      request.eos = environment_->ends();
    }
    if (bias >= 0) request.sampling.logit_bias[bias] = 500;
    auto events = std::make_shared<EventQueue>(std::size_t{1} << 24, [] {});
    auto stream = std::make_unique<Stream>(events);
    loop_->submit(std::make_unique<Sequence>(++last_id_, std::move(request), events, vocab_, loop_->context()));
    return stream;
  }
  EngineLoop& loop() { return *loop_; }
  std::string text(const Tokens& tokens) const {
    std::string text;
    for (const TokenId token : tokens) text += demo_.tokenizer.piece(token);
    return text;
  }
  TokenId token(const std::string& piece) const { return *demo_.tokenizer.token_id(piece); }

 private:
  Demo demo_;
  std::size_t vocab_ = 0;
  std::shared_ptr<const GrammarEnvironment> environment_;
  std::unique_ptr<EngineLoop> loop_;
  SequenceId last_id_ = 0;
};

// What has come so far; true in `ended` once the result is there.
struct Progress {
  Tokens tokens;
  bool ended = false;
  std::exception_ptr error;

  void read(Stream& stream) {
    while (std::optional<StreamEvent> event = stream.poll()) {
      if (const auto* token = std::get_if<TokenEvent>(&*event)) tokens.push_back(token->token);
      if (std::holds_alternative<GenerationResult>(*event)) ended = true;
      if (const auto* broken = std::get_if<std::exception_ptr>(&*event)) error = *broken;
    }
  }
};

TEST(EngineMasks, OthersGoOnWhileAMaskIsComputed) {
  HeldThreads threads;
  Fixture f(threads.start(), {.speculation = Speculation::off});
  const HeldThreads::Guard guard{threads};
  const auto slow = f.submit("start: \"yes\" | \"no\"", 8);
  const auto free = f.submit("", 20);
  Progress slow_one, free_one;
  std::uint64_t steps_before = f.loop().metrics().steps;
  for (int i = 0; !free_one.ended && i < 25; ++i) {
    ASSERT_TRUE(f.loop().step());
    free_one.read(*free);
  }
  EXPECT_TRUE(free_one.ended);
  EXPECT_EQ(free_one.tokens.size(), 20U);
  EXPECT_LE(f.loop().metrics().steps - steps_before, 21U) << "one step a token";
  slow_one.read(*slow);
  EXPECT_TRUE(slow_one.tokens.empty());
  EXPECT_FALSE(slow_one.ended);

  steps_before = f.loop().metrics().steps;
  EXPECT_TRUE(f.loop().step()) << "it waits, and is not idle";
  EXPECT_EQ(f.loop().metrics().steps, steps_before) << "the model does nothing meanwhile";
  threads.release();
  for (int i = 0; !slow_one.ended && i < 5000; ++i) {
    ASSERT_TRUE(f.loop().step());
    slow_one.read(*slow);
  }
  EXPECT_THAT(f.text(slow_one.tokens), testing::AnyOf("yes", "no"));
}

TEST(EngineMasks, AMaskThatComesLateChangesNoText) {
  std::string in_time, late;
  {
    Fixture f(start_thread);
    const auto stream = f.submit("start: /[a-z ]{40}/", 60);
    Progress progress;
    while (!progress.ended && f.loop().step()) progress.read(*stream);
    progress.read(*stream);
    in_time = f.text(progress.tokens);
  }
  {
    HeldThreads threads;
    Fixture f(threads.start());
    const HeldThreads::Guard guard{threads};
    const auto stream = f.submit("start: /[a-z ]{40}/", 60);
    Progress progress;
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(f.loop().step());
    threads.release();
    while (!progress.ended && f.loop().step()) progress.read(*stream);
    progress.read(*stream);
    late = f.text(progress.tokens);
  }
  EXPECT_EQ(in_time.size(), 40U);
  EXPECT_EQ(late, in_time);
}

TEST(EngineMasks, ARequestThatIsCancelledMeanwhileEndsAtOnce) {
  HeldThreads threads;
  Fixture f(threads.start());
  const HeldThreads::Guard guard{threads};
  const auto stream = f.submit("start: \"yes\" | \"no\"", 8);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(f.loop().step());
  stream->cancel();
  f.loop().step();
  Progress progress;
  progress.read(*stream);
  EXPECT_TRUE(progress.ended);
  EXPECT_FALSE(f.loop().step());
  threads.release();
}

TEST(EngineMasks, AGrammarThatTakesTooLongEndsItsOwnRequest) {
  Fixture f(start_thread, {.mask_time = std::chrono::seconds(0)});
  const auto constrained = f.submit("start: s\ns: s s | s s s | \"a\"", 400, f.token("a"));
  const auto free = f.submit("", 20);
  Progress slow_one, free_one;
  while (f.loop().step()) {
    slow_one.read(*constrained);
    free_one.read(*free);
  }
  slow_one.read(*constrained);
  free_one.read(*free);
  ASSERT_NE(slow_one.error, nullptr);
  EXPECT_ERROR(std::rethrow_exception(slow_one.error), ErrorKind::invalid_request,
               testing::HasSubstr("grammar: its masks have taken"));
  EXPECT_TRUE(free_one.ended);
  EXPECT_EQ(free_one.tokens.size(), 20U);
}

TEST(EngineMasks, WithoutThreadsMasksAreComputedByTheEngine) {
  Fixture f(no_threads());
  const auto constrained = f.submit("start: \"yes\" | \"no\"", 8);
  const auto free = f.submit("", 20);
  Progress constrained_one, free_one;
  while (f.loop().step()) {
    constrained_one.read(*constrained);
    free_one.read(*free);
  }
  constrained_one.read(*constrained);
  free_one.read(*free);
  EXPECT_EQ(constrained_one.error, nullptr);
  EXPECT_THAT(f.text(constrained_one.tokens), testing::AnyOf("yes", "no"));
  EXPECT_EQ(free_one.tokens.size(), 20U);
}

}  // namespace
}  // namespace glimt
