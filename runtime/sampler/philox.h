// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): a counter-based
// generator, so the n-th draw of a seed is the same on every machine and needs no state but n.
#ifndef STOOP_RUNTIME_SAMPLER_PHILOX_H_
#define STOOP_RUNTIME_SAMPLER_PHILOX_H_

#include <cstdint>

namespace stoop::rt {

struct PhiloxBlock {
  uint32_t word[4];
};

// Ten rounds over `counter` under `key`.
inline PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = uint64_t{0xD2511F53} * counter.word[0];
    uint64_t product1 = uint64_t{0xCD9E8D57} * counter.word[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
               static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The draw with number `index` of `seed`: uniform in [0, 1) with 53 random bits.
inline double philox_uniform(uint64_t seed, uint64_t index) {
  PhiloxBlock block = philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), 0, 0},
                             static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
  uint64_t bits = uint64_t{block.word[0]} << 32 | block.word[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_SAMPLER_PHILOX_H_
