//===- Quantize.cpp - choosing scales, zeros and codes --------------------===//
//
// The squared error of codes d = code - zero under scale s is sum(w^2) - 2 s sum(w d) + s^2 sum(d^2),
// least at s = sum(w d) / sum(d^2): one pass over a group judges a candidate and gives its best
// scale. Sums run in 8 lanes whose order is fixed, so the result is the same on every machine.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Quantize.h"

#include "codegen/package/FloatConversion.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace stoop;
using namespace stoop::quant;

static constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

namespace {
/// Codes of a scheme and the scale and zero of one group.
struct Grid {
  float least, most; ///< of code - zero
  float scale;
};

/// sum(w d) and sum(d^2) over a group.
struct Fit {
  float cross, square;
};
} // namespace

__attribute__((target_clones("avx2", "default"))) static Fit
fitGrid(const float *values, int64_t count, Grid grid) {
  const Lanes inverse = Lanes{} + 1.0f / grid.scale;
  const Lanes least = Lanes{} + grid.least, most = Lanes{} + grid.most;
  const Lanes magic = Lanes{} + 12582912.0f; // its last bit is 1: adding it rounds, ties to even
  Lanes cross = {}, square = {};
  for (int64_t c = 0; c < count; c += kLanes) {
    const Lanes w = *reinterpret_cast<const Lanes *>(values + c);
    Lanes d = w * inverse;
    d = d < least ? least : d;
    d = d > most ? most : d;
    d = (d + magic) - magic;
    cross += w * d;
    square += d * d;
  }
  Fit fit = {};
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    fit.cross += cross[lane];
    fit.square += square[lane];
  }
  return fit;
}

static float nearestCode(float value, const Grid &grid) {
  return std::nearbyint(std::clamp(value / grid.scale, grid.least, grid.most));
}

/// Rounds a scale to what the scheme stores; 0 if it would vanish.
static float storedScale(const QuantScheme &scheme, float scale) {
  return scheme.bits == 8 ? scale : codegen::floatFromF16(codegen::f16FromFloat(scale));
}

namespace {
/// The best grid seen so far for one group.
struct Choice {
  float scale = 0;
  int zero = 0;
  float gain = 0; ///< by how much sum(w^2) is reduced; the error is the rest
};

/// One group, padded with zeros to whole lanes. A value of 0 has d = 0 in every grid.
struct Group {
  const QuantScheme &scheme;
  std::vector<float> values;
  float low = 0, high = 0; ///< range of the values and 0
  bool finite = true;

  Group(const QuantScheme &scheme, const float *data, int64_t count)
      : scheme(scheme), values(data, data + count) {
    values.resize((count + kLanes - 1) / kLanes * kLanes);
    for (float value : values) {
      finite &= std::isfinite(value);
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }

  Grid grid(float scale, int zero) const {
    if (scheme.bits == 8)
      return {-127, 127, scale};
    return {float(-zero), float(15 - zero), scale};
  }

  /// Scale and zero whose range spans all values.
  float fullScale() const {
    return storedScale(scheme, scheme.bits == 8 ? std::max(-low, high) / 127 : (high - low) / 15);
  }
  int fullZero(float scale) const {
    return scheme.bits == 8 ? 0 : int(std::clamp(std::nearbyint(-low / scale), 0.0f, 15.0f));
  }

  /// Takes a candidate's codes with the scale that suits them best, if that is better.
  void consider(float scale, int zero, Choice &best) const {
    Fit fit = fitGrid(values.data(), int64_t(values.size()), grid(scale, zero));
    if (!(fit.square > 0))
      return;
    float refitted = storedScale(scheme, fit.cross / fit.square);
    if (!(refitted > 0) || std::isinf(refitted))
      return;
    float gain = refitted * (2 * fit.cross - refitted * fit.square);
    if (gain > best.gain)
      best = {refitted, zero, gain};
  }

  Choice search(float scale, int zero) const;
};
} // namespace

Choice Group::search(float scale, int zero) const {
  Fit fit = fitGrid(values.data(), int64_t(values.size()), grid(scale, zero));
  Choice best = {scale, zero, scale * (2 * fit.cross - scale * fit.square)};
  constexpr float shares[] = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f, 0.75f, 0.7f};
  for (float share : shares) {
    float narrowed = scale * share;
    int centre = scheme.bits == 8 ? 0 : zero;
    int reach = scheme.bits == 8 ? 0 : 1;
    for (int z = std::max(centre - reach, 0); z <= std::min(centre + reach, 15); ++z)
      consider(narrowed, z, best);
  }
  // The refitted scale moves some values to other codes, which can be refitted again.
  for (int round = 0; round < 2; ++round)
    consider(best.scale, best.zero, best);
  return best;
}

