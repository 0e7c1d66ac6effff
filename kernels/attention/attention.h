// Causal attention over the cache with an online softmax: a row sees keys 0 .. positions[t] of slot
// slots[t].
//
// score = (q . k + bias) * scale, bias by ALiBi mode: hf = bf16(bf16(slope) * bf16(j)), exact =
// slope * (j - i) in float32 (equal to slope * j under softmax, and precise at any distance). No
// score matrix: at most 48 queries x 64 keys exist at a time. A work item is a group of queries
// that share keys: up to 48 rows of one head when all rows belong to one sequence (prefill), else
// all heads of one group at one row (decode), so that a thread reads the cache once; a group is cut
// into even pieces only when threads outnumber groups. Items are dealt to threads in turn, which
// evens out the causal triangle. Groups of four queries or more transpose each block of keys once
// and are bound by FMA issue; smaller ones read keys in place and are bound by the cache's memory
// traffic. Keys behind a query's position are never multiplied, so a NaN there cannot reach it.
// Rows with a slot outside of the cache give zeros.
#ifndef STOOP_KERNELS_ATTENTION_ATTENTION_H
#define STOOP_KERNELS_ATTENTION_ATTENTION_H

#include "kernels/attention/kv_layout.h"
#include "kernels/attention/transpose.h"
#include "kernels/common/args.h"
#include "kernels/common/math.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "kernels/common/split.h"

namespace stoop::kernels {

// Up to this many queries read keys in place.
constexpr i64 kDirectQueries = 3;

// The queries of a work item and their running softmax; everything lies in the thread's scratch.
struct AttentionState {
  i64 count, padded;                         // queries; head_dim rounded up to 16
  float *q;                                  // [count][padded], zero behind head_dim
  float *out;                                // [count][padded], weighted sum of values so far
  float *scores;                             // [count][kBlockKeys]
  float *keys;                               // [padded][kBlockKeys]: a block of keys, transposed
  float *values;                             // [kBlockKeys][padded]
  float *maximum, *total, *slope, *rescale;  // [count]
  i64 *position, *row, *head;                // [count]

