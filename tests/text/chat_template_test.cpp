#include "text/chat_template.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "text/cpu_time.h"
#include "text/rust_text.h"
#include "text/text_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace glimt {
namespace {

using test::glm_template;
using test::parse_object;
using test::template_of;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string rendered(const ChatTemplate& chat_template, std::string_view request) {
  return chat_template.render(parse_object(request)).text;
}

constexpr std::string_view kHello = R"({"messages": [{"role": "user", "content": "hello"}]})";

TEST(ChatTemplate, RendersTheReleasedTemplateAsHuggingFaceDoes) {
  int lines = 0;
  for (const json::value& line : test::json_lines("renders.jsonl")) {
    const json::object& row = line.as_object();
    ASSERT_EQ(glm_template().render(row.at("input").as_object()).text, std::string(row.at("prompt").as_string()))
        << row.at("input");
    ++lines;
  }
  EXPECT_EQ(lines, 300);
}

// The template prints an assistant's content that is an object as Python does, and then looks for "</think>" in that.
bool prints_an_object_with_thinking(const json::object& request) {
  const json::array& messages = request.at("messages").as_array();
  return std::any_of(messages.begin(), messages.end(), [](const json::value& message) {
    const json::value& content = message.at("content");
    return message.at("role") == "assistant" && content.is_object() &&
           json::serialize(content).find("</think>") != std::string::npos;
  });
}

TEST(ChatTemplate, RendersHostileConversationsAsJinjaDoes) {
  int rendered_lines = 0;
  int failed_in_jinja = 0;
  int not_told_apart = 0;
  for (const json::value& line : test::json_lines("renders_hostile.jsonl")) {
    const json::object& row = line.as_object();
    const json::object& input = row.at("input").as_object();
    SCOPED_TRACE(json::serialize(input));
    if (row.contains("error")) {
      // Jinja2 fails to iterate over None, minijinja takes it for an empty list.
      if (row.at("error").as_string().find("'NoneType' object is not iterable") != json::string::npos) continue;
      EXPECT_ERROR(glm_template().render(input), ErrorKind::invalid_request, StartsWith("chat template: "));
      ++failed_in_jinja;
    } else if (prints_an_object_with_thinking(input)) {
      EXPECT_ERROR(glm_template().render(input), ErrorKind::invalid_request, HasSubstr("text of a control token"));
      ++not_told_apart;
    } else {
      ASSERT_EQ(glm_template().render(input).text, std::string(row.at("prompt").as_string()));
      ++rendered_lines;
    }
  }
  EXPECT_GT(rendered_lines, 380);
  EXPECT_GT(failed_in_jinja, 5);
  EXPECT_GT(not_told_apart, 0);
}

// A render without marks: what a template makes of "variables" is compared to the byte, whatever they spell.
std::string render_plainly(std::string_view source, std::string_view variables) {
  GtChatTemplate* handle = nullptr;
  GtBytes error{};
  rust_text::check(gt_chat_template_new(source.data(), source.size(), &handle, &error), error, "template");
  const std::unique_ptr<GtChatTemplate, void (*)(GtChatTemplate*)> owner(handle, gt_chat_template_free);
  GtBytes text{};
  rust_text::check(gt_chat_template_render(handle, variables.data(), variables.size(), &text, &error), error,
                   "template");
  return rust_text::take(text);
}

// Where Jinja2 prints an object of Python that only says how something is kept: dict_keys(['a']).
bool prints_an_inner_object(std::string_view source) {
  static const std::vector<std::string_view> kKnown = {
      "{{ d.items() }}",
      "{{ d.keys() }}",
      "{{ d.values() }}",
      "{{ range(3) }}",
      "{{ range(2) is sequence }}",
      "{{ i.real }}",
      "{{ r|groupby('k') }}",
      "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}|{{ m.name }}|{{ m.arguments }}"};
  return std::find(kKnown.begin(), kKnown.end(), source) != kKnown.end();
}

// tests/oracle/make_jinja.py. A template may be refused, which is an error that somebody sees; another text is not.
TEST(ChatTemplate, RendersAsJinjaDoesOrRefuses) {
  std::string variables;
  int same = 0, refused = 0, different = 0;
  for (const json::value& line : test::json_lines("renders_jinja.jsonl")) {
    const json::object& row = line.as_object();
    if (row.contains("variables")) {
      variables = dump_json(row.at("variables"));
      continue;
    }
    if (!row.contains("prompt")) continue;
    const std::string source(row.at("template").as_string());
    try {
      const std::string got = render_plainly(source, variables);
      if (prints_an_inner_object(source)) {
        ++different;
        continue;
      }
      EXPECT_EQ(got, std::string(row.at("prompt").as_string())) << source;
      ++same;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_EQ(different, 8);
  EXPECT_GT(same, 700);
  EXPECT_LE(refused, 60);
}

TEST(ChatTemplate, AddsTheGenerationPromptByDefault) {
  EXPECT_EQ(rendered(glm_template(), kHello), "[gMASK]<sop><|user|>hello<|assistant|><think>");
  EXPECT_EQ(rendered(glm_template(),
                     R"({"messages": [{"role": "user", "content": "hello"}], "add_generation_prompt": false})"),
            "[gMASK]<sop><|user|>hello");
}

TEST(ChatTemplate, PassesOtherFieldsOn) {
  EXPECT_EQ(rendered(template_of("{{ effort }}|{{ nested.a[1] }}|{{ tools is none }}|{{ documents is none }}"),
                     R"({"messages": [], "effort": "high", "nested": {"a": [1, 2]}})"),
            "high|2|True|True");
}

TEST(ChatTemplate, TakesTheReasoningUnderAnyOfItsNames) {
  const ChatTemplate both =
      template_of("{% for m in messages %}{{ m.reasoning_content }}/{{ m.thinking }};{% endfor %}");
  EXPECT_EQ(rendered(both, R"({"messages": [{"thinking": "t"}, {"reasoning": "r"}, {"reasoning_content": "c"},
                                            {"reasoning_content": null, "thinking": "t", "reasoning": "r"},
                                            {"reasoning_content": "c", "thinking": "t"}, {"role": "user"}]})"),
            "t/t;r/r;c/c;t/t;c/t;/;");
}

TEST(ChatTemplate, KeepsTheOrderOfKeys) {
  EXPECT_EQ(rendered(template_of("{{ tools[0] | tojson }}"),
                     R"({"messages": [], "tools": [{"z": 1, "a": {"y": 2, "b": [1.0, 1e20, null]}}]})"),
            R"({"z": 1, "a": {"y": 2, "b": [1.0, 1e+20, null]}})");
}

TEST(ChatTemplate, IntegersKeepTheirDigits) {
  const std::string wide = "1500000000000000000001";
  const std::string wider = "-123456789012345678901234567890123456789012345678901234567890";
  const ChatTemplate all =
      template_of("{{ n }}|{{ n|tojson }}|{{ [n] }}|{{ n ~ '' }}|{{ {'k': n}|tojson }}|{{ n|string }}");
  for (const std::string& n : {wide, wider, std::string("18446744073709551615"), std::string("-9223372036854775808")}) {
    std::string shown = "{0}|{0}|[{0}]|{0}|{\"k\": {0}}|{0}";
    for (std::size_t at = shown.find("{0}"); at != shown.npos; at = shown.find("{0}", at)) shown.replace(at, 3, n);
    EXPECT_EQ(rendered(all, R"({"messages": [], "n": )" + n + "}"), shown);
  }
  EXPECT_EQ(rendered(template_of("{{ n is number }}{{ n is integer }}{{ n is string }}{{ n is iterable }}{{ n == n }}"),
                     R"({"messages": [], "n": )" + wider + "}"),
            "TrueTrueFalseFalseTrue");
  EXPECT_EQ(
      rendered(glm_template(), R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"name": "pay",
                     "arguments": {"wei": )" +
                                   wide + R"(, "all": [)" + wider + R"(]}}]}], "tools": [{"name": "pay",
                     "parameters": {"maximum": )" +
                                   wide + "}}]}")
          .find("e+"),
      std::string::npos);
}

TEST(ChatTemplate, RefusesWhatIsNotAConversation) {
  EXPECT_ERROR(glm_template().render({}), ErrorKind::invalid_request, "request: field 'messages' must be an array");
  EXPECT_ERROR(rendered(glm_template(), R"({"messages": "hi"})"), ErrorKind::invalid_request, HasSubstr("'messages'"));
  EXPECT_ERROR(rendered(glm_template(), R"({"messages": ["hi"]})"), ErrorKind::invalid_request,
               "request: every message must be an object");
}

TEST(ChatTemplate, ReportsWhatTheTemplateSays) {
  const ChatTemplate strict = template_of("{{ raise_exception('roles must alternate: ' ~ messages[0].role) }}");
  EXPECT_ERROR(rendered(strict, kHello), ErrorKind::invalid_request, "chat template: roles must alternate: user");
  EXPECT_ERROR(rendered(template_of("\n\n{{ messages.x.y }}"), kHello), ErrorKind::invalid_request,
               StartsWith("chat template: line 3: "));
  EXPECT_ERROR(rendered(template_of("{{ nope(1) }}"), kHello), ErrorKind::invalid_request,
               HasSubstr("unknown function"));
}

TEST(ChatTemplate, EndsTemplatesThatNeverEnd) {
  const CpuTime time;
  for (const char* source : {
           "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
           "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
           "{% for i in range(99999) %}{% for j in range(999) %}{{ messages | tojson }}{% endfor %}{% endfor %}",
           "{% for i in range(99999) %}{% for j in range(999) %}{{ messages }}{% endfor %}{% endfor %}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% set ns = namespace(a=[]) %}{% for i in range(90000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}",
           "{% set ns = namespace(a=[]) %}{% for i in range(90000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a | "
           "tojson }}",
       }) {
    SCOPED_TRACE(source);
    EXPECT_ERROR(rendered(template_of(source), kHello), ErrorKind::invalid_request, StartsWith("chat template: "));
  }
  EXPECT_LT(time.seconds(), 60);
}

TEST(ChatTemplate, RendersALongConversation) {
  json::array messages;
  for (int i = 0; i < 5000; ++i) {
    messages.push_back(json::object{{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(400, 'a')}});
  }
  const RenderedPrompt prompt = glm_template().render({{"messages", std::move(messages)}});
  EXPECT_GT(prompt.text.size(), 2'000'000u);
  EXPECT_EQ(prompt.controls.size(), 2u + 5000u + 2500u + 2u);
}

TEST(ChatTemplate, ServesSeveralThreads) {
  const json::object request = parse_object(kHello);
  const std::string wanted = glm_template().render(request).text;
  std::vector<int> failures(4, 0);
  std::vector<std::thread> threads;
  for (int& failed : failures) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) failed += glm_template().render(request).text == wanted ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(failures, Each(0));
}

