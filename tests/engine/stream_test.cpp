#include "engine/stream.h"

#include "base/error.h"

#include <gmock/gmock.h>

#include <thread>

namespace glimt {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPlenty = std::size_t{1} << 20;

TokenEvent token(TokenId id) { return {id, 0, {}}; }

TEST(Stream, GivesTheEventsInOrderAndTellsTheEndFromADeadline) {
  const auto events = std::make_shared<EventQueue>(kPlenty, [] {});
  Stream stream(events);
  EXPECT_FALSE(stream.poll());
  EXPECT_FALSE(stream.next(Stream::Clock::now() + 1ms));
  EXPECT_FALSE(stream.ended());
  events->push(PrefillProgress{1, 2});
  events->push(token(7));
  events->end(GenerationResult{FinishReason::length, {}});
  EXPECT_TRUE(std::holds_alternative<PrefillProgress>(*stream.next()));
  EXPECT_EQ(std::get<TokenEvent>(*stream.next()).token, 7);
  EXPECT_FALSE(stream.ended());
  EXPECT_EQ(std::get<GenerationResult>(*stream.next()).reason, FinishReason::length);
  EXPECT_TRUE(stream.ended());
  EXPECT_FALSE(stream.next());
}

TEST(Stream, NothingComesBehindTheLastEvent) {
  const auto events = std::make_shared<EventQueue>(kPlenty, [] {});
  Stream stream(events);
  events->end(std::make_exception_ptr(Error(ErrorKind::internal, "first")));
  events->end(GenerationResult{});
  events->push(token(1));
  EXPECT_TRUE(std::holds_alternative<std::exception_ptr>(*stream.poll()));
  EXPECT_FALSE(stream.poll());
}

TEST(Stream, ProgressThatWasNotReadIsReplaced) {
  const auto events = std::make_shared<EventQueue>(kPlenty, [] {});
  Stream stream(events);
  for (std::size_t i = 1; i <= 1000; ++i) events->push(PrefillProgress{i, 1000});
  EXPECT_EQ(std::get<PrefillProgress>(*stream.poll()).done, 1000u);
  EXPECT_FALSE(stream.poll());
}

// The reader that does not wait is told once for each time that the stream was empty.
TEST(Stream, TellsAReaderThatDoesNotWait) {
  const auto events = std::make_shared<EventQueue>(kPlenty, [] {});
  Stream stream(events);
  events->push(token(1));
  int told = 0;
  stream.on_event([&] { ++told; });
  EXPECT_EQ(told, 1);  // of what was there
  events->push(token(2));
  EXPECT_EQ(told, 1);
  while (stream.poll()) continue;
  events->push(token(3));
  EXPECT_EQ(told, 2);
  events->end(GenerationResult{});
  EXPECT_EQ(told, 2);
  while (stream.poll()) continue;
  EXPECT_TRUE(stream.ended());
}

TEST(Stream, AReaderWhoseCallbackThrowsIsCancelled) {
  const auto events = std::make_shared<EventQueue>(kPlenty, [] {});
  Stream stream(events);
  stream.on_event([] { throw std::runtime_error("mine"); });
  EXPECT_FALSE(events->cancelled());
  events->push(token(1));
  EXPECT_EQ(events->cancelled_by(), CancelReason::callback);
  stream.cancel();
  EXPECT_EQ(events->cancelled_by(), CancelReason::callback);  // the first reason stays
  EXPECT_EQ(std::get<TokenEvent>(*stream.poll()).token, 1);
}

TEST(Stream, KeepsNoMoreUnreadThanItsBound) {
  const auto events = std::make_shared<EventQueue>(10 * sizeof(StreamEvent), [] {});
  Stream stream(events);
  for (TokenId id = 0; id < 10; ++id) events->push(token(id));
  EXPECT_FALSE(events->overflowed());
  for (TokenId id = 0; id < 5; ++id) EXPECT_EQ(std::get<TokenEvent>(*stream.poll()).token, id);
  for (TokenId id = 10; id < 15; ++id) events->push(token(id));
  EXPECT_FALSE(events->overflowed());
  events->push(token(15));
  EXPECT_TRUE(events->overflowed());
  for (TokenId id = 5; id < 15; ++id) EXPECT_EQ(std::get<TokenEvent>(*stream.poll()).token, id);
  events->push(token(16));  // a hole in the text must not be hidden
  EXPECT_FALSE(stream.poll());
  events->end(std::make_exception_ptr(Error(ErrorKind::overloaded, "unread")));
  EXPECT_TRUE(std::holds_alternative<std::exception_ptr>(*stream.poll()));
}

TEST(Stream, LogprobsCountForTheBound) {
  const auto events = std::make_shared<EventQueue>(100 * sizeof(StreamEvent), [] {});
  Stream stream(events);
  TokenEvent wide = token(1);
  wide.top.resize(200 * sizeof(StreamEvent) / sizeof(TokenLogprob));
  events->push(wide);  // one is always taken
  EXPECT_FALSE(events->overflowed());
  events->push(token(2));
  EXPECT_TRUE(events->overflowed());
}

TEST(Stream, CancelsWhenItGoesUnlessItHasEnded) {
  int woken = 0;
  const auto events = std::make_shared<EventQueue>(kPlenty, [&] { ++woken; });
  { const Stream stream(events); }
  EXPECT_EQ(events->cancelled_by(), CancelReason::dropped);
  EXPECT_EQ(woken, 1);
  const auto ended = std::make_shared<EventQueue>(kPlenty, [&] { ++woken; });
  {
    Stream stream(ended);
    ended->end(GenerationResult{});
    EXPECT_TRUE(stream.next());
  }
  EXPECT_FALSE(ended->cancelled());
  EXPECT_EQ(woken, 1);
}

TEST(Stream, OneThreadWritesAnotherReads) {
  const auto events = std::make_shared<EventQueue>(std::size_t{64} << 20, [] {});
  Stream stream(events);
  std::thread writer([&] {
    for (TokenId id = 0; id < 20000; ++id) events->push(token(id));
    events->end(GenerationResult{});
  });
  TokenId next = 0;
  while (const auto event = stream.next()) {
    const auto* each = std::get_if<TokenEvent>(&*event);
    if (each == nullptr) continue;
    EXPECT_EQ(each->token, next++);
  }
  writer.join();
  EXPECT_EQ(next, 20000);
}

}  // namespace
}  // namespace glimt
