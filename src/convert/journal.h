// What a conversion has finished, on the disk beside what it makes: after a kill the next one goes on from there. A line
// is written after the bytes that it speaks of are on the disk, so it is true after a crash of the machine, too.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace glimt::convert {

class Journal {
 public:
  // Reads the journal `path` if there is one of the same `plan` (a line of text that says what is made from what).
  Journal(std::filesystem::path path, std::string plan);

  bool has(const std::string& unit) const { return done_.contains(unit); }
  bool is_empty() const { return done_.empty(); }

  // Begins anew, whatever there was.
  void clear();

  // REQUIRES that all bytes of these units are on the disk. Throws bad_file, out_of_memory (disk full).
  void add(const std::vector<std::string>& units);

 private:
  void append(const std::string& text, int flags);

  std::filesystem::path path_;
  std::string plan_;
  std::set<std::string> done_;
};

}  // namespace glimt::convert
