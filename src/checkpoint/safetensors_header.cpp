#include "checkpoint/safetensors_header.h"

#include "base/error.h"
#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace glimt {
namespace {

constexpr std::size_t kMaxDimensions = 8;

// Dimensions and their product times the element size; nullopt if it overflows or a dimension does not fit MLX's int.
std::optional<std::size_t> checked_bytes(const json::array& dims, std::size_t item_size, Shape& shape) {
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

// The first key that an object of `text` has twice; Boost.JSON keeps the last one and says nothing. REQUIRES valid
// JSON, where a string before a colon is a key.
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

json::object parse_object(std::string_view header, const std::string& where) {
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
  return std::move(value.get_object());
}

std::map<std::string, std::string> read_metadata(const json::object& object, const std::string& where) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object) {
    if (!value.is_string()) fail(ErrorKind::bad_file, where, "__metadata__ must map strings to strings");
    metadata.emplace(key, value.get_string());
  }
  return metadata;
}

// One entry of the header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}. `data_start`, `data_size`:
// of the data in the file.
TensorInfo read_tensor(const JsonFields& fields, std::size_t data_start, std::size_t data_size) {
  const std::string& where = fields.where();
  const std::string dtype_name = fields.string("dtype");
  const std::optional<Dtype> dtype = dtype_from_safetensors_name(dtype_name);
  if (!dtype) fail(ErrorKind::unsupported, where, "has dtype {}, which glimt does not read", dtype_name);

  Shape shape;
  const json::array& dims = fields.array("shape");
  if (dims.size() > kMaxDimensions) fail(ErrorKind::bad_file, where, "has {} dimensions", dims.size());
  const std::optional<std::size_t> wanted = checked_bytes(dims, size_of(*dtype), shape);
  if (!wanted) fail(ErrorKind::bad_file, where, "has an impossible shape {}", dump_json(dims));

  const json::array& offsets = fields.array("data_offsets");
  if (offsets.size() != 2 || !offsets[0].is_int64() || !offsets[1].is_int64()) {
    fail(ErrorKind::bad_file, where, "data_offsets must be two integers, got {}", dump_json(offsets));
  }
  const std::int64_t begin = offsets[0].get_int64(), end = offsets[1].get_int64();
  if (begin < 0 || end < begin || static_cast<std::size_t>(end) > data_size) {
    fail(ErrorKind::bad_file, where, "lies at bytes {} to {} of {} (truncated file?)", begin, end, data_size);
  }
  if (static_cast<std::size_t>(end - begin) != *wanted) {
    fail(ErrorKind::bad_file, where, "is {} bytes long, its shape {} and dtype {} want {}", end - begin,
         dump_json(dims), dtype_name, *wanted);
  }
  return {*dtype, std::move(shape), data_start + static_cast<std::size_t>(begin), *wanted};
}

// The tensors, one behind the other, must be exactly the bytes from `data_start` to `file_size`.
void check_coverage(const std::map<std::string, TensorInfo>& tensors, std::size_t data_start, std::size_t file_size,
                    const std::string& file) {
  std::vector<const std::pair<const std::string, TensorInfo>*> order;
  order.reserve(tensors.size());
  for (const auto& entry : tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.offset, a->second.nbytes) < std::pair(b->second.offset, b->second.nbytes);
  });
  std::size_t expected = data_start;
  for (const auto* entry : order) {
    if (entry->second.offset != expected) {
      fail(ErrorKind::bad_file, file + ": tensor '" + entry->first + "'",
           "starts at byte {} of the data, {} wanted ({})", entry->second.offset - data_start, expected - data_start,
           entry->second.offset < expected ? "tensors overlap" : "a hole");
    }
    expected += entry->second.nbytes;
  }
  if (expected != file_size) {
    fail(ErrorKind::bad_file, file, "has {} bytes behind the last tensor", file_size - expected);
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view header, std::size_t data_start, std::size_t file_size,
                                           const std::string& file) {
  const std::string where = file + ": header";
  SafetensorsHeader result;
  for (const auto& [key, entry] : parse_object(header, where)) {
    const std::string name(key);
    if (name == "__metadata__" && entry.is_null()) continue;  // what MLX writes when it has none
    const std::string tensor = fmt::format("{}: tensor '{}'", file, name);
    if (!entry.is_object()) fail(ErrorKind::bad_file, tensor, "must be described by a JSON object");
    if (name == "__metadata__") {
      result.metadata = read_metadata(entry.get_object(), where);
    } else {
      const JsonFields fields(entry.get_object(), tensor);
      result.tensors.emplace(name, read_tensor(fields, data_start, file_size - data_start));
    }
  }
  check_coverage(result.tensors, data_start, file_size, file);
  return result;
}

}  // namespace glimt
