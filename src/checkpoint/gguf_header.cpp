#include "checkpoint/gguf_header.h"

#include "base/error.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace glimt {
namespace {

constexpr std::uint64_t kMostEntries = 1 << 20;  // of metadata, of tensors; GLM-4.7-Flash has some 50 and 850
constexpr std::uint64_t kMostDimensions = 4;     // ggml's
constexpr std::uint64_t kLongestName = 65535;    // the format's bound for a key
constexpr std::uint64_t kMostAlignment = 1 << 20;
constexpr int kDeepestArray = 4;

enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

// Reads one thing after another and never beyond the end.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::size_t position() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view text(std::string_view what, std::uint64_t longest) {
    const auto length = number<std::uint64_t>(what);
    if (length > longest) {
      fail(ErrorKind::bad_file, file_, "{} at byte {} claims {} bytes, at most {} wanted", what, at_, length, longest);
    }
    const std::span<const std::byte> bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void skip(std::uint64_t count, std::size_t size, std::string_view what) {
    if (count > left() / size) too_short(what, count);
    at_ += static_cast<std::size_t>(count) * size;
  }

 private:
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > left()) too_short(what, count);
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += taken.size();
    return taken;
  }

  [[noreturn]] void too_short(std::string_view what, std::uint64_t wanted) const {
    fail(ErrorKind::bad_file, file_, "{} at byte {} wants {} bytes or more, the file has {} (truncated?)", what, at_,
         wanted, left());
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t at_ = 0;
};

