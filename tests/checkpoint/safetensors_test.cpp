#include "checkpoint/safetensors.h"

#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/safetensors_bytes.h"

#include <sys/stat.h>

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Safetensors : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& content) { return folder_.write("weights.safetensors", content); }

  // Opening must fail with the file's name and `words` in the message.
  template <typename... Words>
  void expect_refused(const std::string& content, ErrorKind kind, Words... words) {
    const std::filesystem::path path = write(content);
    EXPECT_ERROR(SafetensorsFile(path), kind, AllOf(HasSubstr(path.string()), HasSubstr(words)...));
  }

  // The same for a header over 8 bytes of data.
  template <typename... Words>
  void expect_header_refused(const std::string& header, Words... words) {
    SCOPED_TRACE(header);
    expect_refused(file_of(header, "12345678"), ErrorKind::bad_file, words...);
  }

  TemporaryFolder folder_;
};

TEST_F(Safetensors, ReadsTensorsOfEveryDtypeWithTheirMetadata) {
  const struct {
    const char* name;
    Dtype dtype;
    int size;
  } kTypes[] = {{"F64", Dtype::f64, 8},      {"F32", Dtype::f32, 4},         {"F16", Dtype::f16, 2},
                {"BF16", Dtype::bf16, 2},    {"I64", Dtype::i64, 8},         {"I32", Dtype::i32, 4},
                {"I16", Dtype::i16, 2},      {"I8", Dtype::i8, 1},           {"U64", Dtype::u64, 8},
                {"U32", Dtype::u32, 4},      {"U16", Dtype::u16, 2},         {"U8", Dtype::u8, 1},
                {"BOOL", Dtype::boolean, 1}, {"F8_E4M3", Dtype::f8_e4m3, 1}, {"F8_E8M0", Dtype::f8_e8m0, 1}};
  for (const auto& type : kTypes) {
    SCOPED_TRACE(type.name);
    const std::string bytes(static_cast<std::size_t>(6 * type.size), '\1');
    const SafetensorsFile file(
        write(file_of(fmt::format(R"({{"__metadata__":{{"made by":"hand"}},"a.b":{{"dtype":"{}",)"
                                  R"("shape":[2,3],"data_offsets":[0,{}]}}}})",
                                  type.name, bytes.size()),
                      bytes)));
    EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"made by", "hand"}}));
    ASSERT_EQ(file.tensors().size(), 1u);
    const TensorInfo& info = file.tensors().at("a.b");
    EXPECT_EQ(info.dtype, type.dtype);
    EXPECT_EQ(info.shape, (Shape{2, 3}));
    EXPECT_EQ(info.nbytes, bytes.size());
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(file.map()->data()) + info.offset, info.nbytes), bytes);
  }
}

TEST_F(Safetensors, ReadsScalarsEmptyTensorsAndFilesWithoutTensors) {
  const SafetensorsFile file(write(file_of(R"({"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                           R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}})",
                                           std::string("\0\0\x80\x3f", 4))));
  EXPECT_EQ(file.tensors().at("scalar").shape, Shape{});
  EXPECT_EQ(file.tensors().at("scalar").nbytes, 4u);
  EXPECT_EQ(file.tensors().at("none").nbytes, 0u);
  EXPECT_TRUE(SafetensorsFile(write(file_of("{}", ""))).tensors().empty());
  EXPECT_EQ(SafetensorsFile(write(file_of("{}      ", ""))).header_text(), "{}      ");  // writers pad with spaces
}

