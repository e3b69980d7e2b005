// The first byte chooses one of Ollama's endpoints; then the body of a request, a zero, and what the model writes. The
// request is refused with an error that is the client's, or its answer is valid, the same whole and as lines, and a
// chat's can be sent back.
#include "written_answer.h"

#include "api/ollama_chat.h"
#include "api/ollama_embed.h"
#include "api/ollama_models.h"
#include "chat/messages.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>

namespace {

using namespace glimt;

// What one line, or all of them, says.
struct Said {
  std::string content, thinking;
  json::array calls;

  void add(const json::object& line) {
    const json::object& message = line.contains("message") ? line.at("message").get_object() : line;
    content += message.at(line.contains("message") ? "content" : "response").get_string();
    if (message.contains("thinking")) thinking += message.at("thinking").get_string();
    if (!message.contains("tool_calls")) return;
    for (const json::value& call : message.at("tool_calls").get_array()) calls.push_back(call);
  }

  bool operator==(const Said&) const = default;
};

Said joined(std::string_view lines) {
  Said said;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    require(end != lines.npos);
    const json::value line = parse_json(lines.substr(0, end), "line");
    require(line.at("done").get_bool() == (end + 1 == lines.size()));
    said.add(line.get_object());
    lines.remove_prefix(end + 1);
  }
  return said;
}

void check_answer(json::object body, ParseRequest parse, std::string_view answer) {
  body["stream"] = true;
  const ParsedRequest lines = parse(body, {});
  body["stream"] = false;
  const ParsedRequest whole = parse(body, {});
  const ApiRequest& request = whole.request;
  require(request.load_only == (request.chat.messages.empty() && request.prompts.empty()));
  require(dump_json(normalized_messages(request.chat.messages)) == dump_json(request.chat.messages));
  const std::string streamed = written_answer(lines, answer, 3);
  const std::string at_once = written_answer(whole, answer, answer.size() + 1);
  require(!find_invalid_utf8(streamed) && !find_invalid_utf8(at_once));
  const json::value last = parse_json(at_once, "answer");
  Said said;
  said.add(last.get_object());
  require(joined(streamed) == said);
  if (!last.get_object().contains("message")) return;
  parse_ollama_chat({{"messages", json::array{last.at("message")}}}, {});
}

void parse(unsigned char choice, const json::object& body) {
  switch (choice % 6) {
    case 0: parse_ollama_chat(body, {}); break;
    case 1: parse_ollama_generate(body, {}); break;
    case 2: require(!parse_ollama_embed(body).inputs.empty()); break;
    case 3: require(parse_ollama_embeddings(body).inputs.size() == 1); break;
    case 4: require(!parse_ollama_pull(body).model.empty()); break;
    default: require(!parse_ollama_copy(body).destination.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t end = std::min(text.find('\0'), text.size());
  json::value body;
  try {
    body = parse_json(text.substr(0, end), "request");
    if (!body.is_object()) return 0;
    parse(data[0], body.get_object());
  } catch (const Error&) {
    require(problem_of(std::current_exception()).status == 400);
    return 0;
  }
  const std::string_view answer = text.substr(std::min(end + 1, text.size()));
  if (data[0] % 6 == 0) check_answer(body.get_object(), parse_ollama_chat, answer);
  if (data[0] % 6 == 1) check_answer(body.get_object(), parse_ollama_generate, answer);
  return 0;
}
