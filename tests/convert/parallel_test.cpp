#include "convert/parallel.h"

#include "base/throws.h"

#include <atomic>
#include <vector>

namespace glimt::convert {
namespace {

TEST(ForEachPiece, CallsEachOnceWithAThreadOfItsOwn) {
  for (const int threads : {1, 3}) {
    std::vector<std::atomic<int>> calls(1000);
    std::vector<std::atomic<int>> inside(3);
    for_each_piece(calls.size(), threads, [&](std::size_t piece, std::size_t thread) {
      ASSERT_LT(thread, static_cast<std::size_t>(threads));
      EXPECT_EQ(inside[thread]++, 0) << "two pieces share a thread's buffers";
      ++calls[piece];
      --inside[thread];
    });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
  for_each_piece(0, 4, [](std::size_t, std::size_t) { FAIL(); });
}

TEST(ForEachPiece, ThrowsTheFirstErrorAfterAllThreadsRest) {
  for (const int threads : {1, 4}) {
    std::atomic<int> running = 0, calls = 0;
    const auto body = [&](std::size_t piece, std::size_t) {
      ++running;
      ++calls;
      const bool breaks = piece == 20;
      --running;
      if (breaks) throw Error(ErrorKind::bad_file, "piece 20");
    };
    EXPECT_ERROR(for_each_piece(1'000'000, threads, body), ErrorKind::bad_file, "piece 20");
    EXPECT_EQ(running, 0);
    EXPECT_LT(calls, 1'000'000) << "the others go on";
  }
}

}  // namespace
}  // namespace glimt::convert
