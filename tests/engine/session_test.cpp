#include "engine/engine_support.h"

#include "base/file.h"

#include <boost/crc.hpp>

#include <cstring>

namespace glimt {
namespace {

using testing::HasSubstr;

TEST(Session, IsRefusedWhenItIsDamagedOrOfAnotherModel) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "session";
  const auto engine = load("base");
  const Tokens prompt = some_prompts()[4];
  EXPECT_ERROR(engine->save_session(file, prompt), ErrorKind::not_found, HasSubstr("full block"));
  run(*engine, request_for(prompt, 1));
  EXPECT_GT(engine->save_session(file, prompt), 0u);
  EXPECT_ERROR(engine->load_session(folder.path() / "none"), ErrorKind::not_found, HasSubstr("none"));
  EXPECT_ERROR(load("groups")->load_session(file), ErrorKind::bad_file, HasSubstr("another model"));
  EXPECT_ERROR(Engine::load(golden_folder("base"), {})->load_session(file), ErrorKind::bad_file,
               HasSubstr("cache type"));
  const std::string good = read_file(file);
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{40}, good.size() / 2, good.size() - 1}) {
    write_file_atomically(file, good.substr(0, length));
    EXPECT_ERROR(engine->load_session(file), ErrorKind::bad_file, HasSubstr("session"));
  }
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{13}, std::size_t{17}, std::size_t{25},
                               std::size_t{60}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x11);
    write_file_atomically(file, bad);
    EXPECT_ERROR(engine->load_session(file), ErrorKind::bad_file, HasSubstr("session"));
  }
}

// A file with the right key and checksum whose blocks have half the size.
void write_with_half_blocks(const std::filesystem::path& good, const std::filesystem::path& bad) {
  const std::string file = read_file(good);
  std::uint32_t key = 0;
  std::uint64_t bytes = 0;
  std::memcpy(&key, file.data() + 12, sizeof key);
  std::memcpy(&bytes, file.data() + 24, sizeof bytes);
  const std::uint64_t one = 1, half = bytes / 2;
  std::string out = file.substr(0, 32 + key);
  std::memcpy(out.data() + 16, &one, sizeof one);
  std::memcpy(out.data() + 24, &half, sizeof half);
  out += file.substr(32 + key, 128 * sizeof(TokenId)) + std::string(half, '\0');
  boost::crc_32_type crc;
  crc.process_bytes(out.data(), out.size());
  const auto sum = static_cast<std::uint32_t>(crc.checksum());
  out.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  write_file_atomically(bad, out);
}

TEST(Session, BlocksOfAnotherSizeAreRefusedAndTakeNoBlock) {
  const TemporaryFolder folder;
  const auto engine = load("base");
  const Tokens prompt = some_prompts()[4];
  run(*engine, request_for(prompt, 1));
  engine->save_session(folder.path() / "good", prompt);
  write_with_half_blocks(folder.path() / "good", folder.path() / "bad");
  const int free = settled(*engine).free_blocks;
  for (int i = 0; i < 5; ++i) {
    EXPECT_ERROR(engine->load_session(folder.path() / "bad"), ErrorKind::bad_file, HasSubstr("blocks of"));
  }
  EXPECT_EQ(settled(*engine).free_blocks, free);
}

// A wrong checksum is seen when all blocks are in the pool already: none may stay, none may be found.
TEST(Session, ADamagedFileLeavesNothingInTheCache) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "session";
  const Tokens prompt = some_prompts()[4];
  {
    const auto engine = load("base");
    run(*engine, request_for(prompt, 1));
    engine->save_session(file, prompt);
  }
  std::string bytes = read_file(file);
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  write_file_atomically(file, bytes);
  const auto engine = load("base");
  EXPECT_ERROR(engine->load_session(file), ErrorKind::bad_file, HasSubstr("checksum"));
  EXPECT_EQ(settled(*engine).cached_blocks, 0);
  EXPECT_EQ(run(*engine, request_for(prompt, 1)).result.stats.reused_tokens, 0u);
}

TEST(Session, OfMoreThanTheCacheHoldsIsTakenInPart) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "session";
  const Tokens prompt = some_prompts()[4];
  std::size_t block = 0;
  {
    const auto engine = load("base");
    run(*engine, request_for(prompt, 1));
    EXPECT_EQ(engine->save_session(file, prompt), 256u);
    block = settled(*engine).block_bytes;
  }
  const auto small = load("base", {.cache_memory = 2 * block});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(small->load_session(file), 256u);
  EXPECT_EQ(settled(*small).cached_blocks, 2);
  const auto busy = load("base", {.cache_memory = 3 * block});
  const auto stream = busy->submit(request_for(first(prompt, 100), 200));
  while (!std::holds_alternative<TokenEvent>(*stream->next())) continue;
  EXPECT_LE(busy->load_session(file), 256u);
  EXPECT_EQ(read(*stream).tokens.size(), 155u);  // one was read already
}

TEST(Session, IsOfOneConfigurationAndOneOwner) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "session";
  const Tokens prompt = some_prompts()[4];
  const auto engine = load("base");
  GenerationRequest request = request_for(prompt, 1);
  request.name_space = "alice";
  run(*engine, request);
  EXPECT_EQ(engine->save_session(file, prompt, "alice"), 256u);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_ERROR(engine->load_session(file, "bob"), ErrorKind::bad_file, HasSubstr("owner"));
  EXPECT_ERROR(engine->load_session(file), ErrorKind::bad_file, HasSubstr("owner"));
  EXPECT_EQ(engine->load_session(file, "alice"), 256u);

  Checkpoint other = Checkpoint::read("base");
  other.config["routed_scaling_factor"] = 2.5;
  EXPECT_ERROR(load(other)->load_session(file, "alice"), ErrorKind::bad_file, HasSubstr("configuration"));
  // The same rows in float32, but not made exactly.
  const auto rounded = Engine::load(golden_folder("base"), {.cache_type = kernels::RowType::f32});
  EXPECT_ERROR(rounded->load_session(file, "alice"), ErrorKind::bad_file, HasSubstr("exact"));
}

// The rows of the MTP layer come along: guesses are as good after a restart as before.
TEST(Session, KeepsTheRowsOfTheMtpLayer) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "session";
  const Checkpoint model = repetitive_mtp();
  const EngineOptions options{.speculation = Speculation::always};
  GenerationRequest request = request_for(some_prompts()[4], 60);
  Answer wanted;
  {
    const auto engine = load(model, options);
    wanted = run(*engine, request);
    EXPECT_EQ(engine->save_session(file, request.prompt), 256u);
  }
  const auto engine = load(model, options);
  EXPECT_EQ(engine->load_session(file), 256u);
  const Answer answer = run(*engine, request);
  EXPECT_EQ(answer.result.stats.reused_tokens, 255u);
  EXPECT_EQ(answer.tokens, wanted.tokens);
  EXPECT_GT(wanted.result.stats.accepted, 10u);
  EXPECT_GE(answer.result.stats.accepted + 1, wanted.result.stats.accepted);
}

}  // namespace
}  // namespace glimt