TEST_F(Safetensors, FilesThatCannotBeOneAreNamed) {
  expect_refused("", ErrorKind::bad_file, "0 bytes");
  expect_refused("1234567", ErrorKind::bad_file, "7 bytes");
  expect_refused(length_field(0), ErrorKind::bad_file, "header");
  expect_refused(length_field(0) + "{}", ErrorKind::bad_file, "header");
  expect_refused(length_field(3) + "{}", ErrorKind::bad_file, "header claims 3 bytes");
  expect_refused(length_field(~std::uint64_t{0}) + "{}", ErrorKind::bad_file, "header claims 18446744073709551615");
  expect_refused(length_field(~std::uint64_t{0} - 7) + "{}", ErrorKind::bad_file, "header claims");
  expect_refused("PK\3\4 something else entirely, a zip perhaps", ErrorKind::bad_file, "not a safetensors file");
  const std::filesystem::path directory = folder_.path() / "directory.safetensors";
  std::filesystem::create_directory(directory);
  EXPECT_ERROR(SafetensorsFile(directory), ErrorKind::bad_file, HasSubstr(directory.string()));
  const std::filesystem::path fifo = folder_.path() / "fifo.safetensors";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_ERROR(SafetensorsFile(fifo), ErrorKind::bad_file, HasSubstr(fifo.string()));  // and does not wait for a writer
  const std::filesystem::path missing = folder_.path() / "missing.safetensors";
  EXPECT_ERROR(SafetensorsFile(missing), ErrorKind::not_found, HasSubstr(missing.string()));
}

TEST_F(Safetensors, HeadersThatAreNotAnObjectOfTensorsAreRefused) {
  expect_header_refused("[]", "header");
  expect_header_refused("7", "header");
  expect_header_refused("  {}", "header");
  expect_header_refused("{\"a\":", "header");
  expect_header_refused("{} {}", "header");
  expect_header_refused(std::string("{}\0\0", 4), "header");
  expect_header_refused("{\"a\": 7}", "tensor 'a'");
  expect_header_refused("{\"a\": [0, 8]}", "tensor 'a'");
  expect_header_refused("{\"__metadata__\": {\"k\": 1}}", "__metadata__");
  expect_header_refused("{\"__metadata__\": 1}", "__metadata__");
  expect_header_refused("{\"a\xff\": {\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", "header");  // not UTF-8
  expect_header_refused("{\"a\xed\xa0\x80\": {\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", "header");
  expect_header_refused("{\"a\": " + std::string(100000, '[') + std::string(100000, ']') + "}", "header");
  expect_header_refused("{\"a\": " + std::string(100000, '{'), "header");
}

TEST_F(Safetensors, TensorsWithMissingOrWrongFieldsAreNamed) {
  expect_header_refused(R"({"a":{"shape":[8],"data_offsets":[0,8]}})", "tensor 'a'", "'dtype'");
  expect_header_refused(R"({"a":{"dtype":"U8","data_offsets":[0,8]}})", "tensor 'a'", "'shape'");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8]}})", "tensor 'a'", "'data_offsets'");
  expect_header_refused(R"({"a":{"dtype":8,"shape":[8],"data_offsets":[0,8]}})", "tensor 'a'", "'dtype'");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":8,"data_offsets":[0,8]}})", "tensor 'a'", "'shape'");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":8}})", "tensor 'a'", "'data_offsets'");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0]}})", "tensor 'a'", "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]}})", "tensor 'a'", "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":["0","8"]}})", "tensor 'a'", "data_offsets");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}})", "tensor 'a'", "shape");
  expect_header_refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0.0,8.0]}})", "tensor 'a'", "data_offsets");
  expect_refused(file_of(R"({"a":{"dtype":"C128","shape":[1],"data_offsets":[0,8]}})", "12345678"),
                 ErrorKind::unsupported, "tensor 'a'", "C128");
}

