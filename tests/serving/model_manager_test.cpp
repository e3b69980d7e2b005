// Loads, leases, memory and time of a ModelManager, with models that are none.
#include "serving/model_manager.h"

#include "base/throws.h"
#include "serving/fake_source.h"

#include <future>
#include <thread>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kCache = 100;
constexpr std::chrono::nanoseconds kForEver{-1};

struct Acquired {
  ModelLease lease;
  std::exception_ptr error;
};

std::future<Acquired> ask(ModelManager& manager, const std::string& name, ModelManager::KeepAlive keep = kForEver) {
  auto promise = std::make_shared<std::promise<Acquired>>();
  manager.acquire(name, keep, [promise](ModelLease lease, std::exception_ptr error) {
    promise->set_value({std::move(lease), std::move(error)});
  });
  return promise->get_future();
}

ModelLease taken(std::future<Acquired> future) {
  Acquired acquired = future.get();
  if (acquired.error) std::rethrow_exception(acquired.error);
  EXPECT_NE(acquired.lease.model, nullptr);
  return std::move(acquired.lease);
}

ModelLease take(ModelManager& manager, const std::string& name, ModelManager::KeepAlive keep = kForEver) {
  return taken(ask(manager, name, keep));
}

ManagerOptions with_memory(std::size_t bytes) {
  ManagerOptions options;
  options.memory = bytes;
  options.cache_memory = kCache;
  return options;
}

std::vector<std::string> names_of(const ManagerStatus& status) {
  std::vector<std::string> names;
  for (const ModelStatus& model : status.models) names.push_back(model.model.name);
  return names;
}

// What happens on the manager's threads happens soon; ten seconds are for a machine that is very busy.
template <typename Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 10000 && !condition(); ++i) std::this_thread::sleep_for(1ms);
  return condition();
}

class ModelManagerTest : public testing::Test {
 protected:
  FakeStore store_{{{"a", 1000}, {"b", 1000}, {"c", 1000}, {"huge", 1'000'000}}};
};

TEST_F(ModelManagerTest, ForgetsAFolderThatIsNotItsModelsAnyMore) {
  ModelManager manager(store_.source(), with_memory(5000));
  ModelLease used = take(manager, "a");
  manager.forget(manager.find("a").folder);
  EXPECT_EQ(manager.status().models.size(), 1U) << "somebody uses it";
  used = {};
  EXPECT_TRUE(soon([&] { return manager.status().models.empty(); })) << "it was to stay for ever";
  manager.forget("/fake/a");
  take(manager, "a");
  EXPECT_EQ(store_.loads(), 2);
}

TEST_F(ModelManagerTest, WithoutItsDefaultModelTheOthersAreFound) {
  ManagerOptions options = with_memory(5000);
  options.default_model = "gone";
  ModelManager manager(store_.source(), options);
  EXPECT_EQ(manager.list().size(), 4U);
  EXPECT_EQ(manager.find("b").name, "b");
  EXPECT_ERROR(manager.find(""), ErrorKind::invalid_request, HasSubstr("no default model"));
}

TEST_F(ModelManagerTest, LoadsWhatIsAskedForAndKeepsIt) {
  ModelManager manager(store_.source(), with_memory(5000));
  EXPECT_TRUE(manager.status().models.empty());
  EXPECT_EQ(take(manager, "A:latest").model->name(), "a");
  EXPECT_EQ(take(manager, "a").model->name(), "a");
  EXPECT_EQ(store_.loads(), 1);
  const ManagerStatus status = manager.status();
  ASSERT_EQ(status.models.size(), 1U);
  EXPECT_EQ(status.models[0].state, ModelStatus::State::loaded);
  EXPECT_EQ(status.models[0].bytes, 1000 + kCache);
  EXPECT_EQ(status.models[0].context, 2048U);
  EXPECT_EQ(status.models[0].expires, std::nullopt);
  EXPECT_EQ(status.memory, 5000U);
  EXPECT_EQ(status.used, 1000 + kCache);
}

