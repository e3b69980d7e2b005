#include "engine/engine_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>

namespace glimt {
namespace {

std::thread::id thread_of_a_run() {
  std::thread::id id;
  EngineThread([&] { id = std::this_thread::get_id(); }).join();
  return id;
}

TEST(EngineThreadTest, AThreadIsUsedAgain) { EXPECT_EQ(thread_of_a_run(), thread_of_a_run()); }

TEST(EngineThreadTest, TwoAtOnceHaveTheirOwn) {
  std::promise<void> go;
  const auto gone = go.get_future().share();
  std::thread::id first, second;
  EngineThread a([&] {
    gone.wait();
    first = std::this_thread::get_id();
  });
  EngineThread b([&] {
    second = std::this_thread::get_id();
    go.set_value();
  });
  a.join();
  b.join();
  EXPECT_NE(first, second);
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST(EngineThreadTest, TheBodyIsDestroyedWhenItHasBeenWaitedFor) {
  const auto held = std::make_shared<int>(0);
  EngineThread thread([held] { ++*held; });
  thread.join();
  thread.join();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace glimt
