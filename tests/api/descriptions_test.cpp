// The tables of Anthropic's and Ollama's dialects, which /openapi.json is made from, and the answers that they describe.
#include "api/anthropic_fields.h"
#include "api/anthropic_messages.h"
#include "api/api_errors.h"
#include "api/ollama_embed.h"
#include "api/ollama_fields.h"
#include "api/ollama_models.h"
#include "base/file.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace glimt {
namespace {

const ApiDescription* const kDescriptions[] = {&anthropic_description(), &ollama_description()};

std::vector<const ApiObject*> objects_of(const ApiDescription& description) {
  std::vector<const ApiObject*> objects(description.objects.begin(), description.objects.end());
  for (const ApiOperation& operation : description.operations) {
    for (const ApiObject* object : {operation.request, operation.answer}) {
      if (object != nullptr) objects.push_back(object);
    }
  }
  return objects;
}

void add_references(const json::value& schema, std::set<std::string>& names) {
  if (const json::array* list = schema.if_array()) {
    for (const json::value& item : *list) add_references(item, names);
  }
  if (const json::object* object = schema.if_object()) {
    for (const auto& [key, value] : *object) {
      constexpr std::string_view kComponents = "#/components/schemas/";
      if (key == "$ref") {
        const std::string_view reference(value.as_string());
        EXPECT_TRUE(reference.starts_with(kComponents));
        names.emplace(reference.substr(kComponents.size()));
      }
      add_references(value, names);
    }
  }
}

TEST(Descriptions, SchemasAreJsonAndReferToWhatThereIs) {
  std::set<std::string> references;
  std::set<std::string> names{"ChatMessage", "ChatTool"};  // of OpenAI's chat completions
  for (const ApiDescription* description : kDescriptions) {
    for (const ApiObject* object : objects_of(*description)) {
      names.emplace(object->name);
      std::set<std::string_view> fields;
      for (const ApiField& field : object->fields) {
        add_references(parse_json(field.schema, std::string(field.name)), references);
        EXPECT_TRUE(fields.insert(field.name).second) << object->name << " has twice " << field.name;
        EXPECT_FALSE(field.about.empty()) << field.name;
      }
    }
  }
  EXPECT_THAT(references, testing::IsSubsetOf(names));
}

TEST(Descriptions, NameEveryObjectOnce) {
  for (const ApiDescription* description : kDescriptions) {
    std::map<std::string_view, const ApiObject*> known;
    for (const ApiObject* object : objects_of(*description)) {
      EXPECT_EQ(known.try_emplace(object->name, object).first->second->fields.data(), object->fields.data())
          << object->name;
    }
  }
}

// What the operation's answer must have and may have.
void expect_described(const ApiDescription& description, std::string_view path, const json::object& answer) {
  for (const ApiOperation& operation : description.operations) {
    if (operation.path != path) continue;
    ASSERT_NE(operation.answer, nullptr);
    std::vector<std::string> ignored;
    FieldReader(answer, *operation.answer, "", UnknownFields::refuse, ignored);
    return;
  }
  ADD_FAILURE() << path << " is not described";
}

json::object golden(std::string_view name) {
  return object_of(read_file(fmt::format("{}/tests/api/data/{}", GLIMT_SOURCE_DIR, name), std::size_t{1} << 20));
}

TEST(Descriptions, FitTheAnswers) {
  const ApiDescription& anthropic = anthropic_description();
  expect_described(anthropic, "/v1/messages", golden("anthropic_message.json"));
  expect_described(anthropic, "/v1/messages/count_tokens", count_tokens_answer(1));
  const ApiDescription& ollama = ollama_description();
  expect_described(ollama, "/api/chat", golden("ollama_chat.json"));
  expect_described(ollama, "/api/generate", golden("ollama_generate.json"));
  expect_described(ollama, "/api/tags", golden("ollama_tags.json"));
  expect_described(ollama, "/api/ps", ollama_ps({}));
  expect_described(ollama, "/api/show", golden("ollama_show.json"));
  expect_described(ollama, "/api/version", ollama_version());
  expect_described(ollama, "/api/pull", ollama_pull_done());
  const std::vector<std::vector<float>> vectors{{1}};
  expect_described(ollama, "/api/embed", ollama_embed_answer("m", vectors, 1, {}));
  expect_described(ollama, "/api/embeddings", ollama_embeddings_answer(vectors[0]));
}

// A request of count_tokens may have all that one of messages may have.
TEST(Descriptions, CountingTakesTheSameFields) {
  ASSERT_EQ(kAnthropicCountRequest.fields.size(), kAnthropicRequest.fields.size());
  for (std::size_t i = 0; i < kAnthropicRequest.fields.size(); ++i) {
    EXPECT_EQ(kAnthropicCountRequest.fields[i].name, kAnthropicRequest.fields[i].name);
    EXPECT_FALSE(kAnthropicCountRequest.fields[i].required);
  }
}

}  // namespace
}  // namespace glimt
