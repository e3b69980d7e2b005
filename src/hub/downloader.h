// Several files at once, each in several parts at once, until all are whole and their hashes are right.
#pragma once

#include "hub/part_file.h"
#include "hub/transfer.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace glimt {

class Downloader {
 public:
  struct Progress {
    const FileRecord& file;
    std::uint64_t present;  // bytes
    bool done;
  };

  // All outlive this. Files go to `folder` under the names of their hashes.
  Downloader(const Repository& repository, const Listing& listing, const HubSettings& settings, Patience& patience,
             std::filesystem::path folder, std::atomic<bool>& cancelled);
  ~Downloader();

  // Which files, before run(). Those that are there already cost nothing.
  void add(const FileRecord& file);

  std::uint64_t missing() const;  // bytes

  // Returns when all files are there. `tick` is called on this thread about ten times a second with all of them, and
  // may throw. Throws the first thing that goes wrong for good.
  void run(int connections, const std::function<void(const std::vector<Progress>&)>& tick);

 private:
  struct File;
  struct Job {
    File* file;
    std::size_t part;
    std::uint64_t round;  // of the file when the job was made; another one makes it void
  };

  std::vector<Progress> progress() const;
  std::vector<std::thread> start_threads(int connections);
  void queue(File& file);
  bool take(Job& job);
  void release();
  void give_up(std::exception_ptr why);
  void work();
  void fetch_part(Transfer& transfer, const Job& job);
  bool try_part(Transfer& transfer, const Job& job, Tries& tries);
  void act_on(const HttpHead& head, const Job& job, bool elsewhere, Tries& tries);
  void begin_whole(const Job& job, const std::string& why);
  void finish(File& file);

  const Repository& repository_;
  const Listing& listing_;
  const HubSettings& settings_;
  Patience& patience_;
  std::filesystem::path folder_;
  std::atomic<bool>& cancelled_;

  std::vector<std::unique_ptr<File>> files_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  int at_work_ = 0;
  int working_threads_ = 0;
  std::exception_ptr failure_;
};

}  // namespace glimt
