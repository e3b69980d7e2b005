#include "hub/downloader.h"

#include "base/error.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

namespace glimt {
namespace {

using namespace std::chrono_literals;

// Large enough that a request costs little, small enough that the last files, too, come over all connections.
constexpr std::uint64_t kPartBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kProgressBytes = std::uint64_t{64} << 10;  // that make a try worth it
constexpr int kMostRestarts = 5;
constexpr std::size_t kMostErrorBytes = std::size_t{1} << 20;

// The answer to a request for a range was the whole file.
struct RangeIgnored {};

// Another thread has begun the file anew.
struct Outdated {};

struct ContentRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> total;
};

// "bytes 0-99/1234"; the total may be '*'.
std::optional<ContentRange> parse_content_range(const std::string& text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  ContentRange range;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + kUnit.size(), end, range.first);
  const std::size_t slash = text.find('/');
  if (first.ec != std::errc() || slash == std::string::npos) return std::nullopt;
  std::uint64_t total = 0;
  if (std::from_chars(text.data() + slash + 1, end, total).ec == std::errc()) range.total = total;
  return range;
}

// Before the first byte of an answer is taken.
void check_answer(const HttpHead& head, bool partial, std::uint64_t begin, std::uint64_t size) {
  if (head.status == 200) {
    if (partial) throw RangeIgnored();
    const std::string length = head.header("content-length");
    if (!length.empty() && length != fmt::format("{}", size)) {
      throw NetworkError(fmt::format("must have {} bytes, the hub sends {}", size, length));
    }
    return;
  }
  const std::string text = head.header("content-range");
  const std::optional<ContentRange> range = parse_content_range(text);
  if (!range || range->first != begin || range->total.value_or(size) != size) {
    throw NetworkError(fmt::format("bytes from {} of {} were asked for, the hub sends '{}'", begin, size, text));
  }
}

}  // namespace

struct Downloader::File {
  File(const std::filesystem::path& folder, const FileRecord& record) : part(folder, record, kPartBytes) {}

  const std::string& name() const { return part.record().path; }

  PartFile part;
  std::mutex mutex;        // of what follows
  std::string direct_url;  // where the hub sent us, for a while
  std::string wrong_hash;  // that it arrived with before
  int restarts = 0;
};

Downloader::Downloader(const Repository& repository, const Listing& listing, const HubSettings& settings,
                       Patience& patience, std::filesystem::path folder, std::atomic<bool>& cancelled)
    : repository_(repository),
      listing_(listing),
      settings_(settings),
      patience_(patience),
      folder_(std::move(folder)),
      cancelled_(cancelled) {}

Downloader::~Downloader() = default;

void Downloader::add(const FileRecord& file) { files_.push_back(std::make_unique<File>(folder_, file)); }

std::uint64_t Downloader::missing() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files_) bytes += file->part.record().size - file->part.present();
  return bytes;
}

std::vector<Downloader::Progress> Downloader::progress() const {
  std::vector<Progress> all;
  for (const auto& file : files_) all.push_back({file->part.record(), file->part.present(), file->part.is_done()});
  return all;
}

void Downloader::run(int connections, const std::function<void(const std::vector<Progress>&)>& tick) {
  for (const auto& file : files_) {
    if (!file->part.is_done()) queue(*file);
  }
  std::vector<std::thread> threads = start_threads(connections);
  try {
    std::unique_lock lock(mutex_);
    while (working_threads_ > 0) {
      changed_.wait_for(lock, 100ms, [this] { return working_threads_ == 0; });
      lock.unlock();
      tick(progress());
      lock.lock();
    }
  } catch (...) {
    give_up(std::current_exception());
  }
  for (std::thread& thread : threads) thread.join();
  if (failure_) std::rethrow_exception(failure_);
}

// At least one; where no more can be started, the others do their work.
std::vector<std::thread> Downloader::start_threads(int connections) {
  std::vector<std::thread> threads;
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < connections; ++i) {
    try {
      threads.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads.empty()) throw;
      break;
    }
  }
  working_threads_ = static_cast<int>(threads.size());
  return threads;
}

void Downloader::queue(File& file) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t round = file.part.round();
  for (std::size_t part = 0; part < file.part.parts(); ++part) jobs_.push_back({&file, part, round});
  changed_.notify_all();
}

// The next job; waits while the others may still make some. False if there will be none.
bool Downloader::take(Job& job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return failure_ || !jobs_.empty() || at_work_ == 0; });
  if (failure_ || jobs_.empty()) return false;
  job = jobs_.front();
  jobs_.pop_front();
  ++at_work_;
  return true;
}

void Downloader::release() {
  const std::lock_guard lock(mutex_);
  --at_work_;
  changed_.notify_all();
}

void Downloader::give_up(std::exception_ptr why) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(why);
  cancelled_ = true;
  changed_.notify_all();
}

