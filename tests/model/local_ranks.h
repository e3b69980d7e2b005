// Ranks above 0 as threads of a test program, so that what loads a model in it gets one of several ranks: with
// GLIMT_TEST_RANKS=N, each load in a folder is that of rank 0 of N.
#pragma once

#include "base/file.h"
#include "base/temporary_folder.h"
#include "distributed/ranks_support.h"
#include "model/load_ranks.h"

#include <gtest/gtest.h>
#include <mlx/mlx.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace glimt {

// GLIMT_TEST_SPLIT=tensor: how these ranks share the model.
inline Split test_split() {
  const char* split = std::getenv("GLIMT_TEST_SPLIT");
  return split != nullptr && std::string(split) == "tensor" ? Split::tensor : Split::pipeline;
}

class LocalRanks {
 public:
  // While one lives, the next load of a model in `folder`, on this thread or an engine's, is rank 0's.
  class Load {
   public:
    Load(const std::filesystem::path& folder, const LoadOptions& options) {
      const char* ranks = std::getenv("GLIMT_TEST_RANKS");
      if (ranks != nullptr) instance().start(folder, options, std::stoi(ranks));
    }
    Load(const std::filesystem::path& folder, const LoadOptions& options, int ranks) {
      instance().start(folder, options, ranks);
    }
    ~Load() { ::unsetenv("MLX_HOSTFILE"); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
  };

 private:
  static LocalRanks& instance() {
    static LocalRanks ranks;
    return ranks;
  }

  // MLX's allocator first, so that it is destroyed last: the ranks give it their memory back until they are joined.
  LocalRanks() { static_cast<void>(mx::get_active_memory()); }
  ~LocalRanks() {
    for (std::thread& thread : threads_) thread.join();  // models of static lifetime have gone before
  }

  void start(const std::filesystem::path& folder, const LoadOptions& options, int size) {
    const std::vector<Address> addresses = local_addresses(size);
    std::string text;
    for (const Address& address : addresses) text += (text.empty() ? "[[\"" : ", [\"") + address.text() + "\"]";
    const std::filesystem::path hosts = folder_.write("hosts.json", text + "]");
    ::setenv("MLX_HOSTFILE", hosts.c_str(), 1);
    ::setenv("MLX_RANK", "0", 1);
    for (int rank = 1; rank < size; ++rank) {
      threads_.emplace_back([folder, options, place = Place{rank, addresses}] {
        try {
          follow(folder, options, place, [](std::size_t) { return std::size_t{1} << 40; });
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
        }
      });
    }
  }

  TemporaryFolder folder_;
  std::vector<std::thread> threads_;
};

}  // namespace glimt
