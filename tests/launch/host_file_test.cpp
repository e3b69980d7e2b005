#include "launch/host_file.h"

#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>
#include <unistd.h>

namespace glimt::launch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HostFile : public ::testing::Test {
 protected:
  Hosts read(std::string_view content) { return read_host_file(folder_.write("hosts.json", content)); }

  void expect_refused(std::string_view content, std::string_view field, std::string_view why) {
    SCOPED_TRACE(content);
    EXPECT_ERROR(read(content), ErrorKind::bad_file,
                 AllOf(HasSubstr("hosts.json"), HasSubstr(std::string(field)), HasSubstr(std::string(why))));
  }

  TemporaryFolder folder_;
};

TEST_F(HostFile, IsThatOfMlxLaunch) {
  const Hosts hosts = read(R"({"backend": "ring", "envs": ["A=1", "B="], "hosts": [
      {"ssh": "127.0.0.1", "ips": ["10.0.0.1"], "rdma": [null, "rdma_en2"]},
      {"ssh": "me@b.example", "ips": ["10.0.0.2", "10.1.0.2"]}]})");
  ASSERT_EQ(hosts.ranks.size(), 2U);
  EXPECT_EQ(hosts.ranks[1].ssh, "me@b.example");
  EXPECT_THAT(hosts.envs, ElementsAre("A=1", "B="));
  EXPECT_EQ(ring_json(ring_of(hosts, 32323)), R"([["10.0.0.1:32323"], ["10.0.0.2:32324", "10.1.0.2:32325"]])");
}

TEST_F(HostFile, MayBeAListAlone) {
  EXPECT_EQ(read(R"([{"ssh": "localhost", "ips": ["127.0.0.1"]}])").ranks.front().ips.front(), "127.0.0.1");
}

TEST_F(HostFile, SaysWhichFieldIsWrong) {
  const std::string good = R"({"ssh": "localhost", "ips": ["127.0.0.1"]})";
  expect_refused("3", "", "a list of hosts");
  expect_refused("[]", "", "1 to 64 hosts are wanted, got 0");
  expect_refused("[" + good + ", 7]", "hosts[1]", "is wanted, got 7");
  expect_refused("[" + good + R"(, {"ips": ["10.0.0.2"]}])", "hosts[1]", "'ssh'");
  expect_refused("[" + good + R"(, {"ssh": "b"}])", "hosts[1]", "'ips'");
  expect_refused("[" + good + R"(, {"ssh": "b", "ips": []}])", "hosts[1]", "1 to 16 addresses, got 0");
  expect_refused("[" + good + R"(, {"ssh": "b", "ips": ["10.0.0.2:99"]}])", "hosts[1]: ips[0]", "'10.0.0.2:99'");
  expect_refused("[" + good + R"(, {"ssh": "b", "ips": ["10.0.0.2"], "slots": 2}])", "hosts[1]", "slots");
  expect_refused(R"({"hosts": [)" + good + R"(], "envs": ["=1"]})", "envs[0]", "NAME=VALUE is wanted, got '=1'");
  expect_refused(R"({"hosts": [)" + good + R"(], "env": []})", "", "env");
}

TEST_F(HostFile, GivesSshNoOptions) {
  for (const char* name : {"-oProxyCommand=x", "a b", "a;b", "", "x@-b", "@b"}) {
    expect_refused(
        fmt::format(R"([{{"ssh": "localhost", "ips": ["127.0.0.1"]}}, {{"ssh": "{}", "ips": ["b"]}}])", name),
        "hosts[1]", "field 'ssh' must be HOST or USER@HOST");
  }
}

TEST_F(HostFile, HasRankZeroOnThisMachine) {
  expect_refused(R"([{"ssh": "elsewhere", "ips": ["10.0.0.1"]}])", "hosts[0]", "rank 0 runs on the machine");
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_TRUE(is_this_machine(name));
  EXPECT_FALSE(is_this_machine("elsewhere"));
}

TEST_F(HostFile, IsOfARing) {
  EXPECT_ERROR(read(R"({"backend": "jaccl", "hosts": []})"), ErrorKind::unsupported, HasSubstr("\"jaccl\""));
}

TEST_F(HostFile, HasPortsForAllAddresses) {
  EXPECT_EQ(ring_of(local_hosts(2), 65534).back().front(), "127.0.0.1:65535");
  EXPECT_ERROR(ring_of(local_hosts(3), 65534), ErrorKind::invalid_request, HasSubstr("--starting-port"));
}

}  // namespace
}  // namespace glimt::launch
