#include "server/prepare_answers.h"

#include "api/problem.h"
#include "chat/settings.h"
#include "text/glm_tags.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMostBytesAToken = 16;  // a longer text cannot fit, and is not read to find out
constexpr std::size_t kBytesAToken = 4;       // of usual text, to say about how long it is

[[noreturn]] void throw_too_long(std::size_t tokens, std::size_t context) {
  throw ApiError(ErrorKind::invalid_request, prompt_too_long(tokens, context));
}

std::size_t context_of(const ServedModel& model, const ApiRequest& request) {
  const std::size_t context = model.resources().context;
  return request.context == 0 ? context : std::min(request.context, context);
}

PreparedChat checked(const ServedModel& model, const ChatRequest& request, const RenderedPrompt& prompt,
                     std::size_t context) {
  check_bytes(prompt.text.size(), context);
  PreparedChat prepared = prepare_prompt(model.resources(), request, prompt);
  if (prepared.prompt().size() >= context) throw_too_long(prepared.prompt().size(), context);
  return prepared;
}

struct Beginning {
  std::string thinking, content;
};

std::string text_in(const json::object& message, std::string_view name) {
  const json::value* value = message.if_contains(name);
  return value != nullptr && is_text(*value) ? std::string(value->get_string()) : std::string();
}

// The last message, which must be a beginning of the answer. Taken out of the messages.
Beginning take_beginning(ChatRequest& request) {
  const json::object* last = request.messages.empty() ? nullptr : request.messages.back().if_object();
  const json::value* content = last == nullptr ? nullptr : last->if_contains("content");
  if (content == nullptr || !is_text(*content) || last->contains("tool_calls")) {
    fail(ErrorKind::invalid_request, "messages", "only text can be continued, and the last message is none");
  }
  Beginning beginning{text_in(*last, "reasoning_content"), std::string(content->get_string())};
  request.messages.pop_back();
  return beginning;
}

void append_control(RenderedPrompt& prompt, GlmTag tag, const Tokenizer& tokenizer) {
  const std::size_t begin = prompt.text.size();
  prompt.text += text_of(tag);
  if (const std::optional<TokenId> id = tokenizer.token_id(text_of(tag))) {
    prompt.controls.push_back({begin, prompt.text.size(), *id});
  }
}

RenderedPrompt rendered(const ServedModel& model, const ApiRequest& request) {
  if (!request.continues_answer) return render_prompt(model.resources(), request.chat);
  ChatRequest chat = request.chat;
  const Beginning beginning = take_beginning(chat);
  chat.thinking = !beginning.thinking.empty();  // else it is over where the answer has begun
  RenderedPrompt prompt = render_prompt(model.resources(), chat);
  if (chat.thinking && ends_inside_thinking(prompt)) {
    prompt.text += beginning.thinking;
    if (beginning.content.empty()) return prompt;  // it was cut in the thinking
    append_control(prompt, GlmTag::think_end, model.resources().tokenizer);
  }
  prompt.text += beginning.content;
  return prompt;
}

bool is_system(const json::value& message) {
  const json::object* object = message.if_object();
  const json::value* role = object == nullptr ? nullptr : object->if_contains("role");
  return role != nullptr && role->is_string() && role->get_string() == "system";
}

// The messages without the `count` oldest that are no system messages.
json::array without_oldest(const json::array& messages, std::size_t count) {
  json::array kept;
  for (const json::value& message : messages) {
    if (count > 0 && !is_system(message)) {
      --count;
    } else {
      kept.push_back(message);
    }
  }
  return kept;
}

// As many of the messages as fit, the last one in any case.
PreparedChat prepare_newest(const ServedModel& model, const ApiRequest& request, std::size_t context) {
  const json::array& all = request.chat.messages;
  const auto systems = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_system));
  std::size_t least = 1, most = all.size() - systems;  // to drop; what is below `least` does not fit
  std::optional<PreparedChat> best;
  while (least < most) {
    const std::size_t count = least + (most - least) / 2;
    ApiRequest shorter = request;
    shorter.chat.messages = without_oldest(all, count);
    try {
      best = checked(model, shorter.chat, rendered(model, shorter), context);
      most = count;
    } catch (const ApiError&) {
      if (count + 1 == all.size() - systems) throw;
      least = count + 1;
    }
  }
  return best.value();
}

PreparedChat prepare_chat(const ServedModel& model, const ApiRequest& request, std::size_t context) {
  try {
    return checked(model, request.chat, rendered(model, request), context);
  } catch (const ApiError&) {
    const json::array& all = request.chat.messages;
    const auto others = all.size() - static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_system));
    if (!request.drop_oldest || others < 2) throw;
  }
  return prepare_newest(model, request, context);
}

RenderedPrompt literal_prompt(const ServedModel& model, const std::string& text, bool controls) {
  RenderedPrompt prompt{text, {}};
  if (controls) prompt.controls = model.resources().tokenizer.controls().find(text);
  return prompt;
}

ApiRequest with_sampling(const ServedModel& model, ApiRequest request) {
  request.chat.sampling = request.sampling.over(model.defaults());
  DryParams& dry = request.chat.sampling.dry;
  if (dry.multiplier > 0) {
    const std::vector<std::string> breakers = request.sampling.dry_breakers.value_or(ChatSettings().dry_breakers);
    dry.breakers = dry_breaker_tokens(breakers, model.resources().tokenizer);
  }
  request.chat.sampling.validate();
  return request;
}

}  // namespace

void check_bytes(std::size_t bytes, std::size_t context) {
  if (bytes / kMostBytesAToken > context) throw_too_long(bytes / kBytesAToken, context);
}

std::size_t PreparedAnswers::room(const PreparedChat& prompt) const { return context - prompt.prompt().size(); }

std::size_t PreparedAnswers::most_tokens(const PreparedChat& prompt) const {
  return max_tokens == 0 ? room(prompt) : std::min(max_tokens, room(prompt));
}

GenerationRequest PreparedAnswers::generation(std::size_t answer) const {
  const PreparedChat& prompt = prompt_of(answer);
  GenerationRequest request = prompt.generation(answer % choices);
  request.max_tokens = most_tokens(prompt);
  request.name_space = name_space;
  return request;
}

PreparedAnswers prepare_answers(const ServedModel& model, ApiRequest asked, std::string name_space) {
  ApiRequest request = with_sampling(model, std::move(asked));
  PreparedAnswers answers;
  answers.choices = request.choices;
  answers.context = context_of(model, request);
  answers.max_tokens = request.chat.max_tokens;
  answers.name_space = std::move(name_space);
  if (request.prompts.empty()) answers.prompts.push_back(prepare_chat(model, request, answers.context));
  for (const std::string& text : request.prompts) {
    const RenderedPrompt prompt = literal_prompt(model, text, request.raw_controls);
    answers.prompts.push_back(checked(model, request.chat, prompt, answers.context));
  }
  for (const PreparedChat& prompt : answers.prompts) answers.prompt_tokens += prompt.prompt().size();
  return answers;
}

std::size_t count_prompt_tokens(const ServedModel& model, ApiRequest request) {
  if (request.chat.messages.empty()) request.chat.messages.push_back({{"role", "user"}, {"content", ""}});
  return model.resources().tokenizer.encode(rendered(model, request)).size();
}

}  // namespace glimt