// ---- where the template comes from ----

ChatTemplate load(const TemporaryFolder& folder) { return {folder.path(), test::tokenizer()}; }

TEST(ChatTemplateFile, IsChatTemplateJinjaFirst) {
  const TemporaryFolder folder;
  folder.write("chat_template.jinja", "file {{ bos_token }}\n");
  EXPECT_EQ(rendered(load(folder), kHello), "file ");
  folder.write("tokenizer_config.json",
               R"({"chat_template": "config", "bos_token": {"content": "<sop>", "lstrip": false}})");
  EXPECT_EQ(rendered(load(folder), kHello), "file <sop>");
}

TEST(ChatTemplateFile, IsElseInTokenizerConfig) {
  const TemporaryFolder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": "a{{ eos_token }}{{ bos_token }}", "eos_token": "<|user|>"})");
  EXPECT_EQ(rendered(load(folder), kHello), "a<|user|>");
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(rendered(load(folder), kHello), "d");
}

TEST(ChatTemplateFile, ToolUseIsForRequestsWithTools) {
  const std::string with_tools = R"({"messages": [], "tools": [{"name": "f"}]})";
  const TemporaryFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "T{{ tools|length }}"},
      {"name": "rag", "template": "{% nonsense %}"}, {"name": "default", "template": "D"}]})");
  const ChatTemplate named(folder.path(), test::tokenizer());
  EXPECT_EQ(rendered(named, kHello), "D");
  EXPECT_EQ(rendered(named, R"({"messages": [], "tools": null})"), "D");
  EXPECT_EQ(rendered(named, with_tools), "T1");

  folder.write("chat_template.jinja", "J");  // which the list does not add to
  EXPECT_EQ(rendered(ChatTemplate(folder.path(), test::tokenizer()), with_tools), "J");
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  folder.write("additional_chat_templates/tool_use.jinja", "A");
  const ChatTemplate beside(folder.path(), test::tokenizer());
  EXPECT_EQ(rendered(beside, with_tools), "A");
  EXPECT_EQ(rendered(beside, kHello), "J");
}

