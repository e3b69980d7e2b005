// Every instruction set that this CPU has, against arithmetic in double precision written from the formats'
// definitions, and its results against themselves: they must not depend on what else is computed in the same call.
#include "kernels/cpu/isa.h"

#include "base/throws.h"
#include "kernels/cpu/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>

namespace glimt::cpu {
namespace {

// ---- Formats, from their definitions

double f16(std::uint16_t h) {
  const int exponent = (h >> 10) & 31, fraction = h & 1023;
  const double sign = (h & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

double bf16(std::uint16_t h) {
  const int exponent = (h >> 7) & 255, fraction = h & 127;
  const double sign = (h & 0x8000) != 0 ? -1 : 1;
  if (exponent == 255)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, -133) : std::ldexp(128 + fraction, exponent - 134));
}

double e4m3(std::uint8_t b) {
  const int exponent = (b >> 3) & 15, fraction = b & 7;
  const double sign = (b & 0x80) != 0 ? -1 : 1;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<double>::quiet_NaN();
  return sign * (exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10));
}

double e2m1(int code) {
  const int exponent = (code >> 1) & 3, fraction = code & 1;
  const double magnitude = exponent == 0 ? 0.5 * fraction : std::ldexp(2 + fraction, exponent - 2);
  return (code & 8) != 0 ? -magnitude : magnitude;
}

double e8m0(std::uint8_t b) { return b == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, b - 127); }

// ---- Matrices

// Bytes that end where an unreadable page begins, so that reading past them is a crash; at an odd address when the size
// is odd.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t used = (size + page - 1) / page * page;
    mapped_ = used + page;
    void* address = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED || ::mprotect(static_cast<char*>(address) + used, page, PROT_NONE) != 0)
      throw std::runtime_error("mmap");
    base_ = static_cast<unsigned char*>(address);
    data_ = base_ + used - size;
    size_ = size;
  }
  ~GuardedBytes() { ::munmap(base_, mapped_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  unsigned char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  unsigned char* base_;
  unsigned char* data_;
  std::size_t size_, mapped_;
};

struct Form {
  Format format = Format::f32;
  int bits = 32;
  int group = 0;
  Format scale_format = Format::f32;
  int global_scales = 0;  // 0: none, 1: one, 2: one a row

  std::string name() const {
    static const char* const kNames[] = {"f32", "f16", "bf16", "affine", "mxfp4", "mxfp8", "nvfp4"};
    return std::string(kNames[static_cast<int>(format)]) + " " + std::to_string(bits) + " bits group " +
           std::to_string(group) + " scales " + kNames[static_cast<int>(scale_format)] + " global " +
           std::to_string(global_scales);
  }
};

std::vector<Form> all_forms() {
  std::vector<Form> forms = {{Format::f32, 32},
                             {Format::f16, 16},
                             {Format::bf16, 16},
                             {Format::mxfp4, 4, 32},
                             {Format::mxfp8, 8, 32},
                             {Format::nvfp4, 4, 16},
                             {Format::nvfp4, 4, 16, Format::f32, 1},
                             {Format::nvfp4, 4, 16, Format::f32, 2}};
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) forms.push_back({Format::affine, bits, group, Format::f32});
    forms.push_back({Format::affine, bits, 64, Format::bf16});
    forms.push_back({Format::affine, bits, 32, Format::f16});
  }
  return forms;
}

