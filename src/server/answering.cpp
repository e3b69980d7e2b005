#include "server/answering.h"

#include "api/timestamps.h"
#include "api/wire.h"
#include "server/choice.h"
#include "server/requests.h"
#include "server/waiting.h"

#include <fmt/format.h>
#include <algorithm>

#include <utility>
#include <vector>

namespace glimt {
namespace {

asio::awaitable<ParsedRequest> read_request(Exchange& exchange, ParseRequest parse, const ApiOptions& options) {
  auto read = [body = std::move(exchange.request().body), parse, options] { return parse(object_of(body), options); };
  co_return co_await in_pool(exchange, std::move(read));
}

std::string name_space_of(const Exchange& exchange) { return exchange.key ? exchange.key->name() : std::string(); }

AnswerHead make_head(Exchange& exchange, const ModelLease& lease, const std::string& asked_name) {
  AnswerHead head;
  head.request_id = exchange.id();
  head.model = asked_name.empty() && lease.model ? lease.model->name() : asked_name;
  head.created = unix_seconds(std::chrono::system_clock::now());
  if (lease.model)
    head.fingerprint = fmt::format("{}-{}", lease.model->fingerprint(), exchange.service().options.version);
  head.load_seconds = lease.load_seconds;
  head.new_id = [ids = &exchange.service().ids](std::string_view prefix) { return ids->next(prefix); };
  head.now = [] { return rfc3339_nanoseconds(std::chrono::system_clock::now()); };
  return head;
}

// Everything between the prompt and the end of the response. Whatever ends it, the engine's work ends with it.
class Answer {
 public:
  Answer(Exchange& exchange, ModelLease lease, PreparedAnswers prepared, bool streamed, HttpFields fields)
      : exchange_(exchange),
        lease_(std::move(lease)),
        prepared_(std::move(prepared)),
        streamed_(streamed),
        fields_(std::move(fields)),
        progress_(exchange.service().requests.add(exchange.id(), lease_.model->name(), exchange.request().path,
                                                  prepared_.prompt_tokens, exchange.came())) {
    ++exchange_.service().answering;
  }
  ~Answer() {
    --exchange_.service().answering;
    account();
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  // An engine that is full, or that does not take the request, says so at once, while the status is still ours to
  // choose.
  // Both outlive it.
  asio::awaitable<void> run(const ParsedRequest& parsed, const AnswerHead& head) {
    start(parsed.make_writer(head));
    const auto patience = exchange_.service().options.timeouts.keep_alive;
    auto next_sign = Connection::Clock::now() + patience;
    while (!ended()) {
      std::string out;
      const bool more = take(out);
      const auto now = Connection::Clock::now();
      if (out.empty() && now >= next_sign) check_engine();
      if (out.empty() && now >= next_sign && streamed_) out = writer_->keep_alive();
      if (!out.empty() || now >= next_sign) next_sign = now + patience;
      if (streamed_) exchange_.send(out);
      check_client();
      if (!more && !ended()) co_await exchange_.connection().changed(next_sign);
    }
    finish();
  }

  void fail(const Problem& problem) {
    failed_ = true;
    if (!exchange_.started()) return exchange_.respond(problem);
    exchange_.service().outcomes.add_error(problem.status, exchange_.request().path, problem.message);
    exchange_.send(writer_->fail(problem));
    exchange_.end();
  }

 private:
  void start(std::unique_ptr<AnswerWriter> writer) {
    writer_ = std::move(writer);
    std::string first = writer_->start();
    for (std::size_t i = 0; i < prepared_.size(); ++i) submit(i);
    take(first);
    if (streamed_ && !exchange_.started()) exchange_.begin(writer_->content_type(), fields_);
    if (streamed_) exchange_.send(first);
  }

  void submit(std::size_t index) {
    std::shared_ptr<Stream> stream = lease_.model->submit(prepared_.generation(index));
    stream->on_event([waker = exchange_.connection().waker()] { waker->post(); });
    choices_.push_back(std::make_unique<Choice>(lease_.model->resources().tokenizer, prepared_, index,
                                                std::move(stream), exchange_.came()));
    if (index == 0) choices_.front()->report_to(progress_.get());
  }

  bool take(std::string& out) {
    bool more = false;
    for (const auto& choice : choices_) more = choice->take(*writer_, exchange_.service().metrics, out) || more;
    return more;
  }

  bool ended() const {
    return std::all_of(choices_.begin(), choices_.end(), [](const auto& choice) { return choice->ended(); });
  }

  // Of an engine that hangs no event would ever come.
  void check_engine() {
    if (!lease_.model->health().ok) throw Error(ErrorKind::internal, "engine: does not go on");
  }

  void check_client() {
    if (exchange_.service().stopped) throw Error(ErrorKind::overloaded, "the server stops: the answer was ended");
    if (exchange_.connection().ended()) throw ClientGone{};
    if (exchange_.connection().unsent() <= exchange_.service().options.limits.unsent_bytes) return;
    exchange_.record().note = "client does not read";
    throw ClientGone{};
  }

  void finish() {
    const std::string last = writer_->finish();
    complete_ = true;
    if (streamed_) {
      exchange_.send(last);
      exchange_.end();
    } else {
      exchange_.respond({200, std::string(writer_->content_type()), last, fields_});
    }
  }

  void account() {
    AccessRecord& record = exchange_.record();
    record.prompt_tokens = prepared_.prompt_tokens;
    for (const auto& choice : choices_) {
      const AnswerTimes& times = choice->times();
      record.generated_tokens += times.generated_tokens;
      record.reused_tokens = std::max(record.reused_tokens, times.reused_tokens);
      record.first_token_seconds = std::max(record.first_token_seconds, times.first_token);
      if (choice->ended()) exchange_.service().metrics.count_answer(times);
    }
    if (!complete_) exchange_.service().metrics.count_cancelled();
    exchange_.service().outcomes.count(failed_);
    if (exchange_.key) exchange_.key->spend_tokens(record.prompt_tokens + record.generated_tokens);
  }

  Exchange& exchange_;
  ModelLease lease_;
  PreparedAnswers prepared_;
  bool streamed_;
  HttpFields fields_;
  std::shared_ptr<RequestProgress> progress_;  // of the first choice
  std::unique_ptr<AnswerWriter> writer_;
  std::vector<std::unique_ptr<Choice>> choices_;
  bool complete_ = false, failed_ = false;
};

// The model is there, and that is all that was wanted.
void respond_loaded(Exchange& exchange, const ParsedRequest& parsed, const AnswerHead& head) {
  const std::unique_ptr<AnswerWriter> writer = parsed.make_writer(head);
  std::string body = writer->start();
  body += writer->finish();
  exchange.respond({200, std::string(writer->content_type()), body, ignored_fields(parsed.request.ignored)});
}

// Of an event stream whose model is being loaded: a comment, so that the client does not take silence for death. The
// status is gone then. Other forms have nothing that says as little.
std::function<void()> say_that_it_loads(Exchange& exchange, const ApiRequest& request) {
  if (!request.stream || exchange.dialect() == Dialect::ollama) return {};
  return [&exchange, fields = ignored_fields(request.ignored)] {
    if (!exchange.started()) exchange.begin(kEventStreamType, fields);
    exchange.send(sse_comment("the model is being loaded"));
  };
}

asio::awaitable<void> answer_parsed(Exchange& exchange, ParsedRequest parsed) {
  const std::string asked_name = parsed.request.model;
  auto while_loading = say_that_it_loads(exchange, parsed.request);
  ModelLease lease = co_await acquire(exchange, asked_name, parsed.request.keep_alive, std::move(while_loading));
  AnswerHead head = make_head(exchange, lease, asked_name);
  if (parsed.request.load_only) {
    respond_loaded(exchange, parsed, head);
    co_return;
  }
  const bool streamed = parsed.request.stream;
  HttpFields fields = ignored_fields(parsed.request.ignored);
  auto prepare = [model = lease.model, request = std::move(parsed.request), space = name_space_of(exchange)] {
    return prepare_answers(*model, request, space);
  };
  PreparedAnswers prepared = co_await in_pool(exchange, std::move(prepare));
  head.prompt_tokens = prepared.prompt_tokens;
  head.max_tokens = prepared.most_tokens(prepared.prompts.front());
  Answer running(exchange, std::move(lease), std::move(prepared), streamed, std::move(fields));
  const std::exception_ptr error = co_await failure_of(running.run(parsed, head));
  if (!error) co_return;
  log_failure(exchange, error);
  running.fail(problem_of(error));
}

asio::awaitable<void> answer_or_throw(Exchange& exchange, ParseRequest parse, const ApiOptions& options) {
  ParsedRequest parsed = co_await read_request(exchange, parse, options);
  exchange.record().model = parsed.request.model;
  const auto make_writer = parsed.make_writer;
  const std::exception_ptr error = co_await failure_of(answer_parsed(exchange, std::move(parsed)));
  if (!error) co_return;
  if (!exchange.started()) std::rethrow_exception(error);
  log_failure(exchange, error);
  const std::unique_ptr<AnswerWriter> writer = make_writer(make_head(exchange, {}, exchange.record().model));
  exchange.send(writer->start());
  exchange.send(writer->fail(problem_of(error)));
  exchange.end();
}

asio::awaitable<void> count_or_throw(Exchange& exchange, const Counted& route, const ApiOptions& options) {
  ParsedRequest parsed = co_await read_request(exchange, route.parse, options);
  exchange.record().model = parsed.request.model;
  const HttpFields ignored = ignored_fields(parsed.request.ignored);
  const ModelLease lease = co_await acquire(exchange, parsed.request.model, parsed.request.keep_alive);
  auto count = [model = lease.model, request = std::move(parsed.request)] {
    return count_prompt_tokens(*model, request);
  };
  const std::size_t tokens = co_await in_pool(exchange, std::move(count));
  exchange.respond({200, "application/json", dump_json(route.respond(tokens)), ignored});
}

// A call whose request lives as long as the pool works on it, also when the connection has gone.
struct KeptCall {
  explicit KeptCall(const Call& call)
      : request(call.request),
        parameter(call.parameter),
        dialect(call.dialect),
        service(&call.service),
        api(call.api) {}

