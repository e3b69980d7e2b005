// What happens when memory runs out in the middle of a step: answers that are complete stay complete.
#include "engine/engine_loop.h"
#include "model/checkpoint.h"

#include <cstdlib>
#include <new>

namespace {

// The tokens of a node of the prefix cache: nothing else in a step has this size.
constexpr std::size_t kNodeTokens = 128 * sizeof(glimt::TokenId);

thread_local int countdown = -1;  // allocations of this size until one fails; -1: none does
thread_local int failures = 0;

}  // namespace

#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // GCC sees through one of the pair only

void* operator new(std::size_t size) {
  if (size == kNodeTokens && countdown >= 0 && countdown-- == 0) {
    ++failures;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept { return std::malloc(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace glimt {
namespace {

struct Request {
  std::shared_ptr<EventQueue> events = std::make_shared<EventQueue>(std::size_t{1} << 20, [] {});
  std::unique_ptr<Stream> stream = std::make_unique<Stream>(events);
};

Request submit(EngineLoop& loop, SequenceId id, std::size_t prompt_tokens, std::size_t max_tokens) {
  GenerationRequest request;
  for (std::size_t i = 0; i < prompt_tokens; ++i) {
    request.prompt.push_back(static_cast<TokenId>(4 + (i * 7 + id * 31) % 300));
  }
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  Request made;
  loop.submit(std::make_unique<Sequence>(id, std::move(request), made.events, 320, loop.context()));
  return made;
}

void expect_clean(const EngineLoop& loop) {
  const EngineMetrics metrics = loop.metrics();
  EXPECT_EQ(metrics.running + metrics.waiting, 0);
  EXPECT_EQ(metrics.free_blocks + metrics.cached_blocks, metrics.blocks);
  EXPECT_EQ(metrics.evictable_blocks, metrics.cached_blocks);
}

// Four answers end in one step, and the n-th allocation of this size fails: in the forward pass, where a block of an
// answer that is complete is to be remembered, or where an event is stored.
TEST(EngineMemory, OneAnswerAtMostIsLostWhereMemoryRunsOut) {
  int all_complete = 0;
  failures = 1;
  for (int n = 0; failures > 0; ++n) {
    ASSERT_LT(n, 500);
    SCOPED_TRACE(n);
    LoadedModel model = load_model(golden_folder("base"), {.exact = true});
    EngineLoop loop(std::move(model.model), {.cache_memory = std::size_t{16} << 20, .speculation = Speculation::off});
    std::vector<Request> requests;
    for (SequenceId id = 1; id <= 4; ++id) requests.push_back(submit(loop, id, 127, 2));
    while (loop.metrics().generated_tokens < 4) ASSERT_TRUE(loop.step());
    failures = 0;
    countdown = n;
    EXPECT_TRUE(loop.step());
    countdown = -1;
    int complete = 0;
    for (const Request& request : requests) {
      std::optional<StreamEvent> last;
      while (std::optional<StreamEvent> event = request.stream->poll()) last = std::move(event);
      ASSERT_TRUE(request.stream->ended());
      if (const auto* result = std::get_if<GenerationResult>(&*last)) {
        EXPECT_EQ(result->stats.generated_tokens, 2u);
        ++complete;
      }
    }
    EXPECT_TRUE(complete == 0 || complete >= 4 - failures) << complete;  // 0: the forward pass broke
    all_complete += complete == 4 && failures == 1 ? 1 : 0;
    expect_clean(loop);
  }
  EXPECT_GE(all_complete, 4);  // one for each full block
}

// The MTP layer's row behind a full block needs the next block. Where that is not there yet, guesses wait for it.
TEST(EngineMemory, GuessesGoOnWhereABlockWasMissing) {
  std::vector<std::size_t> drafted, reused;
  for (const bool scarce : {false, true}) {
    LoadedModel model = load_model(golden_folder("mtp"), {.exact = true});
    EngineLoop loop(std::move(model.model),
                    {.cache_memory = std::size_t{16} << 20, .speculation = Speculation::always});
    const Request request = submit(loop, 1, 120, 60);
    std::size_t tokens = 0;
    GenerationResult result;
    const auto read = [&] {
      while (const std::optional<StreamEvent> event = request.stream->poll()) {
        tokens += std::holds_alternative<TokenEvent>(*event) ? 1u : 0u;
        if (const auto* end = std::get_if<GenerationResult>(&*event)) result = *end;
      }
    };
    while (!request.stream->ended()) {
      // Before the step that fills the first block all others are taken away, and given back behind it.
      if (scarce && tokens > 0 && 120 + tokens - 1 >= 126 && 120 + tokens - 1 < 128) {
        HeldPrefix all = loop.cache().hold_nothing();
        const std::vector<std::byte> bytes(loop.shape().block_bytes());
        while (loop.cache().append_block(all, bytes)) continue;
        loop.step();
      } else {
        loop.step();
      }
      read();
    }
    EXPECT_EQ(tokens, 60u);
    drafted.push_back(result.stats.drafted);
    expect_clean(loop);
    const Request again = submit(loop, 2, 120, 1);
    while (!again.stream->ended()) {
      loop.step();
      while (const std::optional<StreamEvent> event = again.stream->poll()) {
        if (const auto* end = std::get_if<GenerationResult>(&*event)) reused.push_back(end->stats.reused_tokens);
      }
    }
  }
  EXPECT_GT(drafted[1] + 4, drafted[0]);  // at most the guesses of the steps without blocks are missing
  EXPECT_EQ(reused[1], reused[0]);
}

}  // namespace
}  // namespace glimt
