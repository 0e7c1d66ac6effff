/* The contract between the code that Stoop emits for a model and the runtime that is linked behind it.
 *
 * C, freestanding, included by the code generator, the packager, the runtime and the kernel templates. Whoever changes
 * a struct here changes STOOP_ABI_VERSION, codegen/ (which writes these structs as constant data) and runtime/core
 * (which reads them). All offsets and sizes are bytes unless a name says otherwise; `reserved` fields are zero.
 * Pointers inside the descriptor are absolute after relocation; everything they reach is constant data of the program.
 */
#ifndef STOOP_ABI_H
#define STOOP_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* major << 16 | minor. A runtime refuses another major version and a newer minor one. */
#define STOOP_ABI_VERSION 0x00020003u
#define STOOP_MAGIC 0x504f4f5453u /* "STOOP" */

/* ---- kernels ------------------------------------------------------------------------------------------------- */

/* What changes from step to step; read by kernels, written by the runtime before each step. */
typedef struct stoop_step {
  uint32_t num_rows; /* valid rows (tokens) of this step, 1 .. the entry's rows */
  uint32_t reserved[15];
} stoop_step;

/* Arguments of one kernel call. Every thread of the pool calls the kernel once with its own thread index; the kernel
 * divides its work by (thread, num_threads); the runtime puts one barrier behind each launch. */
typedef struct stoop_kernel_args {
  void *const *buffers;   /* one per operand of the launch: inputs first, then results */
  const stoop_step *step;
  uint32_t thread;        /* 0 .. num_threads - 1 */
  uint32_t num_threads;
  void *scratch;          /* this thread's scratch, `scratch_bytes` of the program, 64-byte aligned */
} stoop_kernel_args;

typedef void (*stoop_kernel_fn)(const stoop_kernel_args *args);

/* ---- feature levels of the CPU target --------------------------------------------------------------------------- */

/* Bits of stoop_level.required; detected by CPUID and XGETBV. */
enum stoop_cpu_feature {
  STOOP_CPU_AVX2 = 1u << 0, /* with FMA, BMI2, F16C, MOVBE, LZCNT: all of x86-64-v3 */
  STOOP_CPU_AVX512 = 1u << 1, /* F, BW, CD, DQ, VL: all of x86-64-v4 */
  STOOP_CPU_AVX512_BF16 = 1u << 2,
  STOOP_CPU_AVX512_VNNI = 1u << 3,
  STOOP_CPU_AMX_TILE = 1u << 4, /* usable only after arch_prctl(ARCH_REQ_XCOMP_PERM, 18) */
  STOOP_CPU_AMX_BF16 = 1u << 5,
  STOOP_CPU_AMX_INT8 = 1u << 6
};

typedef struct stoop_level {
  const char *name;  /* "x86-64-v3", "avx512", "avx512-bf16", "amx" */
  uint64_t required; /* all of these bits */
} stoop_level;

/* ---- memory ----------------------------------------------------------------------------------------------------- */

enum stoop_lifetime {
  STOOP_CONSTANT = 0,   /* mapped from the payload, read-only */
  STOOP_PERSISTENT = 1, /* KV cache: lives as long as the session */
  STOOP_TRANSIENT = 2,  /* activations of one step */
  STOOP_IO = 3          /* tokens, positions, slots, logits, maxima */
};

typedef struct stoop_arena {
  const char *name;
  uint64_t size;
  uint32_t align;
  uint32_t lifetime; /* enum stoop_lifetime */
} stoop_arena;

/* The only way to name memory: a byte range of an arena. */
typedef struct stoop_slice {
  uint32_t arena; /* index into the program's arenas */
  uint32_t reserved;
  uint64_t offset;
  uint64_t size;
} stoop_slice;

/* ---- GPU targets -------------------------------------------------------------------------------------------------- */

/* stoop_level.required of a GPU target: the compute capability times 10 in the low 16 bits, and these. */
enum stoop_gpu_level {
  STOOP_GPU_EXACT = 1u << 16, /* this capability alone; else later ones of the same major version too */
  STOOP_GPU_PTX = 1u << 17,   /* PTX: any later capability, compiled by the driver at load */
  STOOP_GPU_WAITS = 1u << 18  /* every kernel waits itself for the launch in front of it, on all paths (griddepcontrol.wait) */
};

typedef struct stoop_gpu_image {
  const void *data; /* a cubin, or PTX as a string */
  uint64_t size;
} stoop_gpu_image;

/* One kernel for all levels. Its function is called stoop_kernel and takes one struct: the address of the step, of the
 * scratch, of each operand of the launch. */
