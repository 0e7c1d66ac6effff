// The next tokens on the device, and the states of generations. One block a row of the step; each pass reads the logits of all ids
// from L2, but a greedy choice the maxima of their blocks and one block; bound: latency. What is chosen, and by which
// arithmetic, says choice.h, which the host shares.
#pragma once
#include "kernels/common/device.cuh"
#include "kernels/sampling/choice.h"

namespace stoop::gpu {

// stoop_gpu_state of abi.h: what one generation keeps on the device.
struct State {
  u32 next_token, position;
  int slot;  // negative: the row is idle
  u32 count;
  u32 ring[64];  // token n of the generation at n % 64; 0xffffffff: no logit was a number
  sampling::Settings settings;
};

// Puts each state's token, position and slot where the decode entry reads them. Idle rows lie behind all others; no
// kernel touches them.
__device__ inline void begin_step(const State* states, int* tokens, int* positions, int* slots, int rows, Step* step) {
  begin_kernel();
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    const bool is_idle = states[row].slot < 0;
    tokens[row] = is_idle ? 0 : static_cast<int>(states[row].next_token);
    positions[row] = is_idle ? 0 : static_cast<int>(states[row].position);
    slots[row] = is_idle ? -1 : states[row].slot;
  }
  if (threadIdx.x != 0) return;
  int valid = 0;
  while (valid < rows && states[valid].slot >= 0) ++valid;
  step->num_rows = static_cast<u32>(valid);
}

constexpr u32 kNoToken = 0xffffffffu;
constexpr u32 kLogitBlock = 16;  // STOOP_LOGIT_BLOCK of abi.h

// Chooses among ids below `num_ids`, by all THREADS threads of the block.
template <int THREADS>
class Chooser {
  static constexpr int kWarps = THREADS / 32;
  static_assert(THREADS >= 256 && kWarps <= 32);

 public:
  struct Shared {
    u64 digit_sums[kWarps][256];  // of each warp's own: no atomics
    u64 from_digit[256];          // sum of this digit and larger ones
    u64 left;
    u64 partial[kWarps];
    u32 digit;
  };

  // `first`: where the row begins in `logits` and `histories`; an offset takes fewer registers than pointers. Likewise
  // `first_block` in `maxima`, which is null where maxima are not known.
  __device__ Chooser(const float* logits, const float* maxima, u32 first, u32 first_block, u32 num_ids, const State& state,
                     const u32* histories, Shared& shared)
      : logits(logits), maxima(maxima), first(first), first_block(first_block), num_ids(num_ids), settings(state.settings),
        histories(histories), shared(shared) {}

  // The same token in every thread; kNoToken: no logit is a number.
  __device__ u32 choose() {
    return settings.takes_largest() ? largest() : sample();
  }

 private:
  __device__ float logit(u32 id) const {
    const float value = logits[first + id];
    return settings.has_penalties() ? sampling::penalized(value, histories[first + id], settings) : value;
  }

  // In order of these keys, falling, lies the order of greedy choices; 0: no number.
  __device__ static u64 greedy_key(float value, u32 id) {
    return value == value ? u64{sampling::rank(value)} << 32 | (kNoToken - id) : 0;
  }
  __device__ u64 largest_from(u32 id, u32 end, u32 step) const {
    u64 best = 0;
    for (; id < end; id += step) best = max(best, greedy_key(logit(id), id));
    return best;
  }

  __device__ u32 largest() {
    const auto larger = [](u64 a, u64 b) { return max(a, b); };
    // Maxima know nothing of penalties, nor which ids of a block are padding.
    const u32 blocks = maxima && !settings.has_penalties() ? num_ids / kLogitBlock : 0;
    u64 best = largest_from(blocks * kLogitBlock + threadIdx.x, num_ids, THREADS);
    for (u32 block = threadIdx.x; block < blocks; block += THREADS) {
      const float value = maxima[first_block + block];
      const u32 id = block * kLogitBlock;
      // For the first block with the largest logit its first id stands in. A block with what is no number may have numbers.
      best = max(best, value == value ? greedy_key(value, id) : largest_from(id, id + kLogitBlock, 1));
    }
    best = combine(best, larger);
    const u32 block = (kNoToken - static_cast<u32>(best)) / kLogitBlock;
    if (best && block < blocks) {  // the same in all threads
      const u32 id = block * kLogitBlock + threadIdx.x;
      best = combine(threadIdx.x < kLogitBlock ? greedy_key(logit(id), id) : 0, larger);
    }
    return best ? kNoToken - static_cast<u32>(best) : kNoToken;
  }

