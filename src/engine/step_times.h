// How long a step will take, learned from those before it: so that a chunk of a prompt is no longer than its time
// allows.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

namespace glimt {

// What is computed in a step: rows, and how many keys all of them attend to together.
struct StepWork {
  int rows = 0;
  double keys = 0;

  // `count` rows behind `depth` others.
  void add(int depth, int count) {
    rows += count;
    keys += count * (depth + (count + 1) / 2.0);
  }
};

// The model is seconds = base + a * rows + b * keys with coefficients that are not negative, fitted to the relative
// errors of what was measured, so that one slow step changes little. Measurements are kept by the orders of magnitude
// of their rows and of the keys a row, so that what is rare is not forgotten over what happens all the time. No clock:
// a function of what it was told. Not thread-safe.
class StepTimes {
 public:
  void record(const StepWork& work, double seconds);

  // Of any step, and of `rows` rows behind `depth` others on top. 0 before anything was measured.
  double base() const { return base_; }
  double cost(int depth, int rows) const;

  // Seconds of a step of such an order of magnitude. Nothing where none was measured.
  std::optional<double> expected(const StepWork& work) const;

  // How many rows behind `depth` others fit into `seconds`, beside the base. Grows with what was measured: at most
  // twice as many rows as the largest step at such a depth, and kFirstRows where there was none. So the first step at
  // a depth is small, whatever the model says there.
  int affordable(int depth, double seconds) const;

  static constexpr int kFirstRows = 16;

 private:
  // Means of the steps of one order of magnitude, fading.
  struct Bucket {
    double rows = 0, keys = 0, seconds = 0;  // 0 seconds: nothing yet
  };
  static constexpr int kRowOrders = 16, kKeyOrders = 24;
  static constexpr double kWeight = 0.25;  // of a new measurement

  static std::size_t key_order(const StepWork& work);
  static std::size_t row_order(const StepWork& work);
  void fit();
  int most_rows(int depth) const;

  std::array<std::array<Bucket, kRowOrders>, kKeyOrders> buckets_{};
  std::array<int, kKeyOrders> largest_{};  // step, in rows, by the order of keys a row
  double base_ = 0, row_ = 0, key_ = 0;
};

}  // namespace glimt
