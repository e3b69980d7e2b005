// What a hub says, and what it means; no request is made.
#include "hub/repository.h"

#include "base/temporary_folder.h"
#include "base/throws.h"
#include "hub/pull_event.h"
#include "hub/scoped_variable.h"
#include "hub/transfer.h"

#include <gmock/gmock.h>

#include <map>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kCommit(40, 'c'), kBlob(40, 'b'), kSha(64, 'a');

// Answers of a hub by what stands behind its endpoint.
Repository::Fetch answers(std::map<std::string, std::pair<HttpHead, std::string>> all) {
  return [all = std::move(all)](const std::string& url, std::string& content) {
    const auto found = all.find(url.substr(url.find('/', 8)));
    EXPECT_NE(found, all.end()) << url;
    if (found == all.end()) return HttpHead{.status = 404, .headers = {}};
    content = found->second.second;
    return found->second.first;
  };
}

const HttpHead kFine{.status = 200, .headers = {}};

Repository::Fetch one_page(const std::string& page) {
  return answers({{"/api/models/o/n/revision/main", {kFine, R"({"sha": ")" + kCommit + R"("})"}},
                  {"/api/models/o/n/tree/" + kCommit + "?recursive=true", {kFine, page}}});
}

Repository repository(const std::string& name = "o/n") { return {hub_model(name), HubSettings()}; }

TEST(Repository, ListsFilesWithTheirHashes) {
  const Listing listing = repository().list(one_page(
      R"([{"type": "directory", "path": "d", "oid": "x", "size": 0},
          {"type": "file", "path": "config.json", "size": 3, "oid": ")" +
      kBlob + R"("},
          {"type": "file", "path": "m.safetensors", "size": 5, "oid": "x", "lfs": {"oid": ")" +
      kSha + R"("}}])"));
  EXPECT_EQ(listing.commit, kCommit);
  ASSERT_EQ(listing.files.size(), 2U);
  EXPECT_EQ(listing.files[0].blob, kBlob);
  EXPECT_EQ(listing.files[1].sha256, kSha);
  EXPECT_EQ(repository().file_url(listing, "config.json"),
            "https://huggingface.co/o/n/resolve/" + kCommit + "/config.json");
}

TEST(Repository, PathsStayInside) {
  for (const char* path : {"../a", "a/../b", "/a", "a//b", "a/", ".", "a\\\\b", "a\\u0000b", ""}) {
    EXPECT_ERROR(repository().list(one_page(std::string(R"([{"type": "file", "size": 1, "path": ")") + path +
                                            R"(", "oid": ")" + kBlob + "\"}]")),
                 ErrorKind::bad_file, HasSubstr("leaves the folder"));
  }
}

TEST(Repository, TheRevisionIsQuoted) {
  const std::string page = "[]";
  const Listing listing =
      repository("o/n@refs/pr/1")
          .list(answers({{"/api/models/o/n/revision/refs%2Fpr%2F1", {kFine, R"({"sha": ")" + kCommit + R"("})"}},
                         {"/api/models/o/n/tree/" + kCommit + "?recursive=true", {kFine, page}}}));
  EXPECT_TRUE(listing.files.empty());
}