  STOOP_INLINE AttentionState(Scratch s, i64 head_dim, i64 queries) : count(0) {
    padded = round_up(head_dim, kLanes);
    q = s.take<float>(queries * padded);
    out = s.take<float>(queries * padded);
    scores = s.take<float>(queries * kBlockKeys);
    keys = s.take<float>(padded * kBlockKeys);
    values = s.take<float>(kBlockKeys * padded);
    maximum = s.take<float>(queries);
    total = s.take<float>(queries);
    slope = s.take<float>(queries);
    rescale = s.take<float>(queries);
    position = s.take<i64>(queries);
    row = s.take<i64>(queries);
    head = s.take<i64>(queries);
  }
};

template <class E>
STOOP_INLINE f32x16 load_padded(const typename E::T *p, i64 n) {
  return n >= kLanes ? E::load16(p) : load_head<E>(p, n);
}

// Turns the scores of one query in a block into weights and updates its running maximum and total.
// Only the first `valid` keys count; the others get weight 0.
STOOP_INLINE void soften(AttentionState &s, const AttentionParams *p, i64 query, i64 first_key,
                         i64 valid) {
  float *scores = s.scores + query * kBlockKeys;
  f32x16 v[kBlockKeys / kLanes];
  f32x16 best = splat(-__builtin_inff());
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#pragma clang loop unroll(full)
  for (int b = 0; b < kBlockKeys / kLanes; ++b) {
    const i32x16 index = lane + (int)(b * kLanes);
    v[b] = load_vector<f32x16>(scores + b * kLanes);
    if (p->alibi == kAlibiHf) {
      const f32x16 j = __builtin_convertvector(index + (int)first_key, f32x16);
      v[b] += Bf16::round(splat(s.slope[query]) * Bf16::round(j));
    } else if (p->alibi == kAlibiExact) {
      const i32x16 distance = index + (int)(first_key - s.position[query]);
      v[b] = fma16(splat(s.slope[query]), __builtin_convertvector(distance, f32x16), v[b]);
    }
    v[b] *= splat((float)p->scale);
    v[b] = select16(index < (int)valid, v[b], splat(-__builtin_inff()));
    best = select16(v[b] > best, v[b], best);
  }
  const float block_maximum = max_lanes(best);
  const float old = s.maximum[query];
  const float maximum = block_maximum > old ? block_maximum : old;
  f32x16 sum = splat(0.0f);
#pragma clang loop unroll(full)
  for (int b = 0; b < kBlockKeys / kLanes; ++b) {
    const f32x16 weight = exp16(v[b] - splat(maximum));
    sum += weight;
    store_vector(scores + b * kLanes, weight);
  }
  // Most blocks behind the first ones raise no maximum.
  const float rescale = maximum == old ? 1.0f : exp16(splat(old - maximum))[0];
  s.rescale[query] = rescale;
  s.maximum[query] = maximum;
  s.total[query] = s.total[query] * rescale + sum_lanes(sum);
}

// Vectors of 16 keys or dimensions that a strip of queries is multiplied with at a time: as many as make
// the latency of an FMA no bound.
#if defined(__AVX512F__)
constexpr int kStripVectors = 2;
#else
constexpr int kStripVectors = 1;
#endif

// Queries of a strip: the most, and those of what is left.
constexpr int kStripQueries = 6, kSmallStrip = 2;

// R queries times V vectors of the transposed block: scores[r][key] = q[r] . key.
template <int R, int V>
STOOP_INLINE void score_tile(const AttentionState &s, i64 query, i64 head_dim, i64 key) {
  f32x16 acc[R][V] = {};
  const float *q = s.q + query * s.padded, *keys = s.keys + key;
#pragma clang loop unroll_count(4)
  for (i64 d = 0; d < head_dim; ++d) {
    f32x16 column[V];
#pragma clang loop unroll(full)
    for (int v = 0; v < V; ++v)
      column[v] = load_vector<f32x16>(keys + d * kBlockKeys + v * kLanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < V; ++v) acc[r][v] = fma16(column[v], splat(q[r * s.padded + d]), acc[r][v]);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < V; ++v)
      store_vector(s.scores + (query + r) * kBlockKeys + key + v * kLanes, acc[r][v]);
}

// Scores of R queries and the first `keys` keys of the block.
template <int R>
STOOP_INLINE void score_strip(const AttentionState &s, i64 query, i64 head_dim, i64 keys) {
  static_assert(kBlockKeys % (kStripVectors * kLanes) == 0);
#pragma clang loop unroll(disable)
  for (i64 key = 0; key < keys; key += kStripVectors * kLanes)
    score_tile<R, kStripVectors>(s, query, head_dim, key);
}

// out[r] += weights[r] . values over keys [first, last) of the block, for V vectors of dimensions.
template <int R, int V>
STOOP_INLINE void value_tile(const AttentionState &s, i64 query, i64 first, i64 last, i64 d) {
  float *out = s.out + query * s.padded + d;
  const float *weights = s.scores + query * kBlockKeys, *values = s.values + d;
  f32x16 acc[R][V];
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < V; ++v) acc[r][v] = load_vector<f32x16>(out + r * s.padded + v * kLanes);
#pragma clang loop unroll_count(4)
  for (i64 k = first; k < last; ++k) {
    f32x16 value[V];
#pragma clang loop unroll(full)
    for (int v = 0; v < V; ++v)
      value[v] = load_vector<f32x16>(values + k * s.padded + v * kLanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
      for (int v = 0; v < V; ++v)
        acc[r][v] = fma16(value[v], splat(weights[r * kBlockKeys + k]), acc[r][v]);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
    for (int v = 0; v < V; ++v) store_vector(out + r * s.padded + v * kLanes, acc[r][v]);
}

template <int R>
STOOP_INLINE void value_strip(const AttentionState &s, i64 query, i64 first, i64 last) {
  i64 d = 0;
#pragma clang loop unroll(disable)
  for (; d + kStripVectors * kLanes <= s.padded; d += kStripVectors * kLanes)
    value_tile<R, kStripVectors>(s, query, first, last, d);
  if constexpr (kStripVectors > 1)
    if (d < s.padded) value_tile<R, 1>(s, query, first, last, d);
}

// Keys of query i within [first_key, first_key + keys) that it may see.
STOOP_INLINE i64 visible(const AttentionState &s, i64 query, i64 first_key, i64 keys) {
  return max_of(0, min_of(keys, s.position[query] + 1 - first_key));
}

// Lays out a block for strips of queries: keys transposed, values widened to float32.
template <class C>
STOOP_INLINE void load_block(AttentionState &s, const AttentionParams *p, const typename C::T *k,
                             const typename C::T *v, i64 keys) {
#pragma clang loop unroll(disable)
  for (i64 j = 0; j < keys; j += kLanes)
#pragma clang loop unroll(disable)
    for (i64 d = 0; d < p->head_dim; d += kLanes) {
      f32x16 t[kLanes];
#pragma clang loop unroll(full)
      for (int i = 0; i < kLanes; ++i)
        t[i] = j + i < keys ? load_padded<C>(k + (j + i) * p->head_dim + d, p->head_dim - d)
                            : splat(0.0f);
      transpose16(t);
#pragma clang loop unroll(full)
      for (int i = 0; i < kLanes; ++i) store_vector(s.keys + (d + i) * kBlockKeys + j, t[i]);
    }
#pragma clang loop unroll(disable)
  for (i64 j = 0; j < keys; ++j)
    for (i64 d = 0; d < p->head_dim; d += kLanes)
      store_vector(s.values + j * s.padded + d,
                   load_padded<C>(v + j * p->head_dim + d, p->head_dim - d));
}

// Adds a block's values to R queries: those of keys that all of them see together, then what single
// queries see besides.
template <int R>
STOOP_INLINE void add_values(const AttentionState &s, i64 query, i64 first_key, i64 keys) {
  i64 common = keys;
#pragma clang loop unroll(disable)
  for (i64 i = query; i < query + R; ++i) {
    const i64 seen = visible(s, i, first_key, keys);
    common = min_of(common, seen);
    const f32x16 rescale = splat(s.rescale[i]);
    if (seen == 0 || s.rescale[i] == 1.0f) continue;
    for (i64 d = 0; d < s.padded; d += kLanes) {
      float *out = s.out + i * s.padded + d;
      store_vector(out, load_vector<f32x16>(out) * rescale);
    }
  }
  value_strip<R>(s, query, 0, common);
  if constexpr (R > 1)
#pragma clang loop unroll(disable)
    for (i64 i = query; i < query + R; ++i)
      if (const i64 seen = visible(s, i, first_key, keys); seen > common)
        value_strip<1>(s, i, common, seen);
}

// The last queries of a strip see most.
template <int R>
STOOP_INLINE void add_scores(const AttentionState &s, i64 query, i64 head_dim, i64 first_key,
                             i64 keys) {
  i64 most = 0;
#pragma clang loop unroll(disable)
  for (i64 i = query; i < query + R; ++i) most = max_of(most, visible(s, i, first_key, keys));
  score_strip<R>(s, query, head_dim, most);
}

// Calls f with the first query of each strip and, as a constant, how many it has.
template <class F>
STOOP_INLINE void for_strips(i64 count, F f) {
  i64 query = 0;
#pragma clang loop unroll(disable)
  for (; query + kStripQueries <= count; query += kStripQueries)
    f(query, Count<kStripQueries>());
#pragma clang loop unroll(disable)
  for (; query + kSmallStrip <= count; query += kSmallStrip)
    f(query, Count<kSmallStrip>());
  if (query < count) f(query, Count<1>());
}

// scores[key] = q . key for the keys that one query sees, read where they lie.
template <class C>
STOOP_INLINE void score_direct(const AttentionState &s, const AttentionParams *p,
                               const typename C::T *k, i64 query, i64 seen) {
  float *scores = s.scores + query * kBlockKeys;
  const float *q = s.q + query * s.padded;
#pragma clang loop unroll(disable)
  for (i64 j = 0; j < seen; j += 4) {
    f32x16 acc[4] = {};
    for (i64 d = 0; d < p->head_dim; d += kLanes)
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; ++i)
        acc[i] =
            fma16(load_padded<C>(k + min_of(j + i, seen - 1) * p->head_dim + d, p->head_dim - d),
                  load_vector<f32x16>(q + d), acc[i]);
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; ++i) scores[j + i] = sum_lanes(acc[i]);
  }
}

