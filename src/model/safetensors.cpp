#include "model/safetensors.h"

#include "base/error.h"
#include "base/json.h"
#include "kernels/device.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

namespace glimt {
namespace {

constexpr std::size_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxDimensions = 8;

struct DtypeName {
  std::string_view name;
  mx::Dtype dtype;
};
const DtypeName kDtypes[] = {{"F32", mx::float32}, {"BF16", mx::bfloat16}, {"F16", mx::float16},  {"U32", mx::uint32},
                             {"U8", mx::uint8},    {"I8", mx::int8},       {"I32", mx::int32},    {"U16", mx::uint16},
                             {"I16", mx::int16},   {"I64", mx::int64},     {"U64", mx::uint64},   {"F64", mx::float64},
                             {"BOOL", mx::bool_},  {"F8_E4M3", mx::uint8}, {"F8_E8M0", mx::uint8}};

std::optional<mx::Dtype> dtype_of(std::string_view name) {
  for (const DtypeName& entry : kDtypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

// An array over bytes that somebody else owns. MLX's documented constructor copies on the CPU; this form does not, but
// relies on how MLX's CPU allocator lays out a buffer (a size_t before the data), which self_test checks.
mx::array borrow(const std::byte* data, const mx::Shape& shape, mx::Dtype dtype, std::shared_ptr<const void> owner) {
  mx::allocator::Buffer buffer(const_cast<std::byte*>(data) - sizeof(std::size_t));
  return mx::array(mx::allocator::Data(buffer, [owner = std::move(owner)](mx::allocator::Buffer) {}), shape, dtype);
}

bool borrowing_works() {
  static const bool works = [] {
    if (!kernels::host_memory()) return false;
    alignas(16) static float storage[6] = {0, 0, 1, 2, 3, 4};
    const mx::array probe = borrow(reinterpret_cast<const std::byte*>(storage + 2), {4}, mx::float32, nullptr);
    return probe.data<float>() == storage + 2 && mx::sum(probe).item<float>() == 10.0f;
  }();
  return works;
}

// Dimensions and their product times the element size; nullopt if it overflows or a dimension does not fit MLX's int.
std::optional<std::size_t> checked_bytes(const json::array& dims, std::size_t item_size, mx::Shape& shape) {
  std::size_t total = item_size;
  for (const json::value& dim : dims) {
    if (!dim.is_int64() || dim.get_int64() < 0 || dim.get_int64() > INT32_MAX) return std::nullopt;
    shape.push_back(static_cast<int>(dim.get_int64()));
    if (__builtin_mul_overflow(total, static_cast<std::size_t>(dim.get_int64()), &total)) return std::nullopt;
  }
  return total;
}

struct RepeatedKey {
  std::string key;
  bool of_tensor;  // else a field inside of a tensor's description or of the metadata
};

// The first key that an object of `text` has twice; Boost.JSON keeps the last one and says nothing. REQUIRES valid JSON,
// where a string before a colon is a key.
std::optional<RepeatedKey> repeated_key(std::string_view text) {
  std::vector<std::unordered_set<std::string>> open;  // the keys of the objects around the current position
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') open.emplace_back();
    if (text[i] == '}') open.pop_back();
    if (text[i] != '"') continue;
    std::size_t end = i + 1;
    while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    const std::size_t next = text.find_first_not_of(" \t\r\n", end + 1);
    if (next != std::string_view::npos && text[next] == ':') {
      const std::string_view literal = text.substr(i, end + 1 - i);
      const bool escaped = literal.find('\\') != std::string_view::npos;
      std::string key(escaped ? std::string_view(json::parse(literal).as_string())
                              : literal.substr(1, literal.size() - 2));
      if (!open.back().insert(key).second) return RepeatedKey{std::move(key), open.size() == 1};
    }
    i = end;
  }
  return std::nullopt;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(std::make_shared<const MappedFile>(path)) {
  const std::string where = path_.string();
  if (file_->size() < sizeof(std::uint64_t)) {
    fail(ErrorKind::bad_file, where, "is {} bytes long, too short for a safetensors header", file_->size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file_->data(), sizeof length);
  const std::size_t rest = file_->size() - sizeof length;
  if (length > rest || length > kMaxHeader) {
    fail(ErrorKind::bad_file, where,
         "the header claims {} bytes, the file has {} behind its length (truncated or not a safetensors file)", length,
         rest);
  }
  parse_header({reinterpret_cast<const char*>(file_->data()) + sizeof length, static_cast<std::size_t>(length)},
               sizeof length + length);
}

void SafetensorsFile::parse_header(std::string_view header, std::size_t data_start) {
  const std::string where = path_.string() + ": header";
  if (header.empty() || header.front() != '{') fail(ErrorKind::bad_file, where, "must be a JSON object");
  json::value value;
  try {
    value = parse_json(header, where);
  } catch (const Error& error) {
    throw Error(ErrorKind::bad_file, error.what());
  }
  if (!value.is_object()) fail(ErrorKind::bad_file, where, "must be a JSON object");
  if (const std::optional<RepeatedKey> twice = repeated_key(header)) {
    fail(ErrorKind::bad_file, where, "{} '{}' is there twice", twice->of_tensor ? "tensor" : "field", twice->key);
  }
  const std::size_t data_size = file_->size() - data_start;

  for (const auto& [key, entry] : value.get_object()) {
    const std::string name(key);
    const std::string tensor = path_.string() + ": tensor '" + name + "'";
    if (name == "__metadata__" && entry.is_null()) continue;  // what MLX writes when it has none
    if (!entry.is_object()) fail(ErrorKind::bad_file, tensor, "must be described by a JSON object");
    if (name == "__metadata__") {
      for (const auto& [k, v] : entry.get_object()) {
        if (!v.is_string()) fail(ErrorKind::bad_file, where, "__metadata__ must map strings to strings");
        metadata_.emplace(k, v.get_string());
      }
      continue;
    }
    const JsonFields fields(entry.get_object(), tensor);
    const std::string dtype_name = fields.string("dtype");
    const std::optional<mx::Dtype> dtype = dtype_of(dtype_name);
    if (!dtype) fail(ErrorKind::unsupported, tensor, "has dtype {}, which glimt does not read", dtype_name);

    mx::Shape shape;
    const json::array& dims = fields.array("shape");
    if (dims.size() > kMaxDimensions) fail(ErrorKind::bad_file, tensor, "has {} dimensions", dims.size());
    const std::optional<std::size_t> wanted = checked_bytes(dims, dtype->size(), shape);
    if (!wanted) fail(ErrorKind::bad_file, tensor, "has an impossible shape {}", dump_json(dims));

    const json::array& offsets = fields.array("data_offsets");
    if (offsets.size() != 2 || !offsets[0].is_int64() || !offsets[1].is_int64()) {
      fail(ErrorKind::bad_file, tensor, "data_offsets must be two integers, got {}", dump_json(offsets));
    }
    const std::int64_t begin = offsets[0].get_int64(), end = offsets[1].get_int64();
    if (begin < 0 || end < begin || static_cast<std::size_t>(end) > data_size) {
      fail(ErrorKind::bad_file, tensor, "lies at bytes {} to {} of {} (truncated file?)", begin, end, data_size);
    }
    if (static_cast<std::size_t>(end - begin) != *wanted) {
      fail(ErrorKind::bad_file, tensor, "is {} bytes long, its shape {} and dtype {} want {}", end - begin,
           dump_json(dims), dtype_name, *wanted);
    }
    tensors_.emplace(name, TensorInfo{*dtype, std::move(shape), data_start + static_cast<std::size_t>(begin), *wanted});
  }

  std::vector<const std::pair<const std::string, TensorInfo>*> order;
  for (const auto& entry : tensors_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.offset, a->second.nbytes) < std::pair(b->second.offset, b->second.nbytes);
  });
  std::size_t expected = data_start;
  for (const auto* entry : order) {
    if (entry->second.offset != expected) {
      fail(ErrorKind::bad_file, path_.string() + ": tensor '" + entry->first + "'",
           "starts at byte {} of the data, {} wanted ({})", entry->second.offset - data_start, expected - data_start,
           entry->second.offset < expected ? "tensors overlap" : "a hole");
    }
    expected += entry->second.nbytes;
  }
  if (expected != file_->size()) {
    fail(ErrorKind::bad_file, path_.string(), "has {} bytes behind the last tensor", file_->size() - expected);
  }
}

mx::array SafetensorsFile::array(const std::string& name, Offset offset) const {
  const TensorInfo& info = tensors_.at(name);
  if (!kernels::computes_on_cpu()) {
    if (!loaded_by_mlx_) {
      loaded_by_mlx_ =
          std::make_shared<std::unordered_map<std::string, mx::array>>(mx::load_safetensors(path_.string()).first);
    }
    return loaded_by_mlx_->at(name);
  }
  const std::byte* data = file_->data() + info.offset;
  const bool fits = offset == Offset::any || reinterpret_cast<std::uintptr_t>(data) % info.dtype.size() == 0;
  if (fits && info.nbytes > 0 && borrowing_works()) return borrow(data, info.shape, info.dtype, file_);
  mx::array copy(mx::allocator::malloc(info.nbytes), info.shape, info.dtype);
  std::memcpy(copy.data<std::byte>(), data, info.nbytes);
  return copy;
}

}  // namespace glimt