/// Quantises columns [first, first + count) into group `index` of the row.
static void quantizeGroup(const QuantScheme &scheme, const float *values, int64_t first,
                          int64_t count, int64_t index, Rounding rounding, Row &row) {
  Group group(scheme, values + first, count);
  int8_t *codes = row.codes.data() + first;
  std::fill(codes, codes + count, int8_t(0));
  row.zeros[index] = 0;
  if (!group.finite) {
    row.scales[index] = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  float scale = row.scales[index] = group.fullScale();
  if (!(scale > 0) || std::isinf(scale)) // all zero, or beyond the scheme
    return;
  int zero = group.fullZero(scale);
  if (rounding == Rounding::Search) {
    Choice best = group.search(scale, zero);
    scale = best.scale;
    zero = best.zero;
  }
  row.scales[index] = scale;
  row.zeros[index] = static_cast<uint8_t>(zero);
  Grid grid = group.grid(scale, zero);
  for (int64_t c = 0; c < count; ++c)
    codes[c] = static_cast<int8_t>(nearestCode(group.values[c], grid) + float(zero));
}

/// The largest e4m3.
static constexpr float kMostE4m3 = 448;

static void quantizeFloats(const float *values, int64_t cols, Row &row) {
  float most = 0;
  bool finite = true;
  for (int64_t c = 0; c < cols; ++c) {
    most = std::max(most, std::abs(values[c]));
    finite &= std::isfinite(values[c]);
  }
  row.zeros[0] = 0;
  row.scales[0] = finite ? most / kMostE4m3 : std::numeric_limits<float>::quiet_NaN();
  const bool open = finite && row.scales[0] > 0; // else all zero, or so small that the scale vanishes
  for (int64_t c = 0; c < cols; ++c)
    row.codes[c] = open ? static_cast<int8_t>(codegen::e4m3FromFloat(values[c] / row.scales[0])) : int8_t(0);
}

void quant::quantizeRow(const QuantScheme &scheme, const float *values, int64_t cols,
                        Rounding rounding, Row &row) {
  int64_t groups = scheme.numGroups(cols);
  row.codes.resize(cols);
  row.scales.resize(groups);
  row.zeros.resize(groups);
  if (scheme.isFloat)
    return quantizeFloats(values, cols, row);
  for (int64_t g = 0; g < groups; ++g)
    quantizeGroup(scheme, values, g * scheme.group, scheme.groupColumns(g, cols), g, rounding, row);
}

void quant::dequantizeRow(const QuantScheme &scheme, const Row &row, int64_t cols, float *values) {
  if (scheme.isFloat) {
    for (int64_t c = 0; c < cols; ++c)
      values[c] = row.scales[0] * codegen::floatFromE4m3(static_cast<uint8_t>(row.codes[c]));
    return;
  }
  for (int64_t g = 0; g < scheme.numGroups(cols); ++g) {
    int64_t first = g * scheme.group, end = first + scheme.groupColumns(g, cols);
    for (int64_t c = first; c < end; ++c)
      values[c] = row.scales[g] * float(row.codes[c] - row.zeros[g]);
  }
}