// out = out * rescale + weights . values for one query, values read where they lie.
template <class C>
STOOP_INLINE void value_direct(const AttentionState &s, const AttentionParams *p,
                               const typename C::T *v, i64 query, i64 seen) {
  const float *weights = s.scores + query * kBlockKeys;
#pragma clang loop unroll(disable)
  for (i64 d = 0; d < p->head_dim; d += kLanes) {
    f32x16 acc[4] = {};
    i64 j = 0;
#pragma clang loop unroll(disable)
    for (; j + 4 <= seen; j += 4)
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; ++i)
        acc[i] = fma16(load_padded<C>(v + (j + i) * p->head_dim + d, p->head_dim - d),
                       splat(weights[j + i]), acc[i]);
#pragma clang loop unroll(disable)
    for (; j < seen; ++j)
      acc[0] = fma16(load_padded<C>(v + j * p->head_dim + d, p->head_dim - d), splat(weights[j]),
                     acc[0]);
    float *out = s.out + query * s.padded + d;
    store_vector(out, load_vector<f32x16>(out) * splat(s.rescale[query]) + (acc[0] + acc[1]) +
                          (acc[2] + acc[3]));
  }
}

// Takes one block of keys into account for all queries; `shared`: four queries or more, which pays
// for a layout of its own.
template <class C>
STOOP_INLINE void attend_block(AttentionState &s, const AttentionParams *p, const typename C::T *k,
                               const typename C::T *v, i64 first_key, i64 keys, bool shared) {
  if (shared) {
    load_block<C>(s, p, k, v, keys);
    for_strips(
        s.count, [&](i64 query, auto strip) __attribute__((always_inline)) {
          add_scores<decltype(strip)::value>(s, query, p->head_dim, first_key, keys);
        });
  }
#pragma clang loop unroll(disable)
  for (i64 query = 0; query < s.count; ++query) {
    const i64 seen = visible(s, query, first_key, keys);
    if (seen == 0) continue;
    if (!shared) score_direct<C>(s, p, k, query, seen);
    soften(s, p, query, first_key, seen);
    if (!shared) value_direct<C>(s, p, v, query, seen);
  }
  if (shared)
    for_strips(
        s.count, [&](i64 query, auto strip) __attribute__((always_inline)) {
          add_values<decltype(strip)::value>(s, query, first_key, keys);
        });
}

