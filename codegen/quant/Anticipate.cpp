//===- Anticipate.cpp - rounding against inputs that weights suggest ------===//
//
// Rows are rounded 16 at a time, one in each lane: lanes never meet, so a row's codes do not depend
// on its neighbours. All sums have a fixed order.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Anticipate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace stoop;
using namespace stoop::quant;

static constexpr int64_t kLanes = 16, kVector = 8, kCount = InputSamples::count;
static constexpr double kDamping = 1; ///< of the mean of the diagonal
typedef float Lanes __attribute__((vector_size(kVector * sizeof(float)), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(32), aligned(8), may_alias));

//===----------------------------------------------------------------------===//
// What rows share
//===----------------------------------------------------------------------===//

/// Takes x into the inverse of M (Sherman and Morrison) and writes M^-1 x / damping.
__attribute__((target_clones("avx2", "default"))) static void
addColumn(const float *x, double damping, double *inverse, float *answer) {
  double product[kCount], reach = damping;
  for (int64_t i = 0; i < kCount; ++i) {
    Doubles sum = {};
    for (int64_t t = 0; t < kCount; t += 4)
      sum += *reinterpret_cast<const Doubles *>(inverse + i * kCount + t) *
             Doubles{x[t], x[t + 1], x[t + 2], x[t + 3]};
    product[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  for (int64_t i = 0; i < kCount; ++i)
    reach += product[i] * x[i];
  for (int64_t i = 0; i < kCount; ++i) {
    double share = product[i] / reach;
    answer[i] = float(share);
    for (int64_t t = 0; t < kCount; t += 4)
      *reinterpret_cast<Doubles *>(inverse + i * kCount + t) -=
          share * *reinterpret_cast<const Doubles *>(product + t);
  }
}

Anticipation::Anticipation(const InputSamples &samples) : cols(samples.columns()) {
  std::vector<double> diagonal(cols);
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t t = 0; t < kCount; ++t)
      diagonal[c] += double(samples.values[c * kCount + t]) * samples.values[c * kCount + t] / kCount;
  double mean = std::accumulate(diagonal.begin(), diagonal.end(), 0.0) / double(cols);
  if (!(mean > 0) || !std::isfinite(mean))
    return;
  order.resize(cols);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return diagonal[a] > diagonal[b]; });
  inputs.resize(cols * kCount);
  answers.resize(cols * kCount);
  const float unit = float(1 / std::sqrt(mean * kCount)); // the mean of the diagonal becomes 1
  std::vector<double> inverse(kCount * kCount);
  for (int64_t i = 0; i < kCount; ++i)
    inverse[i * kCount + i] = 1;
  for (int64_t k = cols - 1; k >= 0; --k) {
    for (int64_t t = 0; t < kCount; ++t)
      inputs[k * kCount + t] = samples.values[order[k] * kCount + t] * unit;
    addColumn(&inputs[k * kCount], kDamping, inverse.data(), &answers[k * kCount]);
  }
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

namespace {
/// 16 rows on their way: everything by column (in order) or group, then lane.
struct Tile {
  std::vector<float> values;             ///< [place][lane]; becomes the codes less their zeros
  std::vector<float> scales, least, most; ///< [group][lane]

  Tile(int64_t cols, int64_t groups)
      : values(cols * kLanes), scales(groups * kLanes), least(groups * kLanes),
        most(groups * kLanes) {}
};
} // namespace

/// Rounds one column after the other; `groups` are those of the columns.
__attribute__((target_clones("avx2", "default"))) static void
roundTile(const float *inputs, const float *answers, const int32_t *groups, int64_t cols, Tile &tile) {
  Lanes errors[kCount][2] = {}; // sums of errors times inputs
  const Lanes magic = Lanes{} + 12582912.0f; // its last bit is 1: adding it rounds, ties to even
  for (int64_t k = 0; k < cols; ++k) {
    const float *x = inputs + k * kCount, *y = answers + k * kCount;
    Lanes moved[4][2] = {};
    for (int64_t t = 0; t < kCount; t += 4)
#pragma GCC unroll 4
      for (int64_t i = 0; i < 4; ++i) {
        moved[i][0] += y[t + i] * errors[t + i][0];
        moved[i][1] += y[t + i] * errors[t + i][1];
      }
    Lanes error[2];
#pragma GCC unroll 2
    for (int64_t half = 0; half < 2; ++half) {
      Lanes &value = *reinterpret_cast<Lanes *>(&tile.values[k * kLanes + half * kVector]);
      const int64_t group = groups[k] * kLanes + half * kVector;
      const Lanes scale = *reinterpret_cast<const Lanes *>(&tile.scales[group]);
      const Lanes least = *reinterpret_cast<const Lanes *>(&tile.least[group]);
      const Lanes most = *reinterpret_cast<const Lanes *>(&tile.most[group]);
      Lanes code = (moved[0][half] + moved[1][half]) + (moved[2][half] + moved[3][half]);
      code = (value + code) / scale;
      code = code < least ? least : code;
      code = code > most ? most : code;
      code = (code + magic) - magic;
      error[half] = value - scale * code;
      value = code;
    }
    for (int64_t t = 0; t < kCount; ++t) {
      errors[t][0] += x[t] * error[0];
      errors[t][1] += x[t] * error[1];
    }
  }
}

void Anticipation::quantizeRows(const QuantScheme &scheme, const float *values, int64_t count,
                                Row *rows) const {
  for (int64_t r = 0; r < count; ++r)
    quantizeRow(scheme, values + r * cols, cols, Rounding::Search, rows[r]);
  if (order.empty() || scheme.isFloat) // what floats err by follows their own size
    return;
  const int64_t numGroups = scheme.numGroups(cols);
  std::vector<int32_t> groups(cols);
  for (int64_t k = 0; k < cols; ++k)
    groups[k] = static_cast<int32_t>(scheme.group ? order[k] / scheme.group : 0);
  Tile tile(cols, numGroups);
  for (int64_t first = 0; first < count; first += kLanes) {
    const int64_t lanes = std::min(kLanes, count - first);
    std::fill(tile.scales.begin(), tile.scales.end(), 1.0f); // lanes without a row
    for (int64_t r = 0; r < lanes; ++r) {
      const Row &row = rows[first + r];
      for (int64_t g = 0; g < numGroups; ++g) {
        // A group of zeros has no codes to choose.
        const bool open = row.scales[g] > 0;
        tile.scales[g * kLanes + r] = open ? row.scales[g] : 1.0f;
        tile.least[g * kLanes + r] = !open ? 0 : scheme.bits == 8 ? -127.0f : -float(row.zeros[g]);
        tile.most[g * kLanes + r] = !open ? 0 : scheme.bits == 8 ? 127.0f : 15.0f - float(row.zeros[g]);
      }
      for (int64_t k = 0; k < cols; ++k)
        tile.values[k * kLanes + r] = values[(first + r) * cols + order[k]];
    }
    roundTile(inputs.data(), answers.data(), groups.data(), cols, tile);
    for (int64_t r = 0; r < lanes; ++r) {
      Row &row = rows[first + r];
      if (!std::all_of(row.scales.begin(), row.scales.end(), [](float s) { return std::isfinite(s); }))
        continue;
      for (int64_t k = 0; k < cols; ++k)
        row.codes[order[k]] =
            static_cast<int8_t>(tile.values[k * kLanes + r] + float(row.zeros[groups[k]]));
    }
  }
}
