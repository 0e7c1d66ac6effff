// The arithmetic of choosing a token, one source for the host's sampler and the GPU's: the same seed and the
// same logits give the same token on both, to the bit.
//
// Weights are integers, so their sums have no order: a thousand threads and one agree. Products are never
// contracted with sums. Includes nothing: NVRTC compiles it too (all functions are the device's there).
//
// A choice: penalties, then logits / temperature; candidates are those that are numbers above -infinity. In
// order (falling logits, rising ids among equals) top-k keeps the first k, then top-p the shortest prefix with
// that share of the weights, then min-p what weighs enough. One draw goes over the rest in order of ids.
#ifndef STOOP_KERNELS_SAMPLING_CHOICE_H
#define STOOP_KERNELS_SAMPLING_CHOICE_H

namespace stoop::sampling {

using u32 = unsigned int;
using u64 = unsigned long long;

// The middle of stoop_gpu_state (abi.h).
struct Settings {
  u64 seed, draws;  // draws: so far, the number of the next one
  float temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  u32 top_k, reserved;

  // Whether the largest logit is chosen, without a draw.
  bool takes_largest() const { return temperature == 0 || top_k == 1; }
  bool has_penalties() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0;
  }
};

// History of an id: this bit once it stood in a prompt or was generated, below it how often it was generated.
inline constexpr u32 kSeen = 0x80000000u;
inline constexpr u32 noted(u32 history) { return (history + 1) | kSeen; }

#ifdef __CUDACC__
inline float product(float a, float b) { return __fmul_rn(a, b); }
inline double product(double a, double b) { return __dmul_rn(a, b); }
inline u64 high_product(u64 a, u64 b) { return __umul64hi(a, b); }
#else
inline float product(float a, float b) { return a * b; }
inline double product(double a, double b) { return a * b; }
inline u64 high_product(u64 a, u64 b) {
  __extension__ using u128 = unsigned __int128;
  return static_cast<u64>(u128{a} * b >> 64);
}
#endif

inline float penalized(float logit, u32 history, const Settings& s) {
  if ((history & kSeen) && s.repetition_penalty != 1)
    logit = logit < 0 ? product(logit, s.repetition_penalty) : logit / s.repetition_penalty;
  if (const u32 generated = history & ~kSeen) {
    logit -= s.presence_penalty;
    logit -= product(s.frequency_penalty, static_cast<float>(generated));
  }
  return logit;
}

inline constexpr float kLargestFloat = 3.40282347e+38f;

// A logit behind its penalties, by the temperature. An overflow stays the largest number, so that differences exist.
inline float scaled(float logit, const Settings& s) {
  const float value = logit / s.temperature;
  return value > kLargestFloat ? kLargestFloat : value;
}
inline bool is_candidate(float scaled) { return scaled >= -kLargestFloat; }

// Rises with the number, equal for both zeros, not 0 for a candidate.
inline u32 rank(float value) {
  const u32 bits = __builtin_bit_cast(u32, value + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Weights are shares of the largest logit's, times 2^44: a million of them fit into 64 bits.
inline constexpr u64 kLargestWeight = 1ull << 44;
inline u64 weight_of_share(float share) { return static_cast<u64>(share * static_cast<double>(kLargestWeight)); }

// e^(scaled - largest): k ln 2 + r with |r| <= ln 2 / 2, Taylor series of degree 11 (error 6e-15).
inline u64 weight(float scaled, float largest) {
  const double x = static_cast<double>(scaled) - largest;
  if (x < -30.5) return 0;  // less than 2^-44
  const int k = static_cast<int>(product(x, 1.44269504088896338700) - 0.5);
  const double r = (x - product(k, 6.93147180369123816490e-01)) - product(k, 1.90821492927057770002e-10);
  double sum = 1;
#ifdef __CUDACC__
#pragma unroll
#endif
  for (int n = 11; n >= 1; --n) sum = 1 + product(product(sum, r), 1.0 / n);
  return static_cast<u64>(product(sum, static_cast<double>(kLargestWeight >> -k)) + 0.5);
}

// The sum that top-p's prefix has to reach, at least 1.
inline u64 top_p_weight(float top_p, u64 total) {
  const u64 wanted = static_cast<u64>(product(static_cast<double>(top_p), static_cast<double>(total)));
  return wanted ? wanted : 1;
}

struct PhiloxBlock {
  u32 word[4];
};

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): ten rounds over `counter` under a
// key. Counter-based: the n-th draw of a seed is the same everywhere and needs no state but n.
inline PhiloxBlock philox(PhiloxBlock counter, u32 key0, u32 key1) {
  for (int round = 0; round < 10; ++round) {
    const u64 product0 = u64{0xD2511F53} * counter.word[0], product1 = u64{0xCD9E8D57} * counter.word[2];
    counter = {static_cast<u32>(product1 >> 32) ^ counter.word[1] ^ key0, static_cast<u32>(product1),
               static_cast<u32>(product0 >> 32) ^ counter.word[3] ^ key1, static_cast<u32>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The draw with number `index` of `seed`: uniform in 0 .. total - 1.
inline u64 draw(u64 seed, u64 index, u64 total) {
  const PhiloxBlock block = philox({static_cast<u32>(index), static_cast<u32>(index >> 32), 0, 0},
                                   static_cast<u32>(seed), static_cast<u32>(seed >> 32));
  return high_product(u64{block.word[0]} << 32 | block.word[1], total);
}

}  // namespace stoop::sampling

#endif  // STOOP_KERNELS_SAMPLING_CHOICE_H
