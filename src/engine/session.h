// A session file: the cache's rows of a conversation, so that a restart does not compute them again.
//   "GLIMTSES" | version | key length | blocks | bytes of a block | key | tokens | rows, block by block | CRC-32 of all
// Numbers are little-endian, as the rows are: a file is for one kind of machine.
#pragma once

#include "base/file.h"
#include "base/token.h"
#include "kernels/row_type.h"

#include <boost/crc.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Writes a session in pieces: one block is in memory at a time. Readable for its owner alone; there only once
// committed.
class SessionWriter {
 public:
  // REQUIRES tokens.size() == blocks * kernels::kBlockRows. Throws what AtomicFile throws.
  SessionWriter(const std::filesystem::path& file, std::string_view key, std::span<const TokenId> tokens,
                std::size_t block_bytes);

  void append(std::span<const std::byte> block);
  void commit();

 private:
  void put(const void* bytes, std::size_t size);
  template <typename T>
  void put(T number) {
    put(&number, sizeof number);
  }

  AtomicFile file_;
  boost::crc_32_type crc_;
};

// Reads a session in pieces. What it gives is not to be used before verify().
class SessionReader {
 public:
  // Throws not_found, and bad_file for a file that is no session, is of another key (the message shows both), has
  // blocks of another size than `block_bytes`, or does not have the length that it says.
  SessionReader(const std::filesystem::path& file, std::string_view key, std::size_t block_bytes);

  const std::vector<TokenId>& tokens() const { return tokens_; }
  std::size_t blocks() const { return tokens_.size() / kernels::kBlockRows; }

  void next(std::span<std::byte> block);  // REQUIRES block_bytes of room; at most blocks() calls

  // After the last block. Throws bad_file if the checksum is wrong.
  void verify();

 private:
  void get(void* bytes, std::size_t size);
  template <typename T>
  T number() {
    T value;
    get(&value, sizeof value);
    return value;
  }

  std::string where_;
  std::ifstream file_;
  boost::crc_32_type crc_;
  std::vector<TokenId> tokens_;
};

}  // namespace glimt