TEST_F(ModelManagerTest, TwoWhoAskForOneModelLoadItOnce) {
  ModelManager manager(store_.source(), with_memory(5000));
  store_.hold();
  auto first = ask(manager, "a"), second = ask(manager, "/fake/a");
  ASSERT_TRUE(soon([&] { return manager.status().models.size() == 1 && manager.status().models[0].waiting == 2; }));
  store_.release();
  const ModelLease one = taken(std::move(first)), two = taken(std::move(second));
  EXPECT_EQ(one.model.get(), two.model.get());
  EXPECT_GT(one.load_seconds, 0);
  EXPECT_EQ(store_.loads(), 1);
  EXPECT_EQ(manager.status().models[0].leases, 2);
  EXPECT_EQ(take(manager, "a").load_seconds, 0);
}

TEST_F(ModelManagerTest, TellsHowFarALoadIs) {
  ModelManager manager(store_.source(), with_memory(5000));
  store_.hold();
  auto waiting = ask(manager, "a");
  store_.wait_for_loads(1);
  ASSERT_TRUE(soon([&] { return manager.status().models[0].load.done_bytes == 500; }));
  const ModelStatus status = manager.status().models[0];
  EXPECT_EQ(status.state, ModelStatus::State::loading);
  EXPECT_EQ(status.load.stage, LoadStage::reading);
  EXPECT_EQ(status.load.total_bytes, 1000U);
  EXPECT_EQ(status.waiting, 1);
  store_.release();
  taken(std::move(waiting));
  EXPECT_EQ(manager.status().models[0].load.stage, LoadStage::loaded);
}

TEST_F(ModelManagerTest, AFailedLoadFailsItsWaitersAndMayBeTriedAgain) {
  ModelManager manager(store_.source(), with_memory(5000));
  store_.fail_loads(true);
  store_.hold();
  auto first = ask(manager, "a"), second = ask(manager, "a");
  ASSERT_TRUE(soon([&] { return manager.status().models.size() == 1 && manager.status().models[0].waiting == 2; }));
  store_.release();
  EXPECT_ERROR(taken(std::move(first)), ErrorKind::bad_file, HasSubstr("damaged"));
  EXPECT_ERROR(taken(std::move(second)), ErrorKind::bad_file, HasSubstr("damaged"));
  EXPECT_TRUE(manager.status().models.empty());
  EXPECT_EQ(manager.status().used, 0U);
  store_.fail_loads(false);
  EXPECT_EQ(take(manager, "a").model->name(), "a");
  EXPECT_EQ(store_.loads(), 2);
}

TEST_F(ModelManagerTest, AnUnknownNameIsToldAtOnceBesideALoad) {
  ModelManager manager(store_.source(), with_memory(5000));
  store_.hold();
  auto waiting = ask(manager, "a");
  store_.wait_for_loads(1);
  EXPECT_ERROR(take(manager, "nothing"), ErrorKind::not_found, HasSubstr("'nothing'"));
  store_.release();
  taken(std::move(waiting));
}

TEST_F(ModelManagerTest, TheOneUsedLongestAgoGoesFirst) {
  ModelManager manager(store_.source(), with_memory(2 * (1000 + kCache)));
  take(manager, "a");
  take(manager, "b");
  take(manager, "a");
  take(manager, "c");
  EXPECT_THAT(names_of(manager.status()), ElementsAre("a", "c"));
  EXPECT_EQ(store_.alive(), 2);
}

TEST_F(ModelManagerTest, AModelInUseNeverGoes) {
  ModelManager manager(store_.source(), with_memory(2 * (1000 + kCache)));
  const ModelLease a = take(manager, "a");
  ModelLease b = take(manager, "b");
  EXPECT_ERROR(take(manager, "c"), ErrorKind::overloaded, AllOf(HasSubstr("'c'"), HasSubstr("1100 bytes")));
  EXPECT_THAT(names_of(manager.status()), ElementsAre("a", "b"));
  b = {};
  EXPECT_EQ(take(manager, "c").model->name(), "c");
  EXPECT_THAT(names_of(manager.status()), ElementsAre("a", "c"));
  EXPECT_EQ(a.model->name(), "a");
}