class Matrix {
 public:
  Matrix(const Form& form, int rows, int columns, std::mt19937& random)
      : form_(form),
        rows_(rows),
        columns_(columns),
        values_(static_cast<std::size_t>(rows) * row_bytes()),
        scales_(form.group == 0 ? 0 : groups() * scale_bytes()),
        biases_(form.format == Format::affine ? groups() * scale_bytes() : 0) {
    std::normal_distribution<float> normal(0, 1);
    if (form.group != 0) {
      for (std::size_t i = 0; i < values_.size(); ++i) values_.data()[i] = static_cast<unsigned char>(random());
      if (form.format == Format::mxfp8) avoid_nan();
    } else {
      for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns); ++i) {
        put_float(form.format, values_.data(), i, normal(random));
      }
    }
    for (std::size_t i = 0; i < (form.group == 0 ? 0 : groups()); ++i) {
      if (form.format == Format::affine) {
        put_float(form.scale_format, scales_.data(), i, 0.02f * normal(random));
        put_float(form.scale_format, biases_.data(), i, 0.3f * normal(random));
      } else {
        scales_.data()[i] =
            static_cast<unsigned char>(form.format == Format::nvfp4 ? random() % 0x60 : 110 + random() % 20);
      }
    }
    for (int i = 0; i < (form.global_scales == 2 ? rows : form.global_scales); ++i)
      global_.push_back(0.1f + std::abs(normal(random)));
  }

  MatrixView view() const {
    MatrixView v;
    v.format = form_.format;
    v.bits = form_.bits;
    v.group_size = form_.group;
    v.scale_format = form_.scale_format;
    v.rows = rows_;
    v.columns = columns_;
    v.values = values_.data();
    v.scales = form_.group == 0 ? nullptr : scales_.data();
    v.biases = form_.format == Format::affine ? biases_.data() : nullptr;
    v.global_scale = global_.empty() ? nullptr : global_.data();
    v.global_scale_per_row = form_.global_scales == 2;
    return v;
  }

  double at(int row, int column) const {
    return factor(row) * (scale(row, column) * code(row, column) + bias(row, column));
  }
  double magnitude(int row, int column) const {
    return factor(row) * (std::abs(scale(row, column) * code(row, column)) + std::abs(bias(row, column)));
  }

 private:
  std::size_t row_bytes() const {
    return static_cast<std::size_t>(columns_) * static_cast<std::size_t>(form_.bits) / 8;
  }
  std::size_t groups() const {
    return static_cast<std::size_t>(rows_) * static_cast<std::size_t>(columns_ / form_.group);
  }
  std::size_t scale_bytes() const {
    return form_.format != Format::affine ? 1 : form_.scale_format == Format::f32 ? 4 : 2;
  }

  static void put_float(Format format, unsigned char* to, std::size_t index, float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (format == Format::f32) {
      std::memcpy(to + 4 * index, &bits, 4);
      return;
    }
    auto half = static_cast<std::uint16_t>(bits >> 16);  // bf16, truncated
    if (format == Format::f16) {
      const int exponent = static_cast<int>((bits >> 23) & 255) - 127 + 15;
      const std::uint32_t fraction = (bits >> 13) & 1023;
      half = exponent <= 0 ? std::uint16_t{0}
                           : static_cast<std::uint16_t>(((bits >> 16) & 0x8000) |
                                                        (static_cast<std::uint32_t>(exponent) << 10) | fraction);
    }
    std::memcpy(to + 2 * index, &half, 2);
  }

  static double get_float(Format format, const unsigned char* from, std::size_t index) {
    if (format == Format::f32) {
      float value;
      std::memcpy(&value, from + 4 * index, 4);
      return static_cast<double>(value);
    }
    std::uint16_t half;
    std::memcpy(&half, from + 2 * index, 2);
    return format == Format::f16 ? f16(half) : bf16(half);
  }

  void avoid_nan() {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if ((values_.data()[i] & 0x7f) == 0x7f) values_.data()[i] = 0;
    }
  }

  std::size_t group_of(int row, int column) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_ / form_.group) +
           static_cast<std::size_t>(column / form_.group);
  }

  // The bits of a value, in the row's little-endian bit stream.
  int raw(int row, int column) const {
    int value = 0;
    for (int b = 0; b < form_.bits; ++b) {
      const auto bit =
          static_cast<std::size_t>(column) * static_cast<std::size_t>(form_.bits) + static_cast<std::size_t>(b);
      const unsigned char byte = values_.data()[static_cast<std::size_t>(row) * row_bytes() + bit / 8];
      value |= ((byte >> (bit % 8)) & 1) << b;
    }
    return value;
  }

  double code(int row, int column) const {
    switch (form_.format) {
      case Format::affine: return raw(row, column);
      case Format::mxfp4:
      case Format::nvfp4: return e2m1(raw(row, column));
      case Format::mxfp8: return e4m3(static_cast<std::uint8_t>(raw(row, column)));
      default:
        return get_float(
            form_.format, values_.data(),
            static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(column));
    }
  }

  double scale(int row, int column) const {
    if (form_.group == 0) return 1;
    const std::size_t g = group_of(row, column);
    if (form_.format == Format::affine) return get_float(form_.scale_format, scales_.data(), g);
    return form_.format == Format::nvfp4 ? e4m3(scales_.data()[g]) : e8m0(scales_.data()[g]);
  }

  double bias(int row, int column) const {
    return form_.format == Format::affine ? get_float(form_.scale_format, biases_.data(), group_of(row, column)) : 0;
  }

  double factor(int row) const {
    return global_.empty() ? 1
                           : static_cast<double>(global_[form_.global_scales == 2 ? static_cast<std::size_t>(row) : 0]);
  }

  Form form_;
  int rows_, columns_;
  GuardedBytes values_, scales_, biases_;
  std::vector<float> global_;
};