class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> file, const std::string& name)
      : cursor_(file, name), file_(name), size_(file.size()) {}

  GgufHeader parse() {
    check_magic_and_version();
    const std::uint64_t tensors = count("the number of tensors");
    const std::uint64_t entries = count("the number of metadata entries");
    for (std::uint64_t i = 0; i < entries; ++i) read_entry();
    for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
    place_tensors();
    return std::move(header_);
  }

 private:
  void check_magic_and_version() {
    if (cursor_.number<std::uint32_t>("the magic") != 0x46554747) {  // "GGUF"
      fail(ErrorKind::bad_file, file_, "is not a GGUF file: it does not begin with GGUF");
    }
    const auto version = cursor_.number<std::uint32_t>("the version");
    if (version == 2 || version == 3) return;
    if (version != 0 && (version & 0xffff) == 0) {
      fail(ErrorKind::unsupported, file_, "is big-endian GGUF, glimt reads little-endian");
    }
    fail(ErrorKind::unsupported, file_, "is GGUF version {}, glimt reads 2 and 3", version);
  }

  std::uint64_t count(std::string_view what) {
    const auto value = cursor_.number<std::uint64_t>(what);
    if (value > kMostEntries) {
      fail(ErrorKind::bad_file, file_, "{} must be at most {}, got {}", what, kMostEntries, value);
    }
    return value;
  }

  void read_entry() {
    std::string key(cursor_.text("a metadata key", kLongestName));
    GgufValue value = read_value(value_type(), "metadata '" + key + "'");
    if (const auto [at, is_new] = header_.metadata.emplace(std::move(key), std::move(value)); !is_new) {
      fail(ErrorKind::bad_file, file_, "metadata '{}' is there twice", at->first);
    }
  }

  ValueType value_type() {
    const auto type = cursor_.number<std::uint32_t>("a metadata type");
    if (type > static_cast<std::uint32_t>(ValueType::f64)) {
      fail(ErrorKind::bad_file, file_, "metadata has the type {}, at most {} is known", type,
           static_cast<std::uint32_t>(ValueType::f64));
    }
    return static_cast<ValueType>(type);
  }

  template <typename T, typename Kept>
  GgufValue number(std::string_view what) {
    return static_cast<Kept>(cursor_.number<T>(what));
  }

  GgufValue read_value(ValueType type, const std::string& what) {
    switch (type) {
      case ValueType::u8: return number<std::uint8_t, std::uint64_t>(what);
      case ValueType::i8: return number<std::int8_t, std::int64_t>(what);
      case ValueType::u16: return number<std::uint16_t, std::uint64_t>(what);
      case ValueType::i16: return number<std::int16_t, std::int64_t>(what);
      case ValueType::u32: return number<std::uint32_t, std::uint64_t>(what);
      case ValueType::i32: return number<std::int32_t, std::int64_t>(what);
      case ValueType::f32: return number<float, double>(what);
      case ValueType::boolean: return cursor_.number<std::uint8_t>(what) != 0;
      case ValueType::string: return std::string(cursor_.text(what, cursor_.left()));
      case ValueType::array: return GgufArray{skip_array(what, 1)};
      case ValueType::u64: return cursor_.number<std::uint64_t>(what);
      case ValueType::i64: return cursor_.number<std::int64_t>(what);
      case ValueType::f64: return cursor_.number<double>(what);
    }
    fail(ErrorKind::internal, file_, "{} has an impossible type", what);
  }

  static std::optional<std::size_t> fixed_size(ValueType type) {
    switch (type) {
      case ValueType::u8:
      case ValueType::i8:
      case ValueType::boolean: return 1;
      case ValueType::u16:
      case ValueType::i16: return 2;
      case ValueType::u32:
      case ValueType::i32:
      case ValueType::f32: return 4;
      case ValueType::u64:
      case ValueType::i64:
      case ValueType::f64: return 8;
      case ValueType::string:
      case ValueType::array: return std::nullopt;
    }
    return std::nullopt;
  }

  // How many elements it has. Each takes a byte at least, so that a count cannot keep this busy longer than the file is.
  std::uint64_t skip_array(const std::string& what, int depth) {
    if (depth > kDeepestArray) fail(ErrorKind::bad_file, file_, "{} is nested more than {} deep", what, kDeepestArray);
    const ValueType type = value_type();
    const auto elements = cursor_.number<std::uint64_t>(what);
    if (const std::optional<std::size_t> size = fixed_size(type)) {
      cursor_.skip(elements, *size, what);
      return elements;
    }
    for (std::uint64_t i = 0; i < elements; ++i) {
      if (type == ValueType::array) {
        skip_array(what, depth + 1);
      } else {
        cursor_.text(what, cursor_.left());
      }
    }
    return elements;
  }

  void read_tensor() {
    std::string name(cursor_.text("a tensor's name", kLongestName));
    const std::string where = fmt::format("{}: tensor '{}'", file_, name);
    const auto dimensions = cursor_.number<std::uint32_t>("a tensor's dimensions");
    if (dimensions > kMostDimensions) {
      fail(ErrorKind::bad_file, where, "has {} dimensions, at most {} wanted", dimensions, kMostDimensions);
    }
    Shape shape;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      const auto size = cursor_.number<std::uint64_t>("a tensor's size");
      if (size < 1 || size > INT32_MAX) {
        fail(ErrorKind::bad_file, where, "has a dimension of {}, 1 to {} wanted", size, INT32_MAX);
      }
      shape.push_back(static_cast<int>(size));
    }
    std::reverse(shape.begin(), shape.end());
    const auto type = cursor_.number<std::uint32_t>("a tensor's type");
    const auto offset = cursor_.number<std::uint64_t>("a tensor's offset");
    const std::size_t bytes = bytes_of(type, shape, where);
    const GgufTensor tensor{type, std::move(shape), offset, bytes};  // the offset counts from the data, for now
    if (!header_.tensors.emplace(std::move(name), tensor).second) {
      fail(ErrorKind::bad_file, where, "is there twice");
    }
  }

  std::size_t bytes_of(std::uint32_t type, const Shape& shape, const std::string& where) const {
    const GgufTypeInfo* info = find_gguf_type(type);
    if (info == nullptr) fail(ErrorKind::unsupported, where, "has type {}, which glimt does not know", type);
    const int row = shape.empty() ? 1 : shape.back();
    if (row % info->block != 0) {
      fail(ErrorKind::bad_file, where, "has rows of {} elements, {} has blocks of {}", row, info->name, info->block);
    }
    std::size_t bytes = static_cast<std::size_t>(row / info->block) * static_cast<std::size_t>(info->bytes);
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) {
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(shape[i]), &bytes)) {
        fail(ErrorKind::bad_file, where, "has an impossible shape {}", to_string(shape));
      }
    }
    return bytes;
  }

  std::size_t alignment() const {
    const auto found = header_.metadata.find("general.alignment");
    if (found == header_.metadata.end()) return 32;
    const auto* value = std::get_if<std::uint64_t>(&found->second);
    if (value == nullptr || *value > kMostAlignment || !std::has_single_bit(*value)) {
      fail(ErrorKind::bad_file, file_, "general.alignment must be a power of two up to {}", kMostAlignment);
    }
    return static_cast<std::size_t>(*value);
  }

  // Where in the file the tensors are.
  void place_tensors() {
    const std::size_t align = alignment();
    const std::size_t start = (cursor_.position() + align - 1) / align * align;
    const std::size_t room = size_ > start ? size_ - start : 0;
    std::vector<std::pair<const std::string, GgufTensor>*> order;
    for (auto& entry : header_.tensors) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
      return std::pair(a->second.offset, a->second.nbytes) < std::pair(b->second.offset, b->second.nbytes);
    });
    std::size_t free = 0;  // the first byte of the data that no tensor has yet
    for (auto* entry : order) {
      GgufTensor& tensor = entry->second;
      const std::string where = fmt::format("{}: tensor '{}'", file_, entry->first);
      if (tensor.offset % align != 0) {
        fail(ErrorKind::bad_file, where, "begins at byte {}, a multiple of {} wanted", tensor.offset, align);
      }
      if (tensor.offset > room || tensor.nbytes > room - tensor.offset) {
        fail(ErrorKind::bad_file, where, "lies at bytes {} to {} of {} (truncated file?)", tensor.offset,
             static_cast<double>(tensor.offset) + static_cast<double>(tensor.nbytes), room);
      }
      if (tensor.offset < free) fail(ErrorKind::bad_file, where, "lies over another tensor");
      free = tensor.offset + tensor.nbytes;
      tensor.offset += start;
    }
  }

  Cursor cursor_;
  const std::string& file_;
  std::size_t size_;
  GgufHeader header_;
};

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& name) {
  return HeaderParser(file, name).parse();
}

}  // namespace glimt
