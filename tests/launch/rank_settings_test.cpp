#include "launch/rank_settings.h"

#include "base/file.h"
#include "base/throws.h"
#include "launch/ports.h"
#include "launch/remote_rank.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

namespace glimt::launch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

RankSettings settings() {
  return {.rank = 1,
          .ring = {{"10.0.0.1:1"}, {"10.0.0.2:2", "10.1.0.2:3"}},
          .token = "secret",
          .envs = {"A=b c"},
          .folder = "/some/where",
          .command = {"run", "it's", "--seed", "3", "\n\"ä"}};
}

TEST(RankSettings, AreALineAndBack) {
  const std::string line = to_line(settings());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const RankSettings read = settings_from_line(line);
  EXPECT_EQ(read.rank, 1);
  EXPECT_EQ(read.ring, settings().ring);
  EXPECT_EQ(read.token, "secret");
  EXPECT_EQ(read.envs, settings().envs);
  EXPECT_EQ(read.folder, "/some/where");
  EXPECT_EQ(read.command, settings().command);
}

TEST(RankSettings, ThatAreNoneAreRefused) {
  EXPECT_ERROR(settings_from_line("{"), ErrorKind::invalid_request, HasSubstr("settings of a rank"));
  EXPECT_ERROR(settings_from_line("[]"), ErrorKind::invalid_request, HasSubstr("an object is wanted"));
  EXPECT_ERROR(settings_from_line(R"({"rank": 64})"), ErrorKind::invalid_request, HasSubstr("'rank'"));
  RankSettings large = settings();
  large.command.emplace_back(70'000, 'x');
  EXPECT_ERROR(to_line(large), ErrorKind::invalid_request, HasSubstr("60000 bytes"));
}

TEST(RankSettings, MakeAProgramThatKnowsItsPlace) {
  ::setenv("MLX_RANK", "7", 1);
  ::setenv("A", "from here", 1);
  const RingFile file(settings().ring);
  const Program program = rank_program(settings(), "/bin/glimt", file);
  ::unsetenv("MLX_RANK");
  EXPECT_THAT(program.arguments, ElementsAre("/bin/glimt", "run", "it's", "--seed", "3", "\n\"ä"));
  EXPECT_THAT(program.environment, Contains("MLX_RANK=1"));
  EXPECT_THAT(program.environment, Not(Contains("MLX_RANK=7")));
  EXPECT_THAT(program.environment, Contains("A=b c"));
  EXPECT_THAT(program.environment, Contains("GLIMT_LAUNCH_TOKEN=secret"));
  EXPECT_THAT(program.files, ElementsAre(file.fd()));
  for (int i = 0; i < 2; ++i) {  // each reader finds it from its beginning on
    EXPECT_EQ(read_file(fmt::format("/dev/fd/{}", file.fd())), R"([["10.0.0.1:1"], ["10.0.0.2:2", "10.1.0.2:3"]])");
  }
}

TEST(RankSettings, OfOneRankPlaceItNowhere) {
  RankSettings alone = settings();
  alone.ring.clear();
  const Program program = rank_program(alone, "/bin/glimt", RingFile({}));
  EXPECT_THAT(program.environment, Not(Contains(StartsWith("MLX_HOSTFILE="))));
  EXPECT_THAT(program.environment, Not(Contains(StartsWith("MLX_RANK="))));
}

TEST(RankSettings, DoNotStandInTheCommandLineOfSsh) {
  const Rank rank = remote_rank(settings(), "me@there", "/opt/it's/glimt");
  EXPECT_EQ(rank.name, "rank 1 (me@there)");
  for (const std::string& argument : rank.program.arguments) EXPECT_THAT(argument, Not(HasSubstr("secret")));
  EXPECT_EQ(rank.program.arguments.back(), "exec '/opt/it'\\''s/glimt' launch --watch-rank");
  EXPECT_EQ(rank.settings, to_line(settings()));
}

TEST(Tokens, AreNeverTheSame) {
  std::set<std::string> tokens;
  for (int i = 0; i < 100; ++i) tokens.insert(random_token());
  EXPECT_EQ(tokens.size(), 100U);
  EXPECT_EQ(tokens.begin()->size(), 32U);
}

TEST(ReservedPorts, AreDifferent) {
  const ReservedPorts first(16), second(16);
  std::set<int> ports(first.ports().begin(), first.ports().end());
  ports.insert(second.ports().begin(), second.ports().end());
  EXPECT_EQ(ports.size(), 32U);
  EXPECT_GT(*ports.begin(), 1023);
}

}  // namespace
}  // namespace glimt::launch