std::vector<int> widths_of(const Form& form) {
  if (form.group == 0) return {1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 100, 255};
  const int group = form.group;
  return {group, 2 * group, 3 * group, 5 * group, 8 * group};
}

class Kernels : public testing::TestWithParam<const Isa*> {
 protected:
  const Isa& isa() const { return *GetParam(); }
  std::mt19937 random_{1};
};

INSTANTIATE_TEST_SUITE_P(On, Kernels, testing::ValuesIn(supported_isas()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(Kernels, DecodeEveryFormatAtEveryWidth) {
  for (const Form& form : all_forms()) {
    SCOPED_TRACE(form.name());
    for (const int columns : widths_of(form)) {
      for (const int rows : {1, 3}) {
        const Matrix matrix(form, rows, columns, random_);
        for (int row = 0; row < rows; ++row) {
          std::vector<float> out(static_cast<std::size_t>(columns) + 1, 77.0f);
          isa().decode_row(matrix.view(), row, out.data());
          for (int c = 0; c < columns; ++c) {
            ASSERT_NEAR(out[static_cast<std::size_t>(c)], matrix.at(row, c), 2.5e-7 * matrix.magnitude(row, c))
                << row << ", " << c;
          }
          ASSERT_EQ(out.back(), 77.0f) << "wrote beyond the row";
        }
      }
    }
  }
}

TEST_P(Kernels, DecodeEveryHalfPrecisionNumber) {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint16_t>(i);
  std::vector<float> out(codes.size());
  MatrixView view;
  view.bits = 16;
  view.rows = 1;
  view.columns = 65536;
  view.values = codes.data();
  for (const Format format : {Format::f16, Format::bf16}) {
    view.format = format;
    isa().decode_row(view, 0, out.data());
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double wanted = format == Format::f16 ? f16(codes[i]) : bf16(codes[i]);
      if (std::isnan(wanted)) {
        ASSERT_TRUE(std::isnan(out[i])) << i;
      } else {
        ASSERT_EQ(static_cast<double>(out[i]), wanted) << i;
        ASSERT_EQ(std::signbit(out[i]), std::signbit(wanted)) << i;
      }
    }
  }
}

TEST_P(Kernels, DecodeEverySmallFloatAndItsScales) {
  // One group of 16 or 32 values a scale code; the values run through all their codes.
  for (const Format format : {Format::mxfp8, Format::mxfp4, Format::nvfp4}) {
    const int group = format == Format::nvfp4 ? 16 : 32;
    const int bits = format == Format::mxfp8 ? 8 : 4;
    MatrixView view;
    view.format = format;
    view.bits = bits;
    view.group_size = group;
    view.rows = 1;
    view.columns = 256 * group;
    std::vector<std::uint8_t> values(static_cast<std::size_t>(view.columns * bits / 8)), scales(256);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * 167 % 256);
    for (std::size_t i = 0; i < 256; ++i) scales[i] = static_cast<std::uint8_t>(i);
    view.values = values.data();
    view.scales = scales.data();
    std::vector<float> out(static_cast<std::size_t>(view.columns));
    isa().decode_row(view, 0, out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto code = scales[i / static_cast<std::size_t>(group)];
      const int raw = bits == 8 ? values[i] : (values[i / 2] >> (4 * (i % 2))) & 15;
      const double value = bits == 8 ? e4m3(static_cast<std::uint8_t>(raw)) : e2m1(raw);
      const double wanted = value * (format == Format::nvfp4 ? e4m3(code) : e8m0(code));
      if (std::isnan(wanted)) {
        ASSERT_TRUE(std::isnan(out[i])) << i;
      } else {
        const bool beyond = std::abs(wanted) > static_cast<double>(std::numeric_limits<float>::max());
        const double nearest = beyond ? std::copysign(std::numeric_limits<double>::infinity(), wanted) : wanted;
        ASSERT_TRUE(static_cast<double>(out[i]) == nearest || std::abs(static_cast<double>(out[i]) - nearest) < 1e-44)
            << i << ": " << out[i] << " for " << wanted;  // exact but for numbers below the smallest
      }
    }
  }
}

struct Rows {
  Rows(int count, int columns, std::mt19937& random, float size = 1) : columns_(columns) {
    std::normal_distribution<float> normal(0, size);
    values.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(columns));
    for (float& v : values) v = normal(random);
    for (int i = 0; i < count; ++i) pointers.push_back(row(i));
  }
  float* row(int i) { return values.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(columns_); }

  int columns_;
  std::vector<float> values;
  std::vector<const float*> pointers;
};