// Runs one work item: s.row, s.head of all s.count queries are set; they share slot and key head.
template <class X, class C>
STOOP_INLINE void attend(AttentionState &s, const stoop_kernel_args *args, const AttentionParams *p,
                         const float *slopes, i64 slot, i64 kv_head) {
  const int32_t *positions = buffer<const int32_t>(args, p->positions_operand);
  const auto *q = buffer<const typename X::T>(args, p->q_operand);
  const auto *kv = buffer<const typename C::T>(args, p->kv_operand);
  auto *y = buffer<typename X::T>(args, p->y_operand);
  const KvLayout layout{p->batch, p->kv_heads, p->positions, p->head_dim};
  const bool cached = slot >= 0 && slot < p->batch;
  i64 last = -1;
  for (i64 i = 0; i < s.count; ++i) {
    s.position[i] = min_of(positions[s.row[i]], p->positions - 1);
    last = max_of(last, s.position[i]);
    s.maximum[i] = -__builtin_inff();
    s.total[i] = 0.0f;
    s.slope[i] = p->alibi == kAlibiNone ? 0.0f
                 : p->alibi == kAlibiHf ? Bf16::round(slopes[s.head[i]])
                                        : slopes[s.head[i]];
    const auto *src = q + s.row[i] * p->q_stride + s.head[i] * p->head_dim;
    for (i64 d = 0; d < s.padded; d += kLanes) {
      store_vector(s.q + i * s.padded + d, load_padded<X>(src + d, p->head_dim - d));
      store_vector(s.out + i * s.padded + d, splat(0.0f));
    }
  }
  for (i64 first = 0; cached && first <= last; first += kBlockKeys) {
    const i64 keys = min_of(kBlockKeys, last + 1 - first);
    const auto *k = kv + layout.key(slot, kv_head, first);
    const auto *v = kv + layout.value(slot, kv_head, first);
    // The first test folds when no item can have more queries.
    const bool shared =
        (p->max_rows > 1 || p->heads / p->kv_heads > kDirectQueries) && s.count > kDirectQueries;
    attend_block<C>(s, p, k, v, first, keys, shared);
  }
  for (i64 i = 0; i < s.count; ++i) {
    auto *dst = y + s.row[i] * p->y_stride + s.head[i] * p->head_dim;
    const float inverse = cached && s.position[i] >= 0 ? 1.0f / s.total[i] : 0.0f;
    for (i64 d = 0; d < p->head_dim; d += kLanes) {
      const f32x16 v = load_vector<f32x16>(s.out + i * s.padded + d) * splat(inverse);
      if (d + kLanes <= p->head_dim)
        X::store16(dst + d, v);
      else
        store_head<X>(dst + d, v, p->head_dim - d);
    }
  }
}

