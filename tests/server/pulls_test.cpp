#include "server/pulls.h"

#include "base/throws.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> words(const std::vector<PullEvent>& events) {
  std::vector<std::string> all;
  for (const PullEvent& event : events) {
    all.push_back(event.file.empty() ? event.status : fmt::format("{} {}", event.file, event.completed));
  }
  return all;
}

PullEvent part_of(const char* file, std::uint64_t completed) {
  PullEvent event{.status = "pulling 0123"};
  event.file = file;
  event.total = 100;
  event.completed = completed;
  return event;
}

TEST(PullNews, KeepsTheNewestOfEachThing) {
  PullNews news;
  std::uint64_t quick = 0, slow = 0, late = 0;
  EXPECT_THAT(news.since(quick), IsEmpty());
  news.add({.status = "pulling manifest"});
  EXPECT_THAT(words(news.since(quick)), ElementsAre("pulling manifest"));
  EXPECT_THAT(words(news.since(slow)), ElementsAre("pulling manifest"));
  for (int i = 1; i <= 10; ++i) {
    news.add(part_of("a", static_cast<std::uint64_t>(i)));
    if (i == 5) news.add(part_of("b", 100));
    EXPECT_THAT(words(news.since(quick)).front(), fmt::format("a {}", i));
  }
  news.add({.status = "success"});
  EXPECT_THAT(words(news.since(quick)), ElementsAre("success"));
  EXPECT_THAT(words(news.since(slow)), ElementsAre("b 100", "a 10", "success"));
  EXPECT_THAT(words(news.since(late)), ElementsAre("pulling manifest", "b 100", "a 10", "success"));
  EXPECT_THAT(news.since(late), IsEmpty());
}

TEST(Pulls, RefuseWhatNoHubCanHave) {
  Pulls pulls{ServerLimits{}};
  EXPECT_ERROR(pulls.join("nope", {}, nullptr), ErrorKind::invalid_request, HasSubstr("nope"));
}

}  // namespace
}  // namespace glimt
