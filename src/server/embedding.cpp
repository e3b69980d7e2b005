#include "server/embedding.h"

#include "chat/embedding.h"
#include "server/prepare_answers.h"
#include "server/requests.h"
#include "server/waiting.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kAtOnce = 4;  // texts of one request, so that others get their turn

using Prompts = std::vector<std::vector<TokenId>>;

// The texts of a request as prompts that the context holds.
Prompts prompts_of(const ServedModel& model, const EmbeddingsRequest& request) {
  const ChatResources resources = model.resources();
  const std::size_t context = request.context == 0 ? resources.context : std::min(request.context, resources.context);
  Prompts prompts;
  for (const std::string& text : request.inputs) {
    if (!request.truncate) check_bytes(text.size(), context);
    prompts.push_back(embedding_prompt(resources, text, request.truncate, context));
    const std::size_t tokens = prompts.back().size();
    if (tokens > context) throw ApiError(ErrorKind::invalid_request, prompt_too_long(tokens, context));
  }
  return prompts;
}

// A few of the texts are with the engine at any time; their vectors come in any order.
class Embedding {
 public:
  Embedding(Exchange& exchange, ModelLease lease, Prompts prompts, std::size_t dimensions)
      : exchange_(exchange),
        lease_(std::move(lease)),
        prompts_(std::move(prompts)),
        dimensions_(dimensions),
        streams_(prompts_.size()),
        vectors_(prompts_.size()) {}
  ~Embedding() {
    exchange_.record().prompt_tokens = tokens_;
    if (exchange_.key) exchange_.key->spend_tokens(tokens_);
  }
  Embedding(const Embedding&) = delete;
  Embedding& operator=(const Embedding&) = delete;

  asio::awaitable<void> run() {
    const auto patience = exchange_.service().options.timeouts.keep_alive;
    while (done_ < prompts_.size()) {
      while (submitted_ < prompts_.size() && submitted_ < done_ + kAtOnce) submit(submitted_++);
      const std::size_t before = done_;
      for (std::size_t i = 0; i < submitted_; ++i) take(i);
      if (exchange_.connection().ended()) throw ClientGone{};
      if (exchange_.service().stopped) throw Error(ErrorKind::overloaded, "the server stops");
      if (done_ > before) continue;
      const auto next_look = Connection::Clock::now() + patience;
      co_await exchange_.connection().changed(next_look);
      if (Connection::Clock::now() >= next_look) check_engine(lease_);
    }
  }

  const std::vector<std::vector<float>>& vectors() const { return vectors_; }
  std::size_t tokens() const { return tokens_; }  // of the prompts that the engine was given
  const ModelLease& lease() const { return lease_; }

 private:
  void submit(std::size_t index) {
    GenerationRequest request;
    request.prompt = prompts_[index];
    tokens_ += request.prompt.size();
    request.embed = true;
    if (exchange_.key) request.name_space = exchange_.key->name();
    streams_[index] = lease_.model->submit(std::move(request));
    streams_[index]->on_event([waker = exchange_.connection().waker()] { waker->post(); });
  }

  void take(std::size_t index) {
    while (streams_[index] != nullptr) {
      std::optional<StreamEvent> event = streams_[index]->poll();
      if (!event) return;
      if (const auto* error = std::get_if<std::exception_ptr>(&*event)) std::rethrow_exception(*error);
      auto* result = std::get_if<GenerationResult>(&*event);
      if (result == nullptr) continue;
      if (result->reason == FinishReason::cancelled) throw Error(ErrorKind::overloaded, "the server stops");
      std::vector<float>& vector = result->embedding;
      vectors_[index] = dimensions_ == 0 ? std::move(vector) : shortened(std::move(vector), dimensions_);
      streams_[index].reset();
      ++done_;
    }
  }

  Exchange& exchange_;
  ModelLease lease_;
  Prompts prompts_;
  std::size_t dimensions_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::vector<std::vector<float>> vectors_;
  std::size_t submitted_ = 0, done_ = 0, tokens_ = 0;
};

asio::awaitable<void> embed_or_throw(Exchange& exchange, const Embedded& route, const ApiOptions& options) {
  auto parse = [body = std::move(exchange.request().body), parse = route.parse, options] {
    return parse(object_of(body), options);
  };
  EmbeddingsCall asked = co_await in_pool(exchange, std::move(parse));
  exchange.record().model = asked.request.model;
  ModelLease lease = co_await acquire(exchange, asked.request.model, asked.request.keep_alive);
  auto tokenize = [model = lease.model, request = asked.request] { return prompts_of(*model, request); };
  Prompts prompts = co_await in_pool(exchange, std::move(tokenize));
  Embedding embedding(exchange, std::move(lease), std::move(prompts), asked.request.dimensions);
  co_await embedding.run();
  const std::string name = asked.request.model.empty() ? embedding.lease().model->name() : asked.request.model;
  auto write = [answer = std::move(asked.answer), name, vectors = embedding.vectors(), tokens = embedding.tokens(),
                times = EmbeddingsTimes{exchange.seconds(), embedding.lease().load_seconds}] {
    return dump_json(answer(name, vectors, tokens, times));
  };
  const std::string body = co_await in_pool(exchange, std::move(write));
  exchange.respond({200, "application/json", body, ignored_fields(asked.request.ignored)});
}

}  // namespace

asio::awaitable<void> embed(Exchange& exchange, const Embedded& route, const ApiOptions& options) {
  return respond_to_errors(exchange, embed_or_throw(exchange, route, options));
}

}  // namespace glimt
