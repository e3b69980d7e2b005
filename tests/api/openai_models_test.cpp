#include "api/openai_models.h"

#include <gtest/gtest.h>

namespace glimt {
namespace {

TEST(OpenAiModels, AsAList) {
  ModelCard card;
  card.name = "org/demo";
  card.modified = 1764115200;
  card.context = 2048;
  const std::string model = R"({"id": "org/demo", "object": "model", "created": 1764115200, "owned_by": "glimt", )"
                            R"("context_length": 2048, "max_model_len": 2048})";
  EXPECT_EQ(dump_json(openai_model(card)), model);
  const std::vector<ModelCard> cards = {card, card};
  EXPECT_EQ(dump_json(openai_models(cards)), fmt::format(R"({{"object": "list", "data": [{}, {}]}})", model, model));
  EXPECT_EQ(dump_json(openai_models({})), R"({"object": "list", "data": []})");
}

}  // namespace
}  // namespace glimt
