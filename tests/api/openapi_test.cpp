// The documents of the API, and the tables that they are made from.
#include "api/openapi.h"

#include "api/api_page.h"
#include "api/golden.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

namespace glimt {
namespace {

using testing::HasSubstr;

const json::object& document() {
  static const json::object all = openapi_document("1.2.3");
  return all;
}

// Every table, once.
std::vector<const ApiObject*> all_tables() {
  std::vector<const ApiObject*> tables;
  const auto add = [&](const ApiObject* table) {
    if (table != nullptr && std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  };
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      add(operation.request);
      add(operation.answer);
    }
    for (const ApiObject* object : part->objects) add(object);
  }
  return tables;
}

void collect(const json::value& value, std::set<std::string>& references) {
  if (const json::object* object = value.if_object()) {
    for (const auto& [key, item] : *object) {
      if (key == "$ref") references.emplace(item.as_string());
      collect(item, references);
    }
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) collect(item, references);
  }
}

TEST(OpenApi, Head) {
  EXPECT_EQ(document().at("openapi"), "3.1.0");
  EXPECT_EQ(document().at("info").at("version"), "1.2.3");
  for (const char* path :
       {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/responses", "/v1/messages",
        "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/api/tags", "/health", "/metrics"}) {
    EXPECT_TRUE(document().at("paths").as_object().contains(path)) << path;
  }
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  std::set<std::string> references;
  collect(document(), references);
  EXPECT_GT(references.size(), 20U);
  const json::object& schemas = document().at("components").at("schemas").as_object();
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/components/schemas/")) << reference;
    EXPECT_TRUE(schemas.contains(reference.substr(21))) << reference;
  }
}

TEST(OpenApi, OperationsAreUnique) {
  std::set<std::string> ids, routes;
  for (const auto& [path, methods] : document().at("paths").as_object()) {
    for (const auto& [method, operation] : methods.as_object()) {
      EXPECT_TRUE(ids.insert(std::string(operation.at("operationId").as_string())).second) << path;
      EXPECT_TRUE(operation.at("responses").as_object().contains("200"));
      const json::array& parameters = operation.at("parameters").as_array();
      const auto in_path = [](const json::value& parameter) { return parameter.at("in") == "path"; };
      EXPECT_EQ(path.contains('{'), std::any_of(parameters.begin(), parameters.end(), in_path)) << path;
    }
  }
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      EXPECT_TRUE(routes.insert(fmt::format("{} {}", operation.method, operation.path)).second) << operation.path;
    }
  }
  EXPECT_EQ(ids.size(), routes.size());
}

TEST(OpenApi, ErrorsAreInTheDialectOfThePath) {
  const auto error = [](std::string_view path) {
    return std::string(document()
                           .at("paths")
                           .at(path)
                           .at("post")
                           .at("responses")
                           .at("4XX")
                           .at("content")
                           .at("application/json")
                           .at("schema")
                           .at("$ref")
                           .as_string());
  };
  EXPECT_THAT(error("/v1/messages"), HasSubstr("AnthropicError"));
  EXPECT_THAT(error("/api/chat"), HasSubstr("OllamaError"));
  EXPECT_THAT(error("/v1/chat/completions"), HasSubstr("OpenAiError"));
}

TEST(OpenApi, UnknownFieldsAreErrorsWhereTheyAre) {
  const json::object& schemas = document().at("components").at("schemas").as_object();
  EXPECT_EQ(schemas.at("ChatCompletionRequest").at("additionalProperties"), false);
  EXPECT_EQ(schemas.at("AnthropicRequest").at("additionalProperties"), false);
  EXPECT_FALSE(schemas.at("OllamaChatRequest").as_object().contains("additionalProperties"));
  EXPECT_FALSE(schemas.at("ChatCompletion").as_object().contains("additionalProperties"));
}

TEST(OpenApi, WhatIsRefusedIsNotThere) {
  const json::object& request = document().at("components").at("schemas").at("ChatCompletionRequest").as_object();
  EXPECT_FALSE(request.at("properties").as_object().contains("functions"));
  EXPECT_TRUE(request.at("properties").as_object().contains("tools"));
  EXPECT_EQ(request.at("required"), json::value(json::array{"messages"}));
}

TEST(ApiTables, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const ApiObject* table : all_tables()) {
    EXPECT_TRUE(names.insert(table->name).second) << table->name;
    std::set<std::string_view> fields;
    for (const ApiField& field : table->fields) {
      EXPECT_TRUE(fields.insert(field.name).second) << table->name << "." << field.name;
    }
  }
}

// FieldReader finds a schema's type only there.
TEST(ApiTables, SchemasAreJsonWithTheTypeFirst) {
  for (const ApiObject* table : all_tables()) {
    for (const ApiField& field : table->fields) {
      const json::value schema = parse_json(field.schema, field.name);
      ASSERT_TRUE(schema.is_object()) << table->name << "." << field.name;
      if (schema.get_object().contains("type")) {
        EXPECT_TRUE(field.schema.starts_with("{\"type\": ")) << table->name << "." << field.name;
      }
    }
  }
}

TEST(ApiTables, EveryFieldOfARequestIsExplained) {
  for (const ApiDescription* part : api_descriptions()) {
    for (const ApiOperation& operation : part->operations) {
      if (operation.request == nullptr) continue;
      for (const ApiField& field : operation.request->fields) {
        if (field.use == ApiField::Use::carried) continue;
        EXPECT_FALSE(field.about.empty()) << operation.request->name << "." << field.name;
      }
    }
  }
}

// What stands above this line is written by hand.
TEST(ApiPage, HasTheTables) {
  constexpr std::string_view kMark = "<!-- From here on made from the tables in src/api by ApiPage.HasTheTables. -->\n";
  const std::string page = read_file(std::filesystem::path(GLIMT_SOURCE_DIR) / "docs/API.md", std::size_t{1} << 20);
  const std::size_t mark = page.find(kMark);
  ASSERT_NE(mark, page.npos);
  expect_file("docs/API.md", page.substr(0, mark + kMark.size()) + api_page_tables());
}

}  // namespace
}  // namespace glimt