struct Results {
  Results(int rows, int columns) {
    values.assign(static_cast<std::size_t>(rows), std::vector<float>(static_cast<std::size_t>(columns), 77.0f));
    for (auto& row : values) pointers.push_back(row.data());
  }
  std::vector<std::vector<float>> values;
  std::vector<float*> pointers;
};

TEST_P(Kernels, DotsAreThoseOfDoublePrecisionAndDoNotDependOnTheirNeighbours) {
  for (const int columns : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255, 1024}) {
    Rows x(9, columns, random_), w(9, columns + 3, random_);  // weight rows lie farther apart than they are long
    Results alone(9, 9);
    for (int m = 0; m < 9; ++m) {
      for (int n = 0; n < 9; ++n) {
        float* to = &alone.values[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)];
        isa().dot(&x.pointers[static_cast<std::size_t>(m)], 1, w.row(n), 0, 1, columns, &to);
        double wanted = 0, magnitude = 0;
        for (int i = 0; i < columns; ++i) {
          const double product = static_cast<double>(x.row(m)[i]) * static_cast<double>(w.row(n)[i]);
          wanted += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(*to, wanted, 3e-7 * magnitude) << columns << " columns";
      }
    }
    for (const int rows_x : {1, 2, 3, 4, 5, 9}) {
      for (const int rows_w : {1, 2, 3, 4, 5, 7, 8, 9}) {
        Results together(rows_x, rows_w);
        isa().dot(x.pointers.data(), rows_x, w.values.data(), static_cast<std::size_t>(columns) + 3, rows_w, columns,
                  together.pointers.data());
        for (std::size_t m = 0; m < together.values.size(); ++m) {
          for (std::size_t n = 0; n < together.values[m].size(); ++n) {
            ASSERT_EQ(together.values[m][n], alone.values[m][n])
                << columns << " columns, " << rows_x << " by " << rows_w;
          }
        }
      }
    }
  }
}

TEST_P(Kernels, DotsOfBfloat16AreThoseOfTheDecodedRows) {
  for (const int columns : {1, 7, 8, 15, 17, 33, 255, 1024}) {
    constexpr int kRows = 7;
    const auto stride = static_cast<std::size_t>(columns) + 1;  // rows at odd addresses, too
    Rows x(9, columns, random_), w(kRows, static_cast<int>(stride), random_);
    std::vector<std::byte> stored(2 * w.values.size() + 1);
    for (std::size_t i = 0; i < w.values.size(); ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(w.values[i]) & 0xffff0000u;
      const auto half = static_cast<std::uint16_t>(bits >> 16);
      std::memcpy(stored.data() + 1 + 2 * i, &half, sizeof half);
      w.values[i] = std::bit_cast<float>(bits);
    }
    for (const int rows_x : {1, 2, 3, 4, 5, 9}) {
      for (int rows_w = 1; rows_w <= kRows; ++rows_w) {
        Results decoded(rows_x, rows_w), as_stored(rows_x, rows_w);
        isa().dot(x.pointers.data(), rows_x, w.values.data(), stride, rows_w, columns, decoded.pointers.data());
        isa().dot_bf16(x.pointers.data(), rows_x, stored.data() + 1, stride, rows_w, columns,
                       as_stored.pointers.data());
        ASSERT_EQ(decoded.values, as_stored.values) << columns << " columns, " << rows_x << " by " << rows_w;
      }
    }
  }
}

TEST_P(Kernels, SiluIsThatOfDoublePrecisionAtEverySizeAndLength) {
  // e^-g is cut off near the end of float32, so what should be zero is 1e-38 of its input.
  std::vector<float> inputs = {0.0f, -0.0f, 1e-30f, -1e-30f, 1e-6f, 20,   -20,  50,    -50,   87,    -87,
                               88,   -88,   89,     -89,     104,   -104, 1000, -1000, 1e30f, -1e30f};
  std::normal_distribution<float> normal(0, 4);
  while (inputs.size() < 200) inputs.push_back(normal(random_));
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{8}, std::size_t{15},
                                   std::size_t{17}, std::size_t{200}}) {
    std::vector<float> gate(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(length)), up(length);
    for (float& u : up) u = normal(random_);
    gate.push_back(77.0f);
    isa().silu_multiply(gate.data(), up.data(), length);
    for (std::size_t i = 0; i < length; ++i) {
      const double g = static_cast<double>(inputs[i]), wanted = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
      ASSERT_NEAR(gate[i], wanted, 1e-6 * std::abs(wanted) + 1e-37 * std::abs(g * static_cast<double>(up[i])))
          << inputs[i];
    }
    ASSERT_EQ(gate.back(), 77.0f);
  }
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> gate(16, nan), up(16, 1.0f);
  isa().silu_multiply(gate.data(), up.data(), 16);
  for (const float g : gate) EXPECT_TRUE(std::isnan(g));
}

