#include "server/answering.h"

#include "api/timestamps.h"
#include "api/wire.h"
#include "server/choice.h"
#include "server/loading.h"
#include "server/requests.h"
#include "server/waiting.h"

#include <fmt/format.h>
#include <algorithm>

#include <optional>
#include <utility>
#include <vector>

namespace glimt {
namespace {

constexpr std::chrono::milliseconds kNewsPause{250};  // between two words about where an answer is

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

// The form of an answer that does not depend on its prompt.
struct SentForm {
  bool streamed = false;
  bool tells_progress = false;
  HttpFields fields;
};

// Everything between the prompt and the end of the response. Whatever ends it, the engine's work ends with it.
class Answer {
 public:
  Answer(Exchange& exchange, ModelLease lease, PreparedAnswers prepared, SentForm form)
      : exchange_(exchange),
        lease_(std::move(lease)),
        prepared_(std::move(prepared)),
        form_(std::move(form)),
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
      if (out.empty() && now >= next_sign) check_engine(lease_);
      if (out.empty() && is_told()) out = news(now);
      if (out.empty() && now >= next_sign && form_.streamed) out = writer_->keep_alive();
      if (!out.empty() || now >= next_sign) next_sign = now + patience;
      if (form_.streamed) exchange_.send(out);
      if (exchange_.service().stopped) throw Error(ErrorKind::overloaded, "the server stops: the answer was ended");
      check_client(exchange_);
      if (!more && !ended()) {
        co_await exchange_.connection().changed(is_told() ? std::min(next_sign, now + kNewsPause) : next_sign);
      }
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
    if (form_.streamed && !exchange_.started()) exchange_.begin(writer_->content_type(), form_.fields);
    if (form_.streamed) exchange_.send(first);
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

  // Whether the client still wants to know where its answer is.
  bool is_told() const { return form_.tells_progress && progress_->generated_tokens == 0; }

  std::string news(Connection::Clock::time_point now) {
    if (now < told_at_ + kNewsPause) return {};
    AnswerProgress progress{.phase = AnswerProgress::Phase::prefill};
    if (progress_->phase == RequestProgress::Phase::queued) {
      progress = {.phase = AnswerProgress::Phase::queued, .place = exchange_.service().requests.place_of(*progress_)};
    } else {
      progress.done = progress_->prefilled_tokens;
      progress.total = progress_->prompt_tokens;
    }
    if (told_ == progress) return {};
    told_ = progress;
    told_at_ = now;
    return writer_->progress(progress);
  }

  void finish() {
    const std::string last = writer_->finish();
    complete_ = true;
    if (form_.streamed) {
      exchange_.send(last);
      exchange_.end();
    } else {
      exchange_.respond({200, std::string(writer_->content_type()), last, form_.fields});
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
  SentForm form_;
  std::shared_ptr<RequestProgress> progress_;  // of the first choice
  std::optional<AnswerProgress> told_;         // where it was when the client was told last
  Connection::Clock::time_point told_at_{};
  std::unique_ptr<AnswerWriter> writer_;
  std::vector<std::unique_ptr<Choice>> choices_;
  bool complete_ = false, failed_ = false;
};

// The model is there, and that is all that was wanted.
void respond_loaded(Exchange& exchange, const ParsedRequest& parsed, const AnswerHead& head) {
  const std::unique_ptr<AnswerWriter> writer = parsed.make_writer(head);
  std::string body = writer->start();
  body += writer->finish();
  if (!exchange.started()) {
    return exchange.respond({200, std::string(writer->content_type()), body, ignored_fields(parsed.request.ignored)});
  }
  exchange.send(body);
  exchange.end();
}

asio::awaitable<void> answer_parsed(Exchange& exchange, ParsedRequest parsed) {
  const std::string asked_name = parsed.request.model;
  std::string id;  // that a client may see while the model is being loaded
  if (parsed.request.tells_progress) id = exchange.service().ids.next("chatcmpl-");
  AnswerHead head = make_head(exchange, {}, asked_name);
  head.id = id;
  Meanwhile meanwhile = while_loading(exchange, parsed, head);
  ModelLease lease = co_await acquire(exchange, asked_name, parsed.request.keep_alive, std::move(meanwhile));
  head = make_head(exchange, lease, asked_name);
  head.id = id;
  if (parsed.request.load_only) {
    respond_loaded(exchange, parsed, head);
    co_return;
  }
  SentForm form{parsed.request.stream, parsed.request.tells_progress, ignored_fields(parsed.request.ignored)};
  auto prepare = [model = lease.model, request = std::move(parsed.request), space = name_space_of(exchange)] {
    return prepare_answers(*model, request, space);
  };
  PreparedAnswers prepared = co_await in_pool(exchange, std::move(prepare));
  head.prompt_tokens = prepared.prompt_tokens;
  head.max_tokens = prepared.most_tokens(prepared.prompts.front());
  Answer running(exchange, std::move(lease), std::move(prepared), std::move(form));
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
        api(call.api),
        key(call.key) {}

  Call get() const { return {request, parameter, dialect, *service, api, key}; }

  HttpRequest request;
  std::string parameter;
  Dialect dialect;
  Service* service;
  ApiOptions api;
  std::shared_ptr<const ApiKey> key;
};

asio::awaitable<void> work_or_throw(Exchange& exchange, WorkerPool& pool, Handler handle, const Call& call) {
  auto handled = [kept = KeptCall(call), handle] { return handle(kept.get()); };
  const HttpResponse response = co_await in_pool(exchange, pool, std::move(handled));
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

asio::awaitable<void> work(Exchange& exchange, WorkerPool& pool, Handler handle, const Call& call) {
  return respond_to_errors(exchange, work_or_throw(exchange, pool, handle, call));
}

asio::awaitable<void> work_with_model(Exchange& exchange, const Modelled& route, const Call& call) {
  return respond_to_errors(exchange, work_with_model_or_throw(exchange, route, call));
}

}  // namespace glimt