TEST(ChatTemplateFile, MustBeUsable) {
  const TemporaryFolder folder;
  EXPECT_ERROR(load(folder), ErrorKind::not_found, HasSubstr("tokenizer_config.json"));
  folder.write("tokenizer_config.json", "{}");
  EXPECT_ERROR(load(folder), ErrorKind::not_found, HasSubstr("has no 'chat_template'"));
  folder.write("tokenizer_config.json", "[]");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("must be a JSON object"));
  folder.write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("must be a string or a list"));
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("no template named 'default'"));
  folder.write("tokenizer_config.json", R"({"chat_template": [{"template": "r"}]})");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("field 'name' is missing"));
  folder.write("tokenizer_config.json", "{");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("not valid JSON"));
  folder.write("tokenizer_config.json", R"({"chat_template": "a\n{% if %}"})");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("tokenizer_config.json: line 2: syntax error"));
  folder.write("chat_template.jinja", "\xFF");
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("chat_template.jinja: not valid UTF-8 at byte 0"));
  folder.write("chat_template.jinja", std::string((256u << 10) + 1, 'x'));
  EXPECT_ERROR(load(folder), ErrorKind::bad_file, HasSubstr("at most 262144 wanted"));
}

TEST(ChatTemplateFile, MayBeHostile) {
  EXPECT_ERROR(template_of("{{ " + std::string(200'000, '(') + "1 }}"), ErrorKind::bad_file,
               StartsWith("test.jinja: "));
  EXPECT_EQ(rendered(template_of("{{ " + std::string(60'000, '-') + "1 }}"), kHello), "1");
  std::string nested;
  for (int i = 0; i < 20'000; ++i) nested += "{% if a %}";
  EXPECT_ERROR(template_of(nested), ErrorKind::bad_file, StartsWith("test.jinja: "));
  EXPECT_ERROR(template_of(std::string("{{ '\0", 6)), ErrorKind::bad_file, StartsWith("test.jinja: "));
}

}  // namespace
}  // namespace glimt