// Work items: see the banner and split.h.
template <class X, class C>
STOOP_INLINE void attention(const stoop_kernel_args *args, const AttentionParams *p,
                            const float *slopes) {
  const int32_t *slots = buffer<const int32_t>(args, p->slots_operand);
  const i64 rows = valid_rows(args, p->max_rows);
  const i64 group = p->heads / p->kv_heads;
  bool one_sequence = rows > 1;
  for (i64 t = 1; t < rows; ++t) one_sequence &= slots[t] == slots[0];

  const AttentionSplit split = attention_split(*p, rows, args->num_threads, one_sequence);

  AttentionState s(Scratch(args), p->head_dim, attention_queries(group));
#pragma clang loop unroll(disable)
  for (i64 item = args->thread; item < split.items; item += args->num_threads) {
    i64 row, head, kv_head;
    if (one_sequence) {
      head = item / split.row_blocks;
      row = item % split.row_blocks * kQueryRows;
      kv_head = head / group;
      s.count = min_of(kQueryRows, rows - row);
    } else {
      row = item / (p->kv_heads * split.pieces);
      kv_head = item / split.pieces % p->kv_heads;
      const i64 first = item % split.pieces * split.heads;
      head = kv_head * group + first;
      s.count = min_of(split.heads, group - first);
    }
    for (i64 i = 0; i < s.count; ++i) {
      s.row[i] = one_sequence ? row + i : row;
      s.head[i] = one_sequence ? head : head + i;
    }
    attend<X, C>(s, args, p, slopes, slots[row], kv_head);
  }
}

#define STOOP_ATTENTION(x, c)                                                                \
  extern "C" void stoop_attention_##x##_##c(const stoop_kernel_args *args,                   \
                                            const AttentionParams *p, const float *slopes) { \
    attention<element::x, element::c>(args, p, slopes);                                      \
  }
#include "kernels/attention/attention.def"

}  // namespace stoop::kernels

#endif