typedef struct stoop_gpu_kernel {
  const stoop_gpu_image *images; /* one per level; kernels of equal code share this pointer */
  const uint8_t *access;         /* per operand of its launches: 1 reads, 2 writes, 3 both */
  uint32_t grid[3];       /* blocks; y is 0: as many as the GPU has multiprocessors, at most x */
  uint32_t threads;       /* of a block */
  uint32_t shared_bytes;  /* dynamic shared memory of a block */
  uint32_t num_operands;
} stoop_gpu_kernel;

/* scratch_bytes of a GPU program begin with the step, then the states of max_batch generations, then their histories,
 * one number an id ([max_batch][vocab]); behind them lies what launches use one after the other. All zero before the first launch. */
#define STOOP_GPU_STATES_OFFSET 256u
#define STOOP_GPU_STATE_BYTES 320u
static inline uint64_t stoop_gpu_histories_offset(uint32_t max_batch) {
  return (STOOP_GPU_STATES_OFFSET + (uint64_t)max_batch * STOOP_GPU_STATE_BYTES + 4095) / 4096 * 4096;
}
static inline uint64_t stoop_gpu_histories_bytes(uint32_t max_batch, uint32_t vocab) {
  return ((uint64_t)max_batch * vocab * 4 + 4095) / 4096 * 4096;
}
static inline uint64_t stoop_gpu_launch_scratch_offset(uint32_t max_batch, uint32_t vocab) {
  return stoop_gpu_histories_offset(max_batch) + stoop_gpu_histories_bytes(max_batch, vocab);
}

typedef struct stoop_gpu_program {
  const stoop_gpu_kernel *kernels;  /* one per kernel of the program */
  const stoop_gpu_image *sampling;  /* stoop_begin_step, stoop_choose_token, stoop_read_all; one image per level */
  uint32_t cuda_version;            /* of the compiler that made the images, as drivers count: 13000 is 13.0; 0: not known. Since 2.1 */
  uint32_t reserved0;
  /* What the driver is expected to take on the device, beside what the program allocates there: for modules (code with its
   * constants and variables), and for the graphs of all entries. Since 2.2 */
  uint64_t modules_bytes, graphs_bytes;
  const uint8_t *starts_early; /* per kernel: 1 if it is to start before the launch in front has ended, on levels that wait
                                * (STOOP_GPU_WAITS); NULL: none is. Since 2.3 */
  uint64_t reserved[2];
} stoop_gpu_program;

/* What a generation on the device keeps there (kernels/sampling/sample.cuh): row n of a decode entry is state n. */
typedef struct stoop_gpu_state {
  uint32_t next_token, position;
  int32_t slot; /* negative: the row is idle */
  uint32_t count;
  uint32_t ring[64]; /* token n of the generation at n % 64; UINT32_MAX: no logit was a number */
  /* How to choose: Settings of kernels/sampling/choice.h. */
  uint64_t seed, draws;
  float temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  uint32_t top_k, reserved;
} stoop_gpu_state;

/* ---- program ---------------------------------------------------------------------------------------------------- */

typedef struct stoop_kernel {
  const char *name;                 /* "k17_linear" */
  const stoop_kernel_fn *functions; /* one per feature level of the program; NULL for a GPU target */
} stoop_kernel;

typedef struct stoop_launch {
  uint32_t kernel;      /* index into the program's kernels */
  uint32_t num_buffers;
  const stoop_slice *buffers;
  const char *location; /* model path, e.g. "layers.3.mlp.up" */
} stoop_launch;

enum stoop_entry_kind {
  STOOP_ENTRY_DECODE = 0,  /* rows = sequences; one token of each; logits of every row */
  STOOP_ENTRY_PREFILL = 1, /* rows = tokens of one sequence; logits of the last valid row */
  STOOP_ENTRY_SCORE = 2    /* rows = tokens of one sequence; logits of every row */
};

/* Ids of a block whose largest logit an entry may give besides. */
#define STOOP_LOGIT_BLOCK 16u
static inline uint32_t stoop_logit_blocks(uint32_t vocab) { return (vocab + STOOP_LOGIT_BLOCK - 1) / STOOP_LOGIT_BLOCK; }

typedef struct stoop_entry {
  const char *name; /* "decode_b1", "prefill_64" */
  uint32_t kind;    /* enum stoop_entry_kind */
  uint32_t rows;    /* most rows in a step */
  uint32_t num_launches;
  uint32_t reserved;
  const stoop_launch *launches;
  stoop_slice tokens;    /* int32 [rows] */
  stoop_slice positions; /* int32 [rows] */
  stoop_slice slots;     /* int32 [rows]: which sequence of the KV cache; negative: padding */
  stoop_slice logits;    /* float32 [rows or 1][vocab] */
  stoop_slice maxima;    /* float32 [rows or 1][stoop_logit_blocks(vocab)]: the largest logit of each block, NaN if one
                            is; size 0: none. Since 2.0 */
} stoop_entry;

/* Facts of the model that the runtime needs. */
typedef struct stoop_model_info {
  const char *name;
  uint32_t vocab;         /* columns of the logits */
  uint32_t max_positions; /* compiled context, tokens of one sequence */
  uint32_t max_batch;     /* sequences in the KV cache */
  uint32_t num_eos;
  const uint32_t *eos;    /* stop set, falcon-spec section 10 */
  int64_t bos;            /* -1: none */
  uint32_t num_token_ids; /* ids that have a token; larger ids are padding and never sampled */
  uint32_t has_tokenizer;
  /* Sampling defaults of generation_config.json; temperature 0 = greedy. */
  float temperature, top_p, min_p, repetition_penalty;
  uint32_t top_k, reserved;
} stoop_model_info;

/* Where things lie in the payload; patched into the finished file by the packager (see stoop_payload). */
typedef struct stoop_extent {
  uint64_t offset; /* from the payload's first byte */
  uint64_t size;
} stoop_extent;

/* Lives in section ".stoop" of the runtime object; the packager fills it in after linking. The payload is mapped by the
 * kernel's ELF loader as a segment at `vaddr`, relative to the program's load address. Layout of the payload: weights,
 * tokenizer blob, manifest (JSON), block checksums; each part 4096-aligned (weights 65536-aligned). */
typedef struct stoop_payload {
  uint64_t magic;         /* STOOP_MAGIC once patched, 0 before */
  uint32_t abi_version;
  uint32_t checksum_block_bytes; /* 1 MiB */
  uint64_t file_offset;   /* of the payload in the file */
  uint64_t vaddr;         /* of the payload relative to the load address */
  uint64_t bytes;         /* whole payload */
  stoop_extent weights, tokenizer, manifest;
  stoop_extent checksums; /* uint32 CRC-32C per block of [0, checksums.offset) */
  uint32_t checksums_crc; /* CRC-32C of the table itself */
  uint32_t reserved[7];
} stoop_payload;

/* The least stack of a thread: pages, guard included. */
#define STOOP_LEAST_STACK_BYTES 65536u

/* Most threads of a program whose plan sets no limit of its own. */
#define STOOP_MOST_THREADS 256u

typedef struct stoop_program_desc {
  uint32_t struct_size; /* sizeof(stoop_program_desc) of the compiler */
  uint32_t abi_version;
  uint64_t magic;
  const char *target; /* "cpu" */
  stoop_model_info model;
  uint32_t num_levels, num_arenas, num_kernels, num_entries;
  const stoop_level *levels; /* best last */
  const stoop_arena *arenas;
  const stoop_kernel *kernels;
  const stoop_entry *entries;
  uint64_t scratch_bytes;  /* per thread */
  uint32_t max_threads;    /* most threads that the plan's stacks and scratch allow; 0: any number */
  uint32_t weights_arena;  /* index of the constant arena that lies in the payload */
  const stoop_gpu_program *gpu; /* NULL: kernels are functions of the CPU; since 1.1 */
  uint64_t stack_bytes;    /* of each thread but the caller's, a guard page included; 0: the runtime's choice */
  uint64_t reserved[6];
} stoop_program_desc;

/* The one symbol of the emitted code. Returns NULL when max_version is older than the program's. */
const stoop_program_desc *stoop_program_query(uint32_t max_version);

#ifdef __cplusplus
}
#define STOOP_STATIC_ASSERT static_assert
#else
#define STOOP_STATIC_ASSERT _Static_assert
#endif

STOOP_STATIC_ASSERT(sizeof(stoop_step) == 64, "one cache line");
STOOP_STATIC_ASSERT(sizeof(stoop_kernel_args) == 32, "written as constant offsets by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_slice) == 24, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_launch) == 24, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_entry) == 152, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_model_info) == 72, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_payload) == 136, "patched into the file by the packager");
STOOP_STATIC_ASSERT(sizeof(stoop_gpu_kernel) == 40, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_gpu_program) == 64, "written as constant data by the code generator");
STOOP_STATIC_ASSERT(sizeof(stoop_gpu_state) == STOOP_GPU_STATE_BYTES, "shared with kernels/sampling");
STOOP_STATIC_ASSERT(offsetof(stoop_program_desc, model) == 24, "written as constant data by the code generator");

#endif /* STOOP_ABI_H */