// ---- Activations as 8-bit integers

// Where quantize_row puts a column: within 128 columns the even ones first, if they are interleaved.
std::size_t position(int column, bool interleave) {
  const int inside = column % kBlockColumns;
  return static_cast<std::size_t>(interleave ? column - inside + (inside % 2) * (kBlockColumns / 2) + inside / 2
                                             : column);
}

struct Integers {
  Integers(const Isa& isa, Rows& x, int group, bool interleave)
      : stride(padded_columns(x.columns_, group)), group_stride(padded_groups(x.columns_, group)) {
    const std::size_t rows = x.pointers.size();
    values.assign(rows * stride, 99);
    scales.assign(rows * group_stride, 99);
    sums.assign(rows * group_stride, 99);
    for (std::size_t r = 0; r < rows; ++r) {
      isa.quantize_row(x.pointers[r], x.columns_, group, interleave, &values[r * stride], &scales[r * group_stride],
                       &sums[r * group_stride]);
    }
  }
  IntegerRows view(std::size_t row = 0) const {
    return {&values[row * stride], &scales[row * group_stride], &sums[row * group_stride], stride, group_stride};
  }

  // The first `rows` as dot_integer wants so many: in tiles, word by word.
  Integers arranged(const Isa& isa, int rows) const {
    Integers out = *this;
    if (rows <= kFewRows || isa.tile_rows == 0) return out;
    const int tiles = tile_count(rows, isa.tile_rows);
    std::size_t first = 0;
    for (int t = 0; t < tiles; ++t) {
      const auto height = static_cast<std::size_t>(tile_height(rows, tiles, t));
      const auto arrange = [&](const void* from, std::size_t bytes, void* to) {
        for (std::size_t word = 0; word < bytes / 4; ++word) {
          for (std::size_t r = 0; r < height; ++r) {
            std::memcpy(static_cast<std::byte*>(to) + (first * bytes + (word * height + r) * 4),
                        static_cast<const std::byte*>(from) + ((first + r) * bytes + word * 4), 4);
          }
        }
      };
      arrange(values.data(), stride, out.values.data());
      arrange(scales.data(), group_stride * sizeof(float), out.scales.data());
      arrange(sums.data(), group_stride * sizeof(float), out.sums.data());
      first += height;
    }
    return out;
  }

  std::size_t stride, group_stride;
  std::vector<std::int8_t> values;
  std::vector<float> scales, sums;
};

TEST_P(Kernels, ActivationsRoundToTheNearestOf255StepsAGroup) {
  for (const int group : {16, 32, 64, 128}) {
    for (const int groups : {1, 2, 3, 5, 9}) {
      for (const bool interleave : {false, true}) {
        for (const float size : {1e-30f, 1e-3f, 1.0f, 1e30f}) {
          const int columns = group * groups;
          Rows x(1, columns, random_, size);
          const Integers q(isa(), x, group, interleave);
          for (int g = 0; g < groups; ++g) {
            const float scale = q.scales[static_cast<std::size_t>(g)];
            int sum = 0;
            float largest = 0;
            for (int c = g * group; c < (g + 1) * group; ++c) {
              const int value = q.values[position(c, interleave)];
              sum += value;
              largest = std::max(largest, std::abs(x.row(0)[c]));
              ASSERT_NEAR(x.row(0)[c], scale * static_cast<float>(value), 0.501f * scale);
            }
            ASSERT_NEAR(scale * 127, largest, 1e-6f * largest);
            ASSERT_NEAR(q.sums[static_cast<std::size_t>(g)], scale * static_cast<float>(sum), 1e-6f * scale * 128);
          }
          for (std::size_t g = static_cast<std::size_t>(groups); g < q.group_stride; ++g) ASSERT_EQ(q.scales[g], 0.0f);
          std::size_t zeros = 0;
          for (const std::int8_t v : q.values) zeros += v == 99 ? 1u : 0u;
          ASSERT_LE(zeros, static_cast<std::size_t>(columns) / 16) << "left something unset";  // a 99 may also be meant
        }
      }
    }
  }
}

TEST_P(Kernels, ActivationsThatAreZeroStayZeroAndBrokenOnesAreMarked) {
  Rows x(1, 128, random_);
  std::fill_n(x.row(0), 32, 0.0f);
  x.row(0)[40] = std::numeric_limits<float>::quiet_NaN();
  x.row(0)[70] = -std::numeric_limits<float>::infinity();
  const Integers q(isa(), x, 32, false);
  EXPECT_EQ(q.scales[0], 0.0f);
  EXPECT_EQ(q.sums[0], 0.0f);
  for (int c = 0; c < 32; ++c) EXPECT_EQ(q.values[static_cast<std::size_t>(c)], 0);
  EXPECT_TRUE(std::isnan(q.scales[1]));
  EXPECT_TRUE(std::isnan(q.scales[2]));
  EXPECT_FALSE(std::isnan(q.scales[3]));
}

