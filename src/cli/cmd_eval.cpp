// glimt eval: how many questions of a file a model answers as expected, and how fast.
#include "base/file.h"
#include "cli/commands.h"
#include "cli/load_flags.h"
#include "cli/progress.h"
#include "cli/stats.h"
#include "measure/grading.h"

#include <map>
#include <memory>
#include <string>

namespace glimt {
namespace {

constexpr std::size_t kDefaultMaxTokens = 512;

struct EvalArguments {
  std::string model;
  std::string questions;
  LoadFlags load;
  std::size_t limit = 0;
  std::size_t max_tokens = kDefaultMaxTokens;
  bool json = false;
  bool show_wrong = false;
};

struct Score {
  std::size_t right = 0;
  std::size_t total = 0;

  void count(bool is_right) {
    ++total;
    if (is_right) ++right;
  }
};

struct Report {
  std::vector<std::string> tasks;  // in the order of the file
  std::map<std::string, Score> by_task;
  Score all;
  Score well_formed;  // of the questions that expect calls
  Score right_calls;
  GenerationStats sum;
};

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void add(GenerationStats& sum, const GenerationStats& stats) {
  sum.prompt_tokens += stats.prompt_tokens;
  sum.reused_tokens += stats.reused_tokens;
  sum.generated_tokens += stats.generated_tokens;
  sum.drafted += stats.drafted;
  sum.accepted += stats.accepted;
  sum.prefill_seconds += stats.prefill_seconds;
  sum.decode_seconds += stats.decode_seconds;
}

void note(Report& report, const Question& question, const ChatResult& result, bool show_wrong) {
  const bool right = is_right(question, result.output);
  if (!report.by_task.contains(question.task)) report.tasks.push_back(question.task);
  report.by_task[question.task].count(right);
  report.all.count(right);
  if (question.calls) {
    report.well_formed.count(is_well_formed(result.output, ToolSchemas(question.tools)));
    report.right_calls.count(right);
  }
  add(report.sum, result.stats);
  if (!right && show_wrong) {
    const json::object wrong{
        {"task", question.task}, {"messages", question.messages}, {"answer", to_json(result.output)}};
    fmt::print(stderr, "wrong: {}\n", dump_json(wrong));
  }
}

ChatRequest greedy_request(const Question& question, const EvalArguments& arguments) {
  ChatRequest request;
  request.messages = question.messages;
  request.tools = question.tools;
  request.thinking = question.thinking;
  request.sampling.temperature = 0;
  request.max_tokens = arguments.max_tokens;
  return request;
}

void print_row(std::string_view name, const Score& score) {
  fmt::print("{:<16} {:>5} {:>6} {:>7.1f} %\n", name, score.right, score.total, percent(score.right, score.total));
}

void print_table(const Report& report) {
  fmt::print("{:<16} {:>5} {:>6} {:>9}\n", "task", "right", "total", "share");
  for (const std::string& task : report.tasks) print_row(task, report.by_task.at(task));
  print_row("all", report.all);
  if (report.well_formed.total > 0) {
    fmt::print("\nquestions that want tool calls\n");
    print_row("well-formed", report.well_formed);
    print_row("right arguments", report.right_calls);
  }
  fmt::print("\n");
  if (report.sum.drafted > 0) {
    fmt::print("MTP drafts accepted: {} of {} ({:.1f} %)\n", report.sum.accepted, report.sum.drafted,
               percent(report.sum.accepted, report.sum.drafted));
  }
  fmt::print("speed: prompt {:.1f} tokens/s, answer {:.1f} tokens/s\n", prefill_speed(report.sum),
             decode_speed(report.sum, report.all.total));
}

json::object score_json(const Score& score) { return {{"right", score.right}, {"total", score.total}}; }

json::object to_json(const Report& report) {
  json::object tasks;
  for (const std::string& task : report.tasks) tasks[task] = score_json(report.by_task.at(task));
  return {{"all", score_json(report.all)},
          {"tasks", std::move(tasks)},
          {"tool_calls_well_formed", score_json(report.well_formed)},
          {"tool_calls_right", score_json(report.right_calls)},
          {"drafts", {{"accepted", report.sum.accepted}, {"total", report.sum.drafted}}},
          {"prompt_tokens_per_second", prefill_speed(report.sum)},
          {"answer_tokens_per_second", decode_speed(report.sum, report.all.total)}};
}

void run(const EvalArguments& arguments) {
  if (follow_rank_0(arguments.model, arguments.load)) return;
  const std::vector<Question> questions = read_questions(arguments.questions, arguments.limit);
  LoadFlags load = arguments.load;
  load.options.speculation = Speculation::always;  // every guess counts, also where it does not pay
  const ChatModel model = load_model_for(arguments.model, load);
  if (!model.engine->info().has_mtp) fmt::print(stderr, "this checkpoint has no MTP layer: no drafts to measure\n");
  const ChatPipeline pipeline = model.pipeline();
  Report report;
  Progress progress("asking", "questions");
  for (const Question& question : questions) {
    progress.update(report.all.total, questions.size());
    note(report, question, pipeline.run(greedy_request(question, arguments), {}), arguments.show_wrong);
  }
  progress.clear();
  if (arguments.json) {
    fmt::print("{}\n", dump_json(to_json(report)));
  } else {
    print_table(report);
  }
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand("eval", "Answer a file of questions greedily and count what is right");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("questions", arguments->questions, "One question a line, see models/demo/eval")
      ->required()
      ->type_name("FILE.jsonl");
  command->add_option("--limit", arguments->limit, "Only the first N questions (0: all)")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--max-tokens", arguments->max_tokens, "The longest answer")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "One line of JSON instead of tables");
  command->add_flag("--show-wrong", arguments->show_wrong, "Print each wrong answer to stderr");
  arguments->load.add_to(*command);
  command->footer("Exit code 0 once all questions were asked, whatever the answers.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt
