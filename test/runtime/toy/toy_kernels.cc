// The toy's emitted code: three kernels and the descriptor, as the compiler would write them. Freestanding, so
// that it also links behind the relocatable runtime.
#include <stddef.h>

#include "stoop/abi.h"

namespace {

constexpr uint32_t kVocab = 50, kIds = 48, kContext = 64, kBatch = 4;

// buffers: tokens, positions, slots, kv. Writes the tokens of this step into the cache.
void append(const stoop_kernel_args* args) {
  const int32_t* tokens = static_cast<const int32_t*>(args->buffers[0]);
  const int32_t* positions = static_cast<const int32_t*>(args->buffers[1]);
  const int32_t* slots = static_cast<const int32_t*>(args->buffers[2]);
  int32_t* kv = static_cast<int32_t*>(args->buffers[3]);
  for (uint32_t row = args->thread; row < args->step->num_rows; row += args->num_threads)
    if (slots[row] >= 0) kv[slots[row] * int32_t{kContext} + positions[row]] = tokens[row];
}

// One row of logits; columns are divided among the threads, the sum is kept in the thread's scratch.
void logits_of_row(const stoop_kernel_args* args, uint32_t row, float* out) {
  const int32_t* positions = static_cast<const int32_t*>(args->buffers[0]);
  const int32_t* slots = static_cast<const int32_t*>(args->buffers[1]);
  const int32_t* kv = static_cast<const int32_t*>(args->buffers[2]);
  const int32_t* weights = static_cast<const int32_t*>(args->buffers[3]);
  if (slots[row] < 0) return;
  const int32_t* history = kv + slots[row] * int32_t{kContext};
  int64_t* sum = static_cast<int64_t*>(args->scratch);
  *sum = 0;
  for (int32_t j = 0; j <= positions[row]; ++j) *sum += int64_t{j + 1} * history[j];
  const int32_t* line = weights + history[positions[row]] * int32_t{kVocab};
  for (uint32_t v = args->thread; v < kVocab; v += args->num_threads) {
    int64_t value = (*sum * 31 + v * 17 + line[v]) % 997;
    out[v] = line[v] == INT32_MIN ? __builtin_nanf("") : v < kIds ? static_cast<float>(value) / 100.0f : 1000.0f;
  }
}

// buffers: positions, slots, kv, weights, logits [rows].
void logits_all(const stoop_kernel_args* args) {
  for (uint32_t row = 0; row < args->step->num_rows; ++row)
    logits_of_row(args, row, static_cast<float*>(args->buffers[4]) + row * kVocab);
}

// The same for the last valid row, logits [1].
void logits_last(const stoop_kernel_args* args) {
  logits_of_row(args, args->step->num_rows - 1, static_cast<float*>(args->buffers[4]));
}

// The largest logit of each block of ids. buffers: logits, maxima [rows].
void maxima_of(const stoop_kernel_args* args, uint32_t rows) {
  constexpr uint32_t kBlocks = (kVocab + STOOP_LOGIT_BLOCK - 1) / STOOP_LOGIT_BLOCK;
  const float* logits = static_cast<const float*>(args->buffers[0]);
  float* maxima = static_cast<float*>(args->buffers[1]);
  for (uint32_t i = args->thread; i < rows * kBlocks; i += args->num_threads) {
    const float* row = logits + i / kBlocks * kVocab;
    maxima[i] = row[i % kBlocks * STOOP_LOGIT_BLOCK];
    for (uint32_t v = i % kBlocks * STOOP_LOGIT_BLOCK; v < kVocab && v / STOOP_LOGIT_BLOCK == i % kBlocks; ++v)
      if (row[v] > maxima[i]) maxima[i] = row[v];
  }
}
void maxima_all(const stoop_kernel_args* args) { maxima_of(args, args->step->num_rows); }
void maxima_last(const stoop_kernel_args* args) { maxima_of(args, 1); }

const stoop_kernel_fn kAppend[] = {append};
const stoop_kernel_fn kLogitsAll[] = {logits_all};
const stoop_kernel_fn kLogitsLast[] = {logits_last};
const stoop_kernel_fn kMaximaAll[] = {maxima_all};
const stoop_kernel_fn kMaximaLast[] = {maxima_last};
const stoop_kernel kKernels[] = {{"k0_toy_append", kAppend},
                                 {"k1_toy_logits_all", kLogitsAll},
                                 {"k2_toy_logits_last", kLogitsLast},
                                 {"k3_toy_maxima_all", kMaximaAll},
                                 {"k4_toy_maxima_last", kMaximaLast}};
const stoop_level kLevels[] = {{"baseline", 0}};
const stoop_arena kArenas[] = {{"weights", kVocab * kVocab * 4, 4096, STOOP_CONSTANT},
                               {"kv", kBatch * kContext * 4, 4096, STOOP_PERSISTENT},
                               {"act", 64, 4096, STOOP_TRANSIENT},
                               {"io", 8192, 4096, STOOP_IO}};

constexpr stoop_slice kWeights{0, 0, 0, kVocab * kVocab * 4};
constexpr stoop_slice kKv{1, 0, 0, kBatch * kContext * 4};
constexpr stoop_slice kTokens{3, 0, 0, 64}, kPositions{3, 0, 128, 64}, kSlots{3, 0, 256, 64};
constexpr stoop_slice kLogits{3, 0, 4096, 16 * kVocab * 4}, kMaxima{3, 0, 1024, 4 * 4 * 4};

const stoop_slice kAppendBuffers[] = {kTokens, kPositions, kSlots, kKv};
const stoop_slice kLogitsBuffers[] = {kPositions, kSlots, kKv, kWeights, kLogits};
const stoop_slice kMaximaBuffers[] = {kLogits, kMaxima};
const stoop_launch kAllRows[] = {{0, 4, kAppendBuffers, "toy.append"},
                                 {1, 5, kLogitsBuffers, "toy.head"},
                                 {3, 2, kMaximaBuffers, "toy.head"}};
const stoop_launch kLastRow[] = {{0, 4, kAppendBuffers, "toy.append"},
                                 {2, 5, kLogitsBuffers, "toy.head"},
                                 {4, 2, kMaximaBuffers, "toy.head"}};
const stoop_entry kEntries[] = {
    {"decode_b1", STOOP_ENTRY_DECODE, 1, 3, 0, kAllRows, kTokens, kPositions, kSlots, kLogits, kMaxima},
    {"decode_b2", STOOP_ENTRY_DECODE, 2, 2, 0, kAllRows, kTokens, kPositions, kSlots, kLogits, {}},
    {"decode_b4", STOOP_ENTRY_DECODE, 4, 3, 0, kAllRows, kTokens, kPositions, kSlots, kLogits, kMaxima},
    {"prefill_4", STOOP_ENTRY_PREFILL, 4, 3, 0, kLastRow, kTokens, kPositions, kSlots, kLogits, kMaxima},
    {"prefill_16", STOOP_ENTRY_PREFILL, 16, 2, 0, kLastRow, kTokens, kPositions, kSlots, kLogits, {}},
    {"score_8", STOOP_ENTRY_SCORE, 8, 2, 0, kAllRows, kTokens, kPositions, kSlots, kLogits, {}}};
const uint32_t kEos[] = {47};

const stoop_program_desc kProgram = {
    sizeof(stoop_program_desc),
    STOOP_ABI_VERSION,
    STOOP_MAGIC,
    "cpu",
    {"toy", kVocab, kContext, kBatch, 1, kEos, -1, kIds, 0, 0, 0, 0, 0, 0, 0},
    1,
    4,
    5,
    6,
    kLevels,
    kArenas,
    kKernels,
    kEntries,
    100,
    8,
    0,
    nullptr,
    0,
    {}};

}  // namespace

extern "C" const stoop_program_desc* stoop_program_query(uint32_t max_version) {
  return max_version >= STOOP_ABI_VERSION ? &kProgram : nullptr;
}