TEST_F(Safetensors, ImpossibleShapesAreNamed) {
  const auto with_shape = [](const std::string& shape) {
    return R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,8]}})";
  };
  expect_header_refused(with_shape("[-1, -2]"), "tensor 'a'", "shape");
  expect_header_refused(with_shape("[-2]"), "tensor 'a'", "shape");
  expect_header_refused(with_shape("[1]"), "tensor 'a'", "8 bytes", "4");             // shorter than its bytes
  expect_header_refused(with_shape("[3]"), "tensor 'a'", "8 bytes", "12");            // longer
  expect_header_refused(with_shape("[2147483648]"), "tensor 'a'", "shape");           // beyond MLX's int
  expect_header_refused(with_shape("[4611686018427387906]"), "tensor 'a'", "shape");  // times 4 wraps to 8
  expect_header_refused(with_shape("[18446744073709551615]"), "tensor 'a'", "shape");
  expect_header_refused(with_shape("[65536, 65536, 65536, 65536, 2]"), "tensor 'a'", "shape");  // wraps to 0
  expect_header_refused(with_shape("[2147483647, 2147483647, 2147483647]"), "tensor 'a'", "shape");
  expect_header_refused(with_shape("[2147483647, 2147483647]"), "tensor 'a'");
  expect_header_refused(with_shape("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]"), "tensor 'a'", "18 dimensions");
  expect_header_refused(with_shape("[1e400]"), "header");
  expect_header_refused(with_shape("[[2]]"), "tensor 'a'", "shape");
  expect_header_refused(R"({"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}})", "tensor 'a'", "16");
}

TEST_F(Safetensors, ByteRangesThatDoNotTileTheFileAreNamed) {
  const auto one = [](const std::string& offsets, int bytes) {
    return R"({"a":{"dtype":"U8","shape":[)" + std::to_string(bytes) + R"(],"data_offsets":)" + offsets + "}}";
  };
  const auto two = [](const std::string& a, const std::string& b, int a_bytes, int b_bytes) {
    return R"({"a":{"dtype":"U8","shape":[)" + std::to_string(a_bytes) + R"(],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[)" + std::to_string(b_bytes) + R"(],"data_offsets":)" + b + "}}";
  };
  expect_header_refused(one("[0,9]", 9), "tensor 'a'", "0 to 9 of 8");  // truncated file
  expect_header_refused(one("[8,16]", 8), "tensor 'a'", "8 to 16 of 8");
  expect_header_refused(one("[8,0]", 8), "tensor 'a'", "8 to 0");
  expect_header_refused(one("[-8,0]", 8), "tensor 'a'", "-8 to 0");
  expect_header_refused(one("[0,9223372036854775807]", 8), "tensor 'a'");
  expect_header_refused(one("[0,18446744073709551615]", 8), "tensor 'a'", "data_offsets");
  expect_header_refused(one("[1,8]", 7), "tensor 'a'", "a hole");
  expect_header_refused(one("[0,7]", 7), "1 bytes behind the last tensor");
  expect_header_refused("{}", "8 bytes behind the last tensor");
  expect_header_refused(two("[0,4]", "[5,8]", 4, 3), "tensor 'b'", "a hole");
  expect_header_refused(two("[0,5]", "[4,8]", 5, 4), "tensor 'b'", "overlap");
  expect_header_refused(two("[0,8]", "[0,8]", 8, 8), "tensor '", "overlap");
  expect_header_refused(two("[0,8]", "[2,4]", 8, 2), "tensor 'b'", "overlap");
  expect_header_refused(two("[4,8]", "[0,5]", 4, 5), "tensor 'a'", "overlap");
}

TEST_F(Safetensors, ANameThatOccursTwiceIsRefused) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  expect_header_refused("{" + entry + "," + entry + "}", "tensor 'a' is there twice");
  expect_header_refused(
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      "tensor 'a' is there twice");
  expect_header_refused("{\"__metadata__\":{\"k\":\"1\"},\"__metadata__\":{\"k\":\"2\"}," + entry + "}",
                        "'__metadata__' is there twice");
  expect_header_refused(R"({"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}})",
                        "field 'dtype' is there twice");
  expect_header_refused(
      R"({"\u0061":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      "tensor 'a' is there twice");
}

// Every prefix of a good file is refused (or, where only padding is cut, read): nothing reads beyond the end.
TEST_F(Safetensors, EveryTruncationIsRefused) {
  const std::string good = file_of(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", "12345678");
  for (std::size_t size = 0; size < good.size(); ++size) {
    SCOPED_TRACE(size);
    expect_refused(good.substr(0, size), ErrorKind::bad_file);
  }
  EXPECT_NO_THROW(SafetensorsFile(write(good)));
}

}  // namespace
}  // namespace glimt
