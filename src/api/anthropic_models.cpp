#include "api/anthropic_models.h"

#include "api/timestamps.h"

#include <utility>

namespace glimt {

json::object anthropic_model(const ModelCard& card) {
  return {{"type", "model"},
          {"id", card.name},
          {"display_name", card.name},
          {"created_at", rfc3339_seconds(card.modified)},
          {"max_input_tokens", card.context},
          {"max_tokens", card.context}};
}

json::object anthropic_models(std::span<const ModelCard> cards) {
  json::array data;
  for (const ModelCard& card : cards) data.push_back(anthropic_model(card));
  json::value first = nullptr;
  json::value last = nullptr;
  if (!cards.empty()) {
    first = cards.front().name;
    last = cards.back().name;
  }
  return {{"data", std::move(data)}, {"has_more", false}, {"first_id", std::move(first)}, {"last_id", std::move(last)}};
}

}  // namespace glimt