  Call get() const { return {request, parameter, dialect, *service, api}; }

  HttpRequest request;
  std::string parameter;
  Dialect dialect;
  Service* service;
  ApiOptions api;
};

asio::awaitable<void> work_or_throw(Exchange& exchange, Handler handle, const Call& call) {
  auto handled = [kept = KeptCall(call), handle] { return handle(kept.get()); };
  const HttpResponse response = co_await in_pool(exchange, std::move(handled));
  exchange.respond(response);
}

asio::awaitable<void> work_with_model_or_throw(Exchange& exchange, const Modelled& route, const Call& call) {
  const std::string name = route.model(call.request);
  exchange.record().model = name;
  ModelLease lease = co_await acquire(exchange, name, std::nullopt);
  auto handled = [kept = KeptCall(call), model = lease.model, handle = route.handle] {
    return handle(kept.get(), *model);
  };
  const HttpResponse response = co_await in_pool(exchange, std::move(handled));
  exchange.respond(response);
}

}  // namespace

asio::awaitable<void> answer(Exchange& exchange, const Answered& route, const ApiOptions& options) {
  return respond_to_errors(exchange, answer_or_throw(exchange, route.parse, options));
}

asio::awaitable<void> count_tokens(Exchange& exchange, const Counted& route, const ApiOptions& options) {
  return respond_to_errors(exchange, count_or_throw(exchange, route, options));
}

asio::awaitable<void> work(Exchange& exchange, const Worked& route, const Call& call) {
  return respond_to_errors(exchange, work_or_throw(exchange, route.handle, call));
}

asio::awaitable<void> work_with_model(Exchange& exchange, const Modelled& route, const Call& call) {
  return respond_to_errors(exchange, work_with_model_or_throw(exchange, route, call));
}

}  // namespace glimt
