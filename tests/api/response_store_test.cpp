#include "api/response_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace glimt {
namespace {

KeptResponse response(const std::string& id, const std::string& previous_id = {}, const std::string& text = "hi") {
  const json::object question{{"type", "message"}, {"role", "user"}, {"content", "to " + id}};
  const json::object answer{{"type", "message"}, {"id", "msg_" + id}, {"text", text}};
  return {.id = id,
          .previous_id = previous_id,
          .input = dump_json(json::array{question}),
          .body = {{"id", id}, {"output", {answer}}}};
}

std::string shown(const std::optional<json::array>& items) {
  if (!items) return "none";
  std::string out;
  for (const json::value& item : *items) {
    const json::object& object = item.as_object();
    out += object.contains("id") ? std::string(object.at("id").as_string()) : "?";
    out += ' ';
  }
  return out;
}

TEST(ResponseStore, FindsWhatWasKept) {
  ResponseStore store;
  store.keep("", response("a"));
  EXPECT_EQ(dump_json(*store.body("", "a")), dump_json(response("a").body));
  EXPECT_EQ(store.item("", "msg_a")->at("text"), "hi");
  EXPECT_EQ(store.body("", "b"), std::nullopt);
  EXPECT_EQ(store.item("", "msg_b"), std::nullopt);
  EXPECT_EQ(store.item("", "a"), std::nullopt);
}

TEST(ResponseStore, KeepsDigitsOfLargeIntegers) {
  ResponseStore store;
  KeptResponse kept = response("a");
  kept.body["seed"] = big_integer("123456789012345678901234567890");
  store.keep("", kept);
  EXPECT_EQ(as_big_integer(store.body("", "a")->at("seed")), "123456789012345678901234567890");
}

TEST(ResponseStore, AConversationIsAllOfItsResponses) {
  ResponseStore store;
  store.keep("", response("a"));
  store.keep("", response("b", "a"));
  store.keep("", response("c", "b"));
  store.keep("", response("other"));
  EXPECT_EQ(shown(store.conversation("", "c")), "? msg_a ? msg_b ? msg_c ");
  EXPECT_EQ(shown(store.conversation("", "a")), "? msg_a ");
  EXPECT_EQ(shown(store.conversation("", "x")), "none");
}

TEST(ResponseStore, AConversationWithAGapIsNone) {
  ResponseStore store;
  store.keep("", response("a"));
  store.keep("", response("b", "a"));
  EXPECT_TRUE(store.erase("", "a"));
  EXPECT_FALSE(store.erase("", "a"));
  EXPECT_EQ(shown(store.conversation("", "b")), "none");
  EXPECT_EQ(store.item("", "msg_a"), std::nullopt);
  EXPECT_NE(store.body("", "b"), std::nullopt);
}

TEST(ResponseStore, OwnersDoNotSeeEachOther) {
  ResponseStore store;
  store.keep("ann", response("a"));
  EXPECT_EQ(store.body("bob", "a"), std::nullopt);
  EXPECT_EQ(store.item("bob", "msg_a"), std::nullopt);
  EXPECT_EQ(shown(store.conversation("bob", "a")), "none");
  EXPECT_FALSE(store.erase("bob", "a"));
  EXPECT_EQ(store.body("", "a"), std::nullopt);
  EXPECT_NE(store.body("ann", "a"), std::nullopt);
}

TEST(ResponseStore, TheLeastRecentlyUsedGoesFirst) {
  ResponseStore store({.responses = 3});
  for (const char* id : {"a", "b", "c"}) store.keep("", response(id));
  EXPECT_NE(store.item("", "msg_a"), std::nullopt);  // used
  store.keep("", response("d"));
  EXPECT_EQ(store.size(), 3U);
  EXPECT_EQ(store.body("", "b"), std::nullopt);
  EXPECT_EQ(store.item("", "msg_b"), std::nullopt);
  for (const char* id : {"a", "c", "d"}) EXPECT_NE(store.body("", id), std::nullopt) << id;
}

// Without the whole chain its last one is of no use.
TEST(ResponseStore, AConversationIsUsedAsAWhole) {
  ResponseStore store({.responses = 4});
  store.keep("", response("a"));
  store.keep("", response("b", "a"));
  store.keep("", response("x"));
  store.keep("", response("y"));
  EXPECT_EQ(shown(store.conversation("", "b")), "? msg_a ? msg_b ");
  store.keep("", response("c", "b"));
  EXPECT_EQ(store.body("", "x"), std::nullopt);
  EXPECT_EQ(shown(store.conversation("", "c")), "? msg_a ? msg_b ? msg_c ");
}

TEST(ResponseStore, WhoHasTheMostBytesGivesThem) {
  ResponseStore store({.responses = 100, .bytes = 20'000});
  store.keep("small", response("s"));
  for (int i = 0; i < 50; ++i) {
    store.keep("large", response(fmt::format("l{}", i), "", std::string(5000, 'x')));
    EXPECT_LE(store.bytes(), 20'000U);
  }
  EXPECT_NE(store.body("small", "s"), std::nullopt);
  EXPECT_EQ(store.body("large", "l0"), std::nullopt);
  EXPECT_NE(store.body("large", "l49"), std::nullopt);
}

TEST(ResponseStore, OneThatIsTooLargeIsNotKept) {
  ResponseStore store({.responses = 100, .bytes = 4000});
  store.keep("", response("a"));
  store.keep("", response("b", "", std::string(5000, 'x')));
  EXPECT_EQ(store.body("", "b"), std::nullopt);
  EXPECT_NE(store.body("", "a"), std::nullopt);
  ResponseStore none({.responses = 0});
  none.keep("", response("a"));
  EXPECT_EQ(none.size(), 0U);
}

TEST(ResponseStore, NothingIsLeftOfWhatWent) {
  ResponseStore store;
  for (int i = 0; i < 20; ++i) store.keep(fmt::format("owner{}", i % 3), response(fmt::format("r{}", i)));
  EXPECT_EQ(store.size(), 20U);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(store.erase(fmt::format("owner{}", i % 3), fmt::format("r{}", i)));
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(ResponseStore, MayBeUsedByManyThreads) {
  ResponseStore store({.responses = 50, .bytes = 40'000});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::string last;
      for (int i = 0; i < 500; ++i) {
        const std::string owner = fmt::format("owner{}", random() % 2);
        const std::string id = fmt::format("{}-{}", t, i);
        store.keep(owner, response(id, last, std::string(random() % 500, 'x')));
        const std::optional<json::object> body = store.body(owner, id);
        EXPECT_TRUE(!body || body->at("id").as_string() == id);
        store.conversation(owner, id);
        if (random() % 8 == 0) store.erase(owner, id);
        last = random() % 3 == 0 ? std::string() : id;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(store.size(), 50U);
  EXPECT_LE(store.bytes(), 40'000U);
}

}  // namespace
}  // namespace glimt