TEST_F(ModelManagerTest, NothingGoesForAModelThatCouldNotComeAnyway) {
  ModelManager manager(store_.source(), with_memory(5000));
  take(manager, "a");
  EXPECT_ERROR(take(manager, "huge"), ErrorKind::unsupported,
               AllOf(HasSubstr("'huge'"), HasSubstr("1000100 bytes"), HasSubstr("5.0 kB")));
  EXPECT_THAT(names_of(manager.status()), ElementsAre("a"));
}

TEST_F(ModelManagerTest, ANonePossibleEvictionChangesNothing) {
  ModelManager manager(store_.source(), with_memory(2 * (1000 + kCache) - 1));
  const ModelLease a = take(manager, "a");
  EXPECT_ERROR(take(manager, "b"), ErrorKind::overloaded, HasSubstr("'b'"));
  EXPECT_THAT(names_of(manager.status()), ElementsAre("a"));
}

TEST_F(ModelManagerTest, TheCacheIsHalfOfWhatIsFreeWhereNothingIsSaid) {
  constexpr std::size_t kGigabyte = std::size_t{1} << 30;
  FakeStore store({{"a", kGigabyte}, {"b", kGigabyte}});
  ManagerOptions options = with_memory(5 * kGigabyte);
  options.cache_memory = 0;
  ModelManager manager(store.source(), options);
  take(manager, "a");
  EXPECT_EQ(manager.status().used, 3 * kGigabyte);
  take(manager, "b");  // beside it: half of the one gigabyte that is left for its cache
  EXPECT_EQ(manager.status().used, 4 * kGigabyte + kGigabyte / 2);
  EXPECT_EQ(manager.status().models.size(), 2U);
}

TEST_F(ModelManagerTest, KeepAliveOfZeroEndsWithTheLease) {
  ModelManager manager(store_.source(), with_memory(5000));
  ModelLease lease = take(manager, "a", 0ns);
  EXPECT_NE(manager.status().models[0].expires, std::nullopt);
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(store_.alive(), 1);
  ModelLease copy = lease;
  lease = {};
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(store_.alive(), 1);
  copy = {};
  EXPECT_TRUE(soon([&] { return manager.status().models.empty(); }));
  EXPECT_EQ(store_.alive(), 0);
  EXPECT_EQ(manager.status().used, 0U);
}

TEST_F(ModelManagerTest, KeepAliveCountsFromTheEndOfTheLastLease) {
  ManagerOptions options = with_memory(5000);
  options.keep_alive = 200ms;
  ModelManager manager(store_.source(), options);
  ModelLease lease = take(manager, "a", std::nullopt);
  std::this_thread::sleep_for(300ms);
  ASSERT_EQ(store_.alive(), 1);
  const auto before = std::chrono::system_clock::now();
  lease = {};
  const auto expires = manager.status().models.at(0).expires;
  ASSERT_NE(expires, std::nullopt);
  EXPECT_GT(*expires, before + 100ms);
  EXPECT_LT(*expires, before + 10s);
  EXPECT_TRUE(soon([&] { return store_.alive() == 0; }));
}

TEST_F(ModelManagerTest, TheLastKeepAliveHolds) {
  ModelManager manager(store_.source(), with_memory(5000));
  const ModelLease stays = take(manager, "a", 0ns);
  take(manager, "a", 1h);
  const auto expires = manager.status().models[0].expires;
  ASSERT_NE(expires, std::nullopt);
  EXPECT_GT(*expires, std::chrono::system_clock::now() + 59min);
  take(manager, "a", std::chrono::nanoseconds::max());
  EXPECT_EQ(manager.status().models[0].expires, std::nullopt);
}

TEST_F(ModelManagerTest, UnloadWaitsForTheLeases) {
  ModelManager manager(store_.source(), with_memory(5000));
  ModelLease lease = take(manager, "a");
  EXPECT_FALSE(manager.unload("b"));
  EXPECT_TRUE(manager.unload("A"));
  EXPECT_ERROR(manager.unload("nothing"), ErrorKind::not_found, HasSubstr("nothing"));
  EXPECT_EQ(store_.alive(), 1);
  lease = {};
  EXPECT_TRUE(soon([&] { return manager.status().models.empty(); }));
  EXPECT_EQ(take(manager, "a").model->name(), "a");  // and may come again
  EXPECT_EQ(store_.loads(), 2);
}

