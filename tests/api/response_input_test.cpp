// GET /v1/responses/{id}/input_items.
#include "api/response_input.h"

#include "api/api_errors.h"
#include "api/response_store.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> ids_of(const json::object& list) {
  std::vector<std::string> ids;
  for (const json::value& item : list.at("data").as_array()) ids.emplace_back(item.at("id").as_string());
  return ids;
}

struct ResponseInput : testing::Test {
  ResponseInput() {
    store.keep("ann", {"resp_x", "",
                       R"([{"role": "user", "content": "Hi"}, {"type": "function_call", "id": "fc_7", "name": "f"},
                           {"type": "function_call_output", "call_id": "c", "output": "1"},
                           {"role": "assistant", "content": "Yes."}])",
                       object_of(R"({"output": []})")});
  }
  json::object list(const InputItemsPage& page = {}, const char* id = "resp_x", const char* owner = "ann") {
    return response_input_items(id, page, {.unknown = UnknownFields::refuse, .key_owner = owner, .responses = &store});
  }

  ResponseStore store;
};

TEST_F(ResponseInput, HasTheItemsNewestFirst) {
  const json::object all = list();
  EXPECT_THAT(ids_of(all), ElementsAre("msg_x_3", "item_x_2", "fc_7", "msg_x_0"));
  EXPECT_EQ(all.at("object").as_string(), "list");
  EXPECT_EQ(all.at("first_id").as_string(), "msg_x_3");
  EXPECT_EQ(all.at("last_id").as_string(), "msg_x_0");
  EXPECT_FALSE(all.at("has_more").as_bool());
  EXPECT_EQ(dump_json(all.at("data").at(3)),
            R"({"type": "message", "id": "msg_x_0", "role": "user", )"
            R"("content": [{"type": "input_text", "text": "Hi"}], "status": "completed"})");
  EXPECT_EQ(all.at("data").at(0).at("content").at(0).at("type").as_string(), "output_text");
  EXPECT_EQ(dump_json(all.at("data").at(2)), R"({"type": "function_call", "id": "fc_7", "name": "f"})");
}

TEST_F(ResponseInput, ComesInPages) {
  json::object page = list({.limit = 3, .newest_first = false, .after = {}});
  EXPECT_THAT(ids_of(page), ElementsAre("msg_x_0", "fc_7", "item_x_2"));
  EXPECT_TRUE(page.at("has_more").as_bool());
  page = list({.limit = 3, .newest_first = false, .after = "item_x_2"});
  EXPECT_THAT(ids_of(page), ElementsAre("msg_x_3"));
  EXPECT_FALSE(page.at("has_more").as_bool());
  page = list({.limit = 3, .newest_first = false, .after = "msg_x_3"});
  EXPECT_THAT(ids_of(page), ElementsAre());
  EXPECT_TRUE(page.at("first_id").is_null());
}

TEST_F(ResponseInput, OfAnotherIsNotThere) {
  EXPECT_EQ(problem_from([&] { list({}, "resp_x", "bob"); }).status, 404);
  EXPECT_EQ(problem_from([&] { list({}, "resp_y"); }).status, 404);
  EXPECT_EQ(problem_from([&] { list({.limit = 1, .newest_first = true, .after = "msg_9"}); }).param, "after");
}

TEST(InputItemsPage, IsReadFromTheQuery) {
  const auto page_of = [](std::vector<std::pair<std::string, std::string>> query) { return input_items_page(query); };
  EXPECT_EQ(page_of({}).limit, 20U);
  const InputItemsPage page = page_of({{"limit", "7"}, {"order", "asc"}, {"after", "x"}, {"include[]", "y"}});
  EXPECT_EQ(page.limit, 7U);
  EXPECT_FALSE(page.newest_first);
  EXPECT_EQ(page.after, "x");
  for (const char* wrong : {"0", "101", "-1", "x", "", "1x", "99999999999999999999999"}) {
    EXPECT_EQ(problem_from([&] { page_of({{"limit", wrong}}); }).param, "limit") << wrong;
  }
  EXPECT_THAT(problem_from([&] { page_of({{"order", "up"}}); }).message, HasSubstr("'asc' or 'desc'"));
}

}  // namespace
}  // namespace glimt