  __device__ u32 sample() {
    const int id_bits = num_ids <= 1 << 16 ? 16 : 24;
    const u32 last_id = (1u << id_bits) - 1;
    // In order of keys, falling, lies the order of candidates; 0: no candidate.
    auto key = [&](u32 id) -> u64 {
      const float value = sampling::scaled(logit(id), settings);
      return sampling::is_candidate(value) ? u64{sampling::rank(value)} << id_bits | (last_id - id) : 0;
    };
    u64 best = 0, count = 0;
    for (u32 id = threadIdx.x; id < num_ids; id += THREADS) {
      const u64 own = key(id);
      best = max(best, own);
      count += own != 0;
    }
    best = combine(best, [](u64 a, u64 b) { return max(a, b); });
    count = combine(count, [](u64 a, u64 b) { return a + b; });
    if (count == 0) return kNoToken;

    u64 least_key = 1;
    if (settings.top_k != 0 && settings.top_k < count)
      least_key = key_reaching(settings.top_k, 32 + id_bits, key, [](u32, u64 own) -> u64 { return own != 0; });
    const float top = sampling::scaled(logit(last_id - static_cast<u32>(best & last_id)), settings);
    u64 least_weight = 0;
    auto weight = [&](u32 id, u64 own_key) -> u64 {
      if (own_key < least_key) return 0;
      const u64 own = sampling::weight(sampling::scaled(logit(id), settings), top);
      return own >= least_weight ? own : 0;
    };
    auto weight_of = [&](u32 id, u64 = 0) { return weight(id, key(id)); };
    if (settings.top_p < 1)
      least_key = key_reaching(sampling::top_p_weight(settings.top_p, total(weight_of)), 32 + id_bits, key, weight);
    least_weight = sampling::weight_of_share(settings.min_p);
    const u64 drawn = sampling::draw(settings.seed, settings.draws, total(weight_of));
    return last_id -
           static_cast<u32>(key_reaching(drawn + 1, id_bits, [&](u32 id) -> u64 { return last_id - id; }, weight_of));
  }

  // Falling through all keys, the one at which the sum of weights (below 2^45 each) reaches `wanted`, which is at
  // least 1 and at most the sum of all. Eight bits of the key a pass. A weight takes an id and its key.
  template <class Key, class Weight>
  __device__ u64 key_reaching(u64 wanted, int key_bits, Key key, Weight weight) {
    u64 chosen = 0;
    for (int shift = key_bits - 8; shift >= 0; shift -= 8) {
      u64* sums = shared.digit_sums[threadIdx.x / 32];
      for (int digit = threadIdx.x % 32; digit < 256; digit += 32) sums[digit] = 0;
      __syncwarp();  // a warp's own sums are zero
      for (u32 base = threadIdx.x / 32 * 32; base < num_ids; base += THREADS) {
        const u32 id = base + threadIdx.x % 32;
        const u64 own = id < num_ids ? key(id) : 0;
        const bool counts = id < num_ids && own >> (shift + 8) == chosen >> (shift + 8);
        add_by_digit(sums, static_cast<u32>(own >> shift) & 255, counts ? weight(id, own) : 0);
      }
      __syncthreads();  // every warp has its sums
      pick_digit(wanted);
      chosen |= u64{shared.digit} << shift;
      wanted = shared.left;
    }
    return chosen;
  }