TEST_P(Kernels, ActivationsTooSmallToDivideAreZero) {
  for (const float size : {std::numeric_limits<float>::denorm_min(), 1e-40f, 1e-38f, 3.7e-37f, 7e-37f}) {
    Rows x(1, 64, random_);
    for (int c = 0; c < 64; ++c) x.row(0)[c] = c % 2 == 0 ? size : -0.01f * size;
    const Integers q(isa(), x, 64, false);
    EXPECT_EQ(q.scales[0], 0.0f) << size;
    EXPECT_EQ(q.sums[0], 0.0f) << size;
    for (std::size_t c = 0; c < 64; ++c) ASSERT_EQ(q.values[c], 0) << size;
  }
}

TEST_P(Kernels, InterleavedRowsLieWordByWord) {
  if (isa().tile_rows == 0) GTEST_SKIP() << isa().name << " takes plain rows";
  ASSERT_LE(isa().tile_rows, kMostTileRows);
  for (int count = 1; count <= isa().tile_rows; ++count) {
    for (const std::size_t words : {1u, 2u, 7u, 16u, 17u, 33u}) {
      std::vector<std::vector<std::uint32_t>> rows(static_cast<std::size_t>(count), std::vector<std::uint32_t>(words));
      std::vector<const void*> pointers;
      for (std::vector<std::uint32_t>& row : rows) {
        for (std::uint32_t& word : row) word = static_cast<std::uint32_t>(random_());
        pointers.push_back(row.data());
      }
      std::vector<std::uint32_t> out(words * rows.size() + 1, 77);
      isa().interleave_rows(pointers.data(), count, words, out.data());
      for (std::size_t word = 0; word < words; ++word) {
        for (std::size_t r = 0; r < rows.size(); ++r) ASSERT_EQ(out[word * rows.size() + r], rows[r][word]) << count;
      }
      ASSERT_EQ(out.back(), 77u) << "wrote behind its end";
    }
  }
}

TEST_P(Kernels, ScaleCodesBecomeScalesAndBiasesOfTheShiftedCodes) {
  std::vector<std::uint8_t> codes(256);
  for (std::size_t i = 0; i < 256; ++i) codes[i] = static_cast<std::uint8_t>(i);
  for (const Format format : {Format::mxfp4, Format::nvfp4}) {
    MatrixView view;
    view.format = format;
    view.bits = 4;
    view.group_size = format == Format::mxfp4 ? 32 : 16;
    view.rows = 1;
    view.columns = 256 * view.group_size;
    view.scales = codes.data();
    std::vector<float> scales(padded_groups(view.columns, view.group_size)), biases(scales.size());
    isa().expand_scales(view, 0, scales.data(), biases.data());
    for (std::size_t g = 0; g < 256; ++g) {
      const double scale = (format == Format::mxfp4 ? e8m0(codes[g]) : e4m3(codes[g])) / 2;
      if (std::isnan(scale)) {
        EXPECT_TRUE(std::isnan(scales[g]) && std::isnan(biases[g])) << g << ": " << scales[g] << ' ' << biases[g];
      } else {
        EXPECT_EQ(static_cast<double>(scales[g]), scale) << g;
        EXPECT_EQ(biases[g], static_cast<float>(-12 * scale)) << g;
      }
    }
  }
}

// Nothing is read behind the codes: a sanitizer would see it.
TEST_P(Kernels, CodesAreWidenedToFourAndEightBits) {
  for (const unsigned bits : {2u, 3u, 5u, 6u}) {
    for (const std::size_t count : std::vector<std::size_t>{16, 32, 80, 96, 160, 192, 2048 * 3 + 32}) {
      std::vector<unsigned char> packed(count * bits / 8), codes(count);
      for (std::size_t i = 0; i < count; ++i) {
        codes[i] = static_cast<unsigned char>(random_() % (1u << bits));
        for (unsigned b = 0; b < bits; ++b) {
          const std::size_t at = i * bits + b;
          packed[at / 8] = static_cast<unsigned char>(packed[at / 8] | (codes[i] >> b & 1u) << at % 8);
        }
      }
      const std::size_t wide = bits < 4 ? 4 : 8;
      std::vector<unsigned char> out(count * wide / 8 + 1, 0xee), wanted = codes;
      isa().widen_codes(packed.data(), static_cast<int>(bits), count, out.data());
      if (wide == 4) {
        wanted.resize(count / 2);
        for (std::size_t i = 0; i < count / 2; ++i) {
          wanted[i] = static_cast<unsigned char>(codes[2 * i] | codes[2 * i + 1] << 4);
        }
      }
      wanted.push_back(0xee);
      ASSERT_EQ(out, wanted) << bits << " bits, " << count;
    }
  }
}