void Downloader::work() {
  try {
    Transfer transfer(repository_, settings_, patience_, cancelled_);
    Job job{};
    while (take(job)) {
      try {
        fetch_part(transfer, job);
      } catch (const Outdated&) {
        // Its bytes are of no use any more; whoever began the file anew has made new jobs.
      }
      release();
    }
  } catch (...) {
    give_up(std::current_exception());
  }
  const std::lock_guard lock(mutex_);
  --working_threads_;
  changed_.notify_all();
}

void Downloader::fetch_part(Transfer& transfer, const Job& job) {
  Tries tries(settings_, patience_);
  while (true) {
    if (job.round != job.file->part.round()) return;
    const auto [begin, end] = job.file->part.missing(job.part);
    if (begin == end) break;
    try {
      if (!try_part(transfer, job, tries)) return;
    } catch (const RangeIgnored&) {
      return begin_whole(job, "the hub ignores ranges, and the transfer was cut");
    } catch (const NetworkError& error) {
      if (job.file->part.missing(job.part).first >= begin + kProgressBytes) tries.progress();
      if (!tries.again(0ms, cancelled_)) fail(ErrorKind::overloaded, job.file->name(), "{}", error.what());
    }
  }
  finish(*job.file);
}

// One request. False if the job is void now.
bool Downloader::try_part(Transfer& transfer, const Job& job, Tries& tries) {
  File& file = *job.file;
  const std::uint64_t size = file.part.record().size;
  const auto [begin, end] = file.part.missing(job.part);
  const bool partial = begin > 0 || end < size;
  std::string url;
  {
    const std::lock_guard lock(file.mutex);
    url = file.direct_url;
  }
  if (url.empty()) url = repository_.file_url(listing_, file.name());
  std::optional<std::pair<std::uint64_t, std::uint64_t>> range;
  if (partial) range.emplace(begin, end - 1);

  std::uint64_t left = end - begin, refused = 0;
  const HttpHead head = transfer.get(url, range, [&](const HttpHead& answer, std::span<const std::byte> bytes) {
    if (answer.status != 200 && answer.status != 206) {
      refused += bytes.size();
      if (refused > kMostErrorBytes) throw NetworkError("an error without end");
      return;
    }
    if (left == end - begin) check_answer(answer, partial, begin, size);
    if (bytes.size() > left)
      throw NetworkError(fmt::format("sends more than the {} bytes that were asked for", end - begin));
    if (!file.part.write(job.part, job.round, bytes)) throw Outdated();
    left -= bytes.size();
  });
  if (head.status != 200 && head.status != 206) {
    act_on(head, job, origin_of(url) != repository_.origin(), tries);
    return job.round == file.part.round();
  }
  if (left == end - begin) throw NetworkError("sends no content");
  if (origin_of(url) != repository_.origin()) {
    const std::lock_guard lock(file.mutex);
    file.direct_url = url;
  }
  return true;
}

// What to do about an answer without the file.
void Downloader::act_on(const HttpHead& head, const Job& job, bool elsewhere, Tries& tries) {
  File& file = *job.file;
  // A signed address at another origin holds for an hour or so; the hub gives a new one.
  const bool expired = elsewhere && head.status >= 400 && head.status < 500;
  {
    const std::lock_guard lock(file.mutex);
    file.direct_url.clear();
  }
  if (head.status == 416) return begin_whole(job, "the hub refuses the range that it should have");
  if (!is_temporary(head.status) && !expired) repository_.fail_for(head, file.name());
  if (!tries.again(wait_asked_for(head, std::chrono::system_clock::now()), cancelled_)) {
    repository_.fail_for(head, file.name());
  }
}

// The file begins anew, as one part. The first thread that finds out does it.
void Downloader::begin_whole(const Job& job, const std::string& why) {
  File& file = *job.file;
  const std::lock_guard lock(file.mutex);
  if (file.part.round() != job.round) return;
  if (++file.restarts > kMostRestarts) {
    fail(ErrorKind::overloaded, file.name(), "{}; given up after {} times", why, kMostRestarts);
  }
  file.part.restart_whole(job.round);
  queue(file);
}

void Downloader::finish(File& file) {
  const std::lock_guard lock(file.mutex);
  const std::string got = file.part.finish();
  if (got.empty()) return;
  const FileRecord& record = file.part.record();
  const std::string& wanted = record.sha256.empty() ? record.blob : record.sha256;
  if (file.wrong_hash.empty()) {
    file.wrong_hash = got;
    return queue(file);
  }
  if (file.wrong_hash != got) {
    fail(ErrorKind::bad_file, record.path,
         "the same file arrived with two different hashes, {} and {}, and neither is {}: check memory, disk and proxy",
         file.wrong_hash, got, wanted);
  }
  fail(ErrorKind::bad_file, record.path, "its {} must be {}, and was {} twice",
       record.sha256.empty() ? "git id" : "sha256", wanted, got);
}

}  // namespace glimt
