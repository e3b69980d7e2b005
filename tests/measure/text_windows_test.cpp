#include "measure/text_windows.h"

#include "base/throws.h"

#include <numeric>

namespace glimt {
namespace {

std::vector<TokenId> counted(int count) {
  std::vector<TokenId> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

// "windows x length" of each batch.
std::string shape_of(int tokens, int context, int rows) {
  std::string shape;
  TokenId next = 0;
  for (const WindowBatch& batch : cut_windows(counted(tokens), context, rows)) {
    shape += (shape.empty() ? "" : " ") + std::to_string(batch.windows) + "x" + std::to_string(batch.length);
    for (int w = 0; w < batch.windows; ++w) {
      for (int i = 0; i < batch.length; ++i) EXPECT_EQ(batch.at(w, i), next++);
    }
  }
  return shape;
}

TEST(CutWindows, WindowsOfOneLengthAreTogether) {
  EXPECT_EQ(shape_of(30, 5, 10), "2x5 2x5 2x5");
  EXPECT_EQ(shape_of(30, 5, 14), "2x5 2x5 2x5");
  EXPECT_EQ(shape_of(25, 5, 10), "2x5 2x5 1x5");
  EXPECT_EQ(shape_of(30, 5, 1), "1x5 1x5 1x5 1x5 1x5 1x5");
}

TEST(CutWindows, TheRestIsAShorterWindowUnlessItIsASingleToken) {
  EXPECT_EQ(shape_of(12, 5, 100), "2x5 1x2");
  EXPECT_EQ(shape_of(11, 5, 100), "2x5");
  EXPECT_EQ(shape_of(4, 512, 100), "1x4");
  EXPECT_EQ(shape_of(2, 512, 0), "1x2");
}

TEST(CutWindows, NothingToPredictIsAnError) {
  EXPECT_ERROR(cut_windows(counted(1), 5, 10), ErrorKind::invalid_request,
               "text: must have at least 2 tokens, one to "
               "predict another; got 1");
  EXPECT_ERROR(cut_windows({}, 5, 10), ErrorKind::invalid_request, testing::HasSubstr("got 0"));
  EXPECT_ERROR(cut_windows(counted(9), 1, 10), ErrorKind::invalid_request, testing::HasSubstr("context"));
}

}  // namespace
}  // namespace glimt