// Products of integer activations with 4- and 8-bit weights: exact sums of the rounded activations times the weights.
TEST_P(Kernels, IntegerDotsAreThoseOfDoublePrecisionAndDoNotDependOnTheirNeighbours) {
  std::vector<Form> forms = {{Format::mxfp4, 4, 32}, {Format::nvfp4, 4, 16}, {Format::nvfp4, 4, 16, Format::f32, 2}};
  for (const int bits : {4, 8}) {
    for (const int group : {32, 64, 128}) forms.push_back({Format::affine, bits, group, Format::f32});
    for (const int group : {32, 64, 128}) forms.push_back({Format::affine, bits, group, Format::bf16});
    forms.push_back({Format::affine, bits, 32, Format::f16, 1});
  }
  for (const Form& form : forms) {
    SCOPED_TRACE(form.name());
    const int g = form.group;
    for (const int columns : {g, 3 * g, 128, 8 * g, 12 * g, 5 * 128 + g, 1024}) {
      if (columns % form.group != 0) continue;
      constexpr int kRows = 35, kTokens = 19;  // whole panels and tiles, and parts of them
      const Matrix matrix(form, kRows, columns, random_);
      const MatrixView view = matrix.view();
      ASSERT_EQ(integer_bits(view), form.bits);
      Rows x(kTokens, columns, random_);
      const bool interleave = form.bits == 4;
      const Integers q(isa(), x, form.group, interleave);
      const std::size_t stride = padded_groups(columns, form.group);
      std::vector<float> scales(kRows * stride, 99.0f), biases(kRows * stride, 99.0f);
      for (int r = 0; r < kRows; ++r) {
        isa().expand_scales(view, r, &scales[static_cast<std::size_t>(r) * stride],
                            &biases[static_cast<std::size_t>(r) * stride]);
      }
      const auto weights_from = [&](int row) {
        IntegerWeights w;
        w.row_bytes = view.row_bytes();
        w.values = static_cast<const unsigned char*>(view.values) + static_cast<std::size_t>(row) * w.row_bytes;
        w.columns = columns;
        w.bits = form.bits;
        w.group = form.group;
        w.e2m1 = form.format != Format::affine;
        w.scales = &scales[static_cast<std::size_t>(row) * stride];
        w.biases = &biases[static_cast<std::size_t>(row) * stride];
        w.group_stride = stride;
        return w;
      };
      Results alone(kTokens, kRows);
      for (int m = 0; m < kTokens; ++m) {
        for (int n = 0; n < kRows; ++n) {
          float* to = &alone.values[static_cast<std::size_t>(m)][static_cast<std::size_t>(n)];
          isa().dot_integer(weights_from(n), 1, q.view(static_cast<std::size_t>(m)), 1, &to, nullptr);
          double wanted = 0, magnitude = 0;
          for (int c = 0; c < columns; ++c) {
            const double scale =
                q.scales[static_cast<std::size_t>(m) * q.group_stride + static_cast<std::size_t>(c / form.group)];
            const double value = scale * q.values[static_cast<std::size_t>(m) * q.stride + position(c, interleave)];
            wanted += value * matrix.at(n, c);
            magnitude += std::abs(value) * std::max(matrix.magnitude(n, c), std::abs(matrix.at(n, c)));
          }
          ASSERT_NEAR(*to, wanted, 2e-6 * magnitude) << columns << " columns, row " << n << " of " << kRows;
        }
      }
      const Buffer<std::byte> scratch(scratch_bytes(columns, form.group));
      for (const int rows_x : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, kTokens}) {
        const Integers arranged = q.arranged(isa(), rows_x);
        for (const int rows_w : {1, 2, 3, 4, 5, 8, 9, 32, kRows}) {
          Results together(rows_x, rows_w);
          isa().dot_integer(weights_from(0), rows_w, arranged.view(), rows_x, together.pointers.data(), scratch.data());
          for (std::size_t m = 0; m < together.values.size(); ++m) {
            for (std::size_t n = 0; n < together.values[m].size(); ++n) {
              ASSERT_EQ(together.values[m][n], alone.values[m][n])
                  << columns << " columns, " << rows_x << " by " << rows_w;
            }
          }
          if (!isa().reads_bf16_scales || form.scale_format != Format::bf16) continue;
          IntegerWeights stored = weights_from(0);
          stored.bf16_scales = view.scales;
          stored.bf16_biases = view.biases;
          Results as_stored(rows_x, rows_w);
          isa().dot_integer(stored, rows_w, arranged.view(), rows_x, as_stored.pointers.data(), scratch.data());
          EXPECT_EQ(as_stored.values, together.values) << columns << " columns, " << rows_x << " by " << rows_w;
        }
      }
    }
  }
}