TEST(Repository, ModelScopeIsAnotherListing) {
  const Repository scope = repository("modelscope:ZhipuAI/GLM");
  const Listing listing =
      scope.list(answers({{"/api/v1/models/ZhipuAI/GLM/repo/files?Revision=master&Recursive=True",
                           {kFine, R"({"Code": 200, "Data": {"Files": [{"Type": "tree", "Path": "d"},
                  {"Type": "blob", "Path": "config.json", "Size": 3, "Sha256": ")" +
                                       kSha + R"("}]}})"}}}));
  ASSERT_EQ(listing.files.size(), 1U);
  EXPECT_EQ(listing.files[0].sha256, kSha);
  EXPECT_EQ(scope.file_url(listing, "a b.json"),
            "https://modelscope.cn/api/v1/models/ZhipuAI/GLM/repo?Revision=master&FilePath=a%20b.json");
}

TEST(Repository, OnlyWhatAModelNeeds) {
  for (const char* path : {"config.json", "chat_template.jinja"}) EXPECT_TRUE(is_small_part(path)) << path;
  for (const char* path : {"original/params.json", "model.bin", ".hidden.json"})
    EXPECT_FALSE(is_small_part(path)) << path;
  EXPECT_TRUE(is_weights("model-00001-of-00002.safetensors"));
  EXPECT_FALSE(is_weights("original/model.safetensors"));
}

TEST(Repository, LinksOfPages) {
  EXPECT_EQ(next_page("<https://h/p?cursor=a>; rel=\"next\""), "https://h/p?cursor=a");
  EXPECT_EQ(next_page("<x>; rel=\"xet-auth\", <y>; rel=\"next\""), "y");
  for (const char* link : {"", "<x>; rel=\"prev\"", "<x", "x>; rel=\"next\""}) EXPECT_EQ(next_page(link), "") << link;
}

TEST(Urls, HaveOrigins) {
  EXPECT_EQ(origin_of("https://Host/path"), "https://host:443");
  EXPECT_NE(origin_of("http://host/"), origin_of("https://host/"));
  EXPECT_NE(origin_of("https://host:444/"), origin_of("https://host/"));
  for (const char* url : {"file:///etc/passwd", "ftp://host/", "https://user:word@host/", "", "host"}) {
    EXPECT_ERROR(origin_of(url), ErrorKind::invalid_request, HasSubstr("URL"));
  }
  EXPECT_EQ(resolve_url("https://h/a/b?c", "/d?e"), "https://h/d?e");
  EXPECT_EQ(resolve_url("https://h/a", "http://other/x"), "http://other/x");
  EXPECT_EQ(at_origin("https://huggingface.co/api/x?cursor=1", "http://mirror:8080"),
            "http://mirror:8080/api/x?cursor=1");
}

TEST(Waiting, AsTheHubAsks) {
  const auto now = std::chrono::system_clock::from_time_t(1445412480);  // Wed, 21 Oct 2015 07:28:00 GMT
  const auto asked = [&](int status, const char* name, const char* value) {
    return wait_asked_for({.status = status, .headers = {{name, value}}}, now);
  };
  EXPECT_EQ(asked(429, "retry-after", "7"), 7s);
  EXPECT_EQ(asked(503, "retry-after", "Wed, 21 Oct 2015 07:28:09 GMT"), 10s);
  EXPECT_EQ(asked(503, "retry-after", "Wed, 21 Oct 2015 07:00:00 GMT"), 0s);
  EXPECT_EQ(asked(429, "ratelimit", "\"resolvers\";r=0;t=55"), 56s);
  EXPECT_EQ(asked(429, "ratelimit", "\"resolvers\";r=10;t=55"), 0s);
  EXPECT_EQ(asked(500, "ratelimit", "\"resolvers\";r=0;t=55"), 0s);
  EXPECT_EQ(asked(429, "retry-after", "soon"), 0s);
  EXPECT_ERROR(asked(429, "retry-after", "3600"), ErrorKind::overloaded, HasSubstr("3600 s"));
}

TEST(HubSettings, FollowTheEnvironment) {
  const TemporaryFolder folder;
  folder.write("token", "hf_file\n");
  const ScopedVariable token("HF_TOKEN", nullptr), other("HUGGING_FACE_HUB_TOKEN", nullptr),
      path("HF_TOKEN_PATH", nullptr), home("HF_HOME", folder.path().c_str()),
      endpoint("HF_ENDPOINT", "https://hf-mirror.com/");
  EXPECT_EQ(hub_settings_from_environment().token, "hf_file");
  EXPECT_EQ(hub_settings_from_environment().endpoint, "https://hf-mirror.com");
  {
    const ScopedVariable empty("HF_TOKEN", " "), old("HUGGING_FACE_HUB_TOKEN", "hf_old");
    EXPECT_EQ(hub_settings_from_environment().token_source, "HUGGING_FACE_HUB_TOKEN");
    const ScopedVariable first("HF_TOKEN", "hf_first ");
    EXPECT_EQ(hub_settings_from_environment().token, "hf_first");
  }
  const ScopedVariable two_lines("HF_TOKEN", "hf\nX-Evil: 1");
  EXPECT_ERROR(hub_settings_from_environment(), ErrorKind::invalid_request, HasSubstr("HF_TOKEN"));
  const ScopedVariable wrong("HF_ENDPOINT", "file:///x"), none("HF_TOKEN", nullptr);
  EXPECT_ERROR(hub_settings_from_environment(), ErrorKind::invalid_request, HasSubstr("HF_ENDPOINT"));
}

TEST(PullEvents, AreOllamasLines) {
  EXPECT_EQ(json::serialize(pull_event_json({.status = "pulling manifest"})), R"({"status":"pulling manifest"})");
  EXPECT_EQ(json::serialize(pull_event_json(
                {.status = "pulling abc", .file = "f", .digest = "sha256:abc", .total = 5, .completed = 2})),
            R"({"status":"pulling abc","digest":"sha256:abc","total":5,"completed":2,"file":"f"})");
  EXPECT_TRUE(pull_event_json({.status = "pulling"}).empty());
}

}  // namespace
}  // namespace glimt
