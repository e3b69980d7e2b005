#include "launch/launcher.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>

namespace glimt::launch {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Patience kShort{.grace = milliseconds(300), .drain = milliseconds(0), .kill = milliseconds(300)};

class RunRanks : public ::testing::Test {
 protected:
  // Each rank is a script of the shell. What came on `errors` is in said_.
  int run(const std::vector<std::string>& scripts, Patience patience = kShort) {
    std::vector<Rank> ranks;
    for (const std::string& script : scripts) {
      ranks.push_back({.name = fmt::format("rank {}", ranks.size()),
                       .program = {.arguments = {"/bin/sh", "-c", script}, .environment = environment_with({})}});
    }
    return run(ranks, patience);
  }

  int run(const std::vector<Rank>& ranks, Patience patience) {
    const auto path = folder_.path() / "errors";
    const int errors = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    const auto start = std::chrono::steady_clock::now();
    const int status = run_ranks(ranks, patience, errors);
    took_ = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
    ::close(errors);
    said_ = read_file(path);
    return status;
  }

  // A script's process that must not be there any more.
  void expect_gone(const std::string& file) {
    const int pid = std::stoi(read_file(folder_.path() / file));
    EXPECT_NE(::kill(pid, 0), 0) << said_;
  }

  std::string pid_to(const std::string& file) const {
    return fmt::format("echo $$ > {}; ", (folder_.path() / file).string());
  }

  TemporaryFolder folder_;
  std::string said_;
  milliseconds took_{};
};

TEST_F(RunRanks, TellsWhatEachSaysAndReturnsNothingWrong) {
  EXPECT_EQ(run({"echo a >&2; printf b >&2", "echo c; echo d >&2; cat"}), 0);
  for (const char* line : {"[0] a\n", "[0] b\n", "[1] c\n", "[1] d\n"}) EXPECT_THAT(said_, HasSubstr(line));
  EXPECT_THAT(said_, Not(HasSubstr("glimt launch:")));
}

TEST_F(RunRanks, EndsAllWhenOneFails) {
  EXPECT_EQ(run({pid_to("0") + "exec sleep 60", "echo why >&2; exit 3",
                 pid_to("2") + "trap '' TERM; while :; do sleep 0.1; done"}),
            3);
  EXPECT_THAT(said_, HasSubstr("[1] why\nglimt launch: rank 1 exited with status 3; the others end\n"));
  EXPECT_THAT(said_, HasSubstr("rank 2 still runs 0.3 s after rank 1 has ended"));
  expect_gone("0");
  expect_gone("2");
  EXPECT_LT(took_, milliseconds(5000));
}

TEST_F(RunRanks, NamesTheSignalThatEndedOne) {
  EXPECT_EQ(run({"kill -SEGV $$", "exec sleep 60"}), 128 + SIGSEGV);
  EXPECT_THAT(said_, HasSubstr("glimt launch: rank 0 was ended by signal 11 (Segmentation fault); the others end\n"));
}

TEST_F(RunRanks, EndsAllOnASignal) {
  EXPECT_EQ(run({pid_to("0") + "sleep 0.2; kill -INT $PPID; exec sleep 60", pid_to("1") + "exec sleep 60"}),
            128 + SIGINT);
  expect_gone("0");
  expect_gone("1");
  EXPECT_LT(took_, milliseconds(5000));
}

TEST_F(RunRanks, LetsAServerFinishBeforeTheOthersEnd) {
  const Patience patience{.grace = milliseconds(300), .drain = milliseconds(20'000), .kill = milliseconds(300)};
  const std::string last = (folder_.path() / "last").string();
  EXPECT_EQ(
      run({"trap 'sleep 0.3; echo 0 >> " + last + "; exit 0' TERM; while :; do sleep 0.1; done",
           "trap 'echo 1 >> " + last + "; exit 0' TERM; sleep 0.3; kill -TERM $PPID; while :; do sleep 0.1; done"},
          patience),
      0);
  EXPECT_EQ(read_file(last), "0\n1\n");
}

TEST_F(RunRanks, WhatARankStartedEndsWithIt) {
  const std::string child = (folder_.path() / "child").string();
  run({"sleep 0.3; exit 1", "sleep 60 & echo $! > " + child + "; wait"});
  for (int i = 0; i < 100 && ::kill(std::stoi(read_file(child)), 0) == 0; ++i) ::usleep(20'000);
  expect_gone("child");
}

TEST_F(RunRanks, WritesMuchWithoutLoss) {
  EXPECT_EQ(run({"seq 1 20000 >&2", "seq 1 20000"}), 0);
  std::size_t lines = 0;
  for (const char c : said_) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, 40000U);
  EXPECT_THAT(said_, HasSubstr("\n[1] 20000\n"));
}

TEST_F(RunRanks, LeavesNoDescriptorAndNoHandlerBehind) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  run({"true", "true"});
  const auto before = open_files();
  run({"true", "exit 1"});
  EXPECT_EQ(open_files(), before);
  struct sigaction action {};
  ::sigaction(SIGTERM, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

TEST_F(RunRanks, AProgramThatIsNotThereIsAnErrorAndEndsTheOthers) {
  const Program first{.arguments = {"/bin/sh", "-c", pid_to("0") + "exec sleep 60"},
                      .environment = environment_with({})};
  const Program missing{.arguments = {"/no/such/program"}, .environment = {}};
  EXPECT_ERROR(run_ranks({{.name = "rank 0", .program = first}, {.name = "rank 1", .program = missing}}, kShort, 2),
               ErrorKind::not_found, HasSubstr("/no/such/program: cannot be started: No such file"));
  const Program unnamed{.arguments = {"no-such-program"}, .environment = {}};
  EXPECT_ERROR(run_ranks({{.name = "rank 0", .program = unnamed}}, kShort, 2), ErrorKind::not_found, HasSubstr("PATH"));
}

TEST_F(RunRanks, ARemoteRankReadsItsSettingsAndIsEndedByTheEndOfItsInput) {
  const std::string got = (folder_.path() / "got").string();
  const Program first{.arguments = {"/bin/sh", "-c", "sleep 0.5; exit 2"}, .environment = environment_with({})};
  const Program remote{.arguments = {"/bin/sh", "-c", "cat > " + got + "; echo ended >> " + got},
                       .environment = environment_with({})};
  EXPECT_EQ(run({{.name = "rank 0", .program = first},
                 {.name = "rank 1 (there)", .program = remote, .remote = true, .settings = "settings\n"}},
                kShort),
            2);
  EXPECT_EQ(read_file(got), "settings\nended\n");
}

}  // namespace
}  // namespace glimt::launch