TEST_F(ModelManagerTest, AliasesMeanTheDefaultOrTheLoadedOne) {
  ModelManager free(store_.source(), with_memory(5000));
  EXPECT_ERROR(take(free, "claude-opus-4-8"), ErrorKind::not_found, HasSubstr("claude-opus-4-8"));
  EXPECT_ERROR(take(free, ""), ErrorKind::invalid_request, HasSubstr("no default"));
  take(free, "a");
  take(free, "b");
  EXPECT_EQ(take(free, "gpt-5").model->name(), "b");
  EXPECT_EQ(take(free, "").model->name(), "b");
  ManagerOptions options = with_memory(5000);
  options.default_model = "c";
  options.strict_models = true;
  ModelManager strict(store_.source(), options);
  EXPECT_EQ(take(strict, "").model->name(), "c");
  EXPECT_ERROR(take(strict, "gpt-5"), ErrorKind::not_found, HasSubstr("gpt-5"));
}

TEST_F(ModelManagerTest, TooManyWhoWaitAreRefused) {
  ManagerOptions options = with_memory(5000);
  options.most_waiting = 2;
  ModelManager manager(store_.source(), options);
  store_.hold();
  auto first = ask(manager, "a"), second = ask(manager, "b");
  EXPECT_ERROR(taken(ask(manager, "c")), ErrorKind::overloaded, HasSubstr("2 requests wait"));
  store_.release();
  taken(std::move(first));
  taken(std::move(second));
}

TEST_F(ModelManagerTest, ShutdownEndsALoadAndWhoWaits) {
  ModelManager manager(store_.source(), with_memory(5000));
  store_.hold();
  auto loads = ask(manager, "a"), waits = ask(manager, "b");
  store_.wait_for_loads(1);
  manager.shutdown();
  EXPECT_ERROR(taken(std::move(loads)), ErrorKind::overloaded, HasSubstr("shutting down"));
  EXPECT_ERROR(taken(std::move(waits)), ErrorKind::overloaded, HasSubstr("shutting down"));
  EXPECT_ERROR(take(manager, "a"), ErrorKind::overloaded, HasSubstr("shutting down"));
  EXPECT_EQ(store_.alive(), 0);
}

TEST_F(ModelManagerTest, ALeaseOutlivesTheManager) {
  ModelLease lease;
  {
    ModelManager manager(store_.source(), with_memory(5000));
    lease = take(manager, "a");
    take(manager, "b");
  }
  EXPECT_EQ(store_.alive(), 1);
  EXPECT_EQ(lease.model->name(), "a");
  lease = {};
  EXPECT_EQ(store_.alive(), 0);
}

TEST_F(ModelManagerTest, ACallbackThatThrowsHurtsNobody) {
  ModelManager manager(store_.source(), with_memory(5000));
  manager.acquire("a", 0ns, [](const ModelLease&, const std::exception_ptr&) { throw std::runtime_error("no"); });
  EXPECT_TRUE(soon([&] { return store_.loads() == 1 && manager.status().models.empty(); }));
  EXPECT_EQ(take(manager, "b").model->name(), "b");
}

// Many threads, few bytes: every acquire ends, and with a model of the right name or with overloaded.
TEST_F(ModelManagerTest, ManyAskAtOnce) {
  ModelManager manager(store_.source(), with_memory(2 * (1000 + kCache)));
  std::atomic<int> served = 0, refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string name(1, static_cast<char>('a' + (t * 7 + i * 5) % 3));
        Acquired got = ask(manager, name, i % 3 == 0 ? 0ns : kForEver).get();
        if (got.error) {
          EXPECT_ERROR(std::rethrow_exception(got.error), ErrorKind::overloaded, HasSubstr(name));
          ++refused;
        } else {
          EXPECT_EQ(got.lease.model->name(), name);
          ++served;
        }
        EXPECT_LE(store_.alive(), 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served + refused, 8 * 200);
  EXPECT_GT(served, 0);
}

}  // namespace
}  // namespace glimt