// All codes and all activations at their largest: 16-bit sums on the way must not overflow.
TEST_P(Kernels, TheLargestSumsDoNotOverflow) {
  struct Case {
    int bits, group;
    bool e2m1;
    int byte, code;  // as stored, and what it stands for
  };
  constexpr int kRows = 17, kTokens = 5;
  for (const Case& c : {Case{4, 32, false, 0xff, 15}, Case{4, 64, false, 0xff, 15}, Case{4, 128, false, 0xff, 15},
                        Case{8, 64, false, 0xff, 255}, Case{8, 128, false, 0xff, 255}, Case{4, 16, true, 0x77, 24},
                        Case{4, 32, true, 0x77, 24}}) {
    for (const int groups : {1, 3, 16, 33}) {
      for (const float sign : {1.0f, -1.0f}) {
        const int columns = c.group * groups;
        Rows x(kTokens, columns, random_);
        std::fill(x.values.begin(), x.values.end(), sign);
        const Integers q(isa(), x, c.group, c.bits == 4);
        IntegerWeights w;
        w.row_bytes = static_cast<std::size_t>(columns * c.bits / 8);
        const std::vector<unsigned char> bytes(kRows * w.row_bytes, static_cast<unsigned char>(c.byte));
        w.values = bytes.data();
        w.columns = columns;
        w.bits = c.bits;
        w.group = c.group;
        w.e2m1 = c.e2m1;
        w.group_stride = padded_groups(columns, c.group);
        const std::vector<float> scales(kRows * w.group_stride, 1.0f), biases(kRows * w.group_stride, 0.0f);
        w.scales = scales.data();
        w.biases = biases.data();
        const Buffer<std::byte> scratch(scratch_bytes(columns, c.group));
        const float wanted = sign * static_cast<float>(columns * c.code);
        for (int rows_x = 1; rows_x <= kTokens; ++rows_x) {
          Results y(rows_x, kRows);
          isa().dot_integer(w, kRows, q.arranged(isa(), rows_x).view(), rows_x, y.pointers.data(), scratch.data());
          for (const std::vector<float>& row : y.values) {
            for (const float value : row) ASSERT_NEAR(value, wanted, 1e-5f * std::abs(wanted)) << c.bits << " bits";
          }
        }
      }
    }
  }
}

// The other sets compute what the first, plain one does, up to the order of their sums.
TEST_P(Kernels, AgreeWithThePlainOnes) {
  const Isa& plain = *supported_isas().front();
  for (const int columns : {17, 64, 129, 2048}) {
    Rows x(3, columns, random_), w(5, columns, random_);
    Results a(3, 5), b(3, 5);
    const auto stride = static_cast<std::size_t>(columns);
    plain.dot(x.pointers.data(), 3, w.values.data(), stride, 5, columns, a.pointers.data());
    isa().dot(x.pointers.data(), 3, w.values.data(), stride, 5, columns, b.pointers.data());
    for (std::size_t m = 0; m < 3; ++m) {
      for (std::size_t n = 0; n < 5; ++n) EXPECT_NEAR(a.values[m][n], b.values[m][n], 1e-4);
    }
  }
  Rows x(1, 1024, random_);
  const Integers a(plain, x, 64, true), b(isa(), x, 64, true);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.sums, b.sums);
}

TEST(Dispatch, TheEnvironmentChoosesTheInstructionSetAndUnknownOnesAreRefused) {
  const std::vector<const Isa*> tables = supported_isas();
  EXPECT_STREQ(tables.front()->name, "scalar");
  const char* wanted = std::getenv("GLIMT_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') {
    EXPECT_STREQ(isa().name, tables.back()->name);
    return;
  }
  for (const Isa* one : tables) {
    if (std::string(one->name) == wanted) {
      EXPECT_STREQ(isa().name, wanted);
      return;
    }
  }
  EXPECT_ERROR(
      isa(), ErrorKind::unsupported,
      testing::AllOf(testing::HasSubstr("GLIMT_CPU_ISA"), testing::HasSubstr(wanted), testing::HasSubstr("scalar")));
}

}  // namespace
}  // namespace glimt::cpu