  // Adds the weights of a warp's lanes to sums[digit]; lanes of equal digits first add theirs up.
  __device__ static void add_by_digit(u64* sums, u32 digit, u64 weight) {
    const u32 adding = __ballot_sync(0xffffffffu, weight != 0);
    if (weight != 0) {
      const u32 peers = __match_any_sync(adding, digit);
      // In two parts, so that 32 of them fit into 32 bits.
      const u32 low = __reduce_add_sync(peers, static_cast<u32>(weight) & 0xffffff),
                high = __reduce_add_sync(peers, static_cast<u32>(weight >> 24));
      if (threadIdx.x % 32 == __ffs(peers) - 1) sums[digit] += low + (u64{high} << 24);
    }
    __syncwarp();  // the next lanes may add to the same digits
  }

  // Where the sum over digits, from the largest down, reaches `wanted`: shared.digit, and in shared.left what is
  // wanted within it.
  __device__ void pick_digit(u64 wanted) {
    const int digit = threadIdx.x;
    u64 sum = 0;
    if (digit < 256)
      for (int warp = 0; warp < kWarps; ++warp) sum += shared.digit_sums[warp][digit];
    if (digit < 256) shared.from_digit[digit] = sum;
    for (int step = 1; step < 256; step *= 2) {
      __syncthreads();  // sums of `step` digits are there
      const u64 more = digit + step < 256 ? shared.from_digit[digit + step] : 0;
      __syncthreads();  // everyone has read them
      if (digit < 256) shared.from_digit[digit] += more;
    }
    __syncthreads();  // sums are complete
    const u64 above = digit < 255 ? shared.from_digit[digit + 1] : 0;
    if (digit < 256 && above < wanted && wanted <= shared.from_digit[digit]) {
      shared.digit = digit;
      shared.left = wanted - above;
    }
    __syncthreads();  // the digit is chosen, and digit_sums may be used again
  }

  template <class Weight>
  __device__ u64 total(Weight weight) {
    u64 sum = 0;
    for (u32 id = threadIdx.x; id < num_ids; id += THREADS) sum += weight(id);
    return combine(sum, [](u64 a, u64 b) { return a + b; });
  }

  // The values of all threads, combined by an operation that knows no order.
  template <class Operation>
  __device__ u64 combine(u64 value, Operation operation) {
    for (int lanes = 16; lanes; lanes /= 2) value = operation(value, __shfl_xor_sync(0xffffffffu, value, lanes));
    __syncthreads();  // the last values have been read
    if (threadIdx.x % 32 == 0) shared.partial[threadIdx.x / 32] = value;
    __syncthreads();  // each warp's value is there
    value = shared.partial[0];
    for (int warp = 1; warp < kWarps; ++warp) value = operation(value, shared.partial[warp]);
    return value;
  }

  const float *logits, *maxima;
  const u32 first, first_block, num_ids;
  const sampling::Settings settings;
  const u32* histories;
  Shared& shared;
};

// Chooses the token behind this block's row of `logits` [rows][vocab], whose maxima by blocks are `maxima` (null: not known),
// and notes it in the row's state and history.
template <int THREADS>
__device__ inline void choose_token(const float* logits, const float* maxima, u32 vocab, u32 num_ids, State* states, u32* histories) {
  __shared__ typename Chooser<THREADS>::Shared shared;
  begin_kernel();
  const u32 row = blockIdx.x, first = row * vocab;
  State& state = states[row];
  if (state.slot < 0) return;
  const u32 first_block = row * ((vocab + kLogitBlock - 1) / kLogitBlock);
  const u32 token = Chooser<THREADS>(logits, maxima, first, first_block, num_ids, state, histories, shared).choose();
  if (threadIdx.x != 0) return;  // all have read the state and the history before the last barrier of choose()
  state.ring[state.count % 64] = token;
  state.count += 1;
  state.position += 1;
  state.next_token = token == kNoToken ? 0 : token;
  state.settings.draws += !state.settings.takes_largest();
  if (token != kNoToken) histories[first + token] = sampling::noted(histories[first + token]);
}

}  // namespace stoop::gpu
