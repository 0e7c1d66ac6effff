/* The C interface of a compiled model: load it, feed tokens, sample, generate text.
 *
 * The command line of an emitted binary (runtime/app) is written on this interface; a program that embeds a model links
 * the same objects and calls the same functions. Plain C types; no function throws, exits or prints. A function that
 * can fail returns a stoop_status and leaves a sentence about the failure where its comment says. Nothing is global:
 * any number of contexts may live in a process. Structs start with their size, so a newer runtime accepts an older
 * caller; a zero field means "the default".
 */
#ifndef STOOP_RUNTIME_H
#define STOOP_RUNTIME_H

#include "stoop/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STOOP_RUNTIME_VERSION 0x00010000u

typedef enum stoop_status {
  STOOP_OK = 0,
  STOOP_INVALID_ARGUMENT = 1, /* the caller asked for something impossible; the message names the limit and the value */
  STOOP_BAD_PROGRAM = 2,      /* the binary is unfinished, damaged, cut off, or of another ABI version */
  STOOP_UNSUPPORTED = 3,      /* this machine lacks a CPU feature that every version of the code needs */
  STOOP_OUT_OF_MEMORY = 4,    /* an allocation or a thread could not be had */
  STOOP_CONTEXT_FULL = 5,     /* the tokens do not fit into the compiled context */
  STOOP_CANCELLED = 6,        /* a callback asked to stop */
  STOOP_NO_TOKENIZER = 7,     /* text was given or wanted, but the model carries no tokenizer */
  STOOP_BAD_NUMERICS = 8,     /* no logit is a number */
  STOOP_INTERNAL = 9,         /* a broken invariant: always a bug */
  STOOP_DEVICE_FAILED = 10    /* a call of the GPU's driver failed; the message has its words */
} stoop_status;

typedef struct stoop_context stoop_context; /* a loaded model: memory, threads, tokenizer */
typedef struct stoop_session stoop_session; /* one sequence of tokens in the KV cache of a context */
typedef struct stoop_batch stoop_batch;     /* generations that advance together, a token each a step */
typedef struct stoop_sampler stoop_sampler; /* chooses the next token; owns the random state */

/* Where a program and its payload lie in memory. All pointers are borrowed and must outlive the context. */
typedef struct stoop_image {
  uint32_t struct_size;
  uint32_t reserved;
  const stoop_program_desc *program;
  const stoop_payload *layout; /* what the packager recorded */
  const void *payload;         /* first byte of the payload, `layout->bytes` of it mapped */
} stoop_image;

/* Memory source, for embedders that count or limit and for tests that fail. NULL members: mmap and aligned_alloc. */
typedef struct stoop_allocator {
  void *(*map)(void *user, size_t bytes); /* page-aligned zeroed memory for an arena; NULL: out of memory */
  void (*unmap)(void *user, void *address, size_t bytes);
  void *(*allocate)(void *user, size_t bytes); /* 64-byte aligned; NULL: out of memory */
  void (*release)(void *user, void *address);
  void *user;
} stoop_allocator;

/* Called between the steps of long work on the caller's thread: `done` of `total`, counted in `unit` ("tokens" of a
 * prompt, "MiB checked" of the payload); nonzero cancels. */
typedef int (*stoop_progress_fn)(void *user, const char *unit, uint64_t done, uint64_t total);

enum stoop_load_flags {
  STOOP_LOAD_NO_VERIFY = 1u << 0,  /* do not compare the payload with its checksums */
  STOOP_LOAD_TEXT_ONLY = 1u << 1,  /* tokenizer and facts alone: no arenas, no threads, any CPU will do */
  STOOP_LOAD_PIN_CALLER = 1u << 2  /* pin the calling thread too when all CPUs are used */
};

typedef struct stoop_load_options {
  uint32_t struct_size;
  uint32_t flags;            /* enum stoop_load_flags */
  uint32_t threads;          /* 0: one per CPU this process may use */
  uint32_t reserved;
  const char *level;         /* force a feature level of the program by name; NULL: the best one this CPU has */
  const stoop_allocator *allocator; /* copied; NULL: the system's */
  stoop_progress_fn progress;       /* may be NULL */
  void *progress_user;
} stoop_load_options;

typedef struct stoop_context_info {
  uint32_t struct_size;
  uint32_t threads;
  const char *level;        /* name of the feature level in use; NULL with STOOP_LOAD_TEXT_ONLY */
  uint64_t planned_bytes;   /* arenas that are not constant + scratch and stacks of all threads, by the plan */
  uint64_t allocated_bytes; /* what was really taken for them */
  uint64_t host_bytes;      /* the runtime's own tables, outside the plan */
  const char *manifest;     /* JSON, not terminated; NULL when there is none */
  uint64_t manifest_bytes;
  const stoop_program_desc *program;
  uint64_t gpu_cache_bytes; /* last-level cache of the GPU; 0 for a CPU target */
  /* What the driver was expected to take of the GPU's memory besides, and by how much less was free when it had; who else
   * uses the GPU can disturb that. 0 for a CPU target. */
  uint64_t gpu_modules_planned, gpu_modules_taken; /* code with its constants */
  uint64_t gpu_graphs_planned, gpu_graphs_taken;   /* captured graphs */
} stoop_context_info;

/* Sampling settings; `stoop_sampling_defaults` fills them from the model. */
typedef struct stoop_sampling {
  uint32_t struct_size;
  uint32_t top_k;           /* 0: off */
  uint64_t seed;
  float temperature;        /* 0: greedy, ties go to the lowest id */
  float top_p;              /* 1: off */
  float min_p;              /* 0: off */
  float repetition_penalty; /* 1: off; over prompt and generated tokens */
  float presence_penalty;   /* 0: off; over generated tokens */
  float frequency_penalty;  /* 0: off; over generated tokens */
} stoop_sampling;

/* One generated token, as passed to stoop_token_fn. Pointers are valid during the call. */
typedef struct stoop_token_event {
  uint32_t token;
  uint32_t index;      /* 0 for the first generated one */
  const float *logits; /* [vocab], before any sampling step; may be NULL with no_logits */
  const char *text;    /* whole UTF-8 characters that are now certain; may be empty */
  uint64_t text_bytes;
} stoop_token_event;

/* Nonzero stops the generation with finish STOOP_FINISH_CANCELLED. The last call of a generation may carry the text
 * that was held back; `token` is then UINT32_MAX and `logits` NULL. */
typedef int (*stoop_token_fn)(void *user, const stoop_token_event *event);

enum stoop_finish {
  STOOP_FINISH_LENGTH = 0,   /* `max_tokens` reached or context full */
  STOOP_FINISH_EOS = 1,      /* a token of the stop set, which is part of the ids and not of the text */
  STOOP_FINISH_STRING = 2,   /* a stop string; `stop_index` says which */
  STOOP_FINISH_CANCELLED = 3,
  STOOP_FINISH_NONE = 4,     /* not ended: it runs in a batch, or failed */
  STOOP_FINISH_BAD_NUMERICS = 5 /* none of its logits was a number; others of its batch go on */
};

typedef struct stoop_generation {
  uint32_t struct_size;
  uint32_t max_tokens;
  const uint32_t *prompt; /* at least one token, unless the session already holds some */
  uint64_t prompt_tokens;
  const uint32_t *eos;    /* stop set; NULL with num_eos 0: the model's */
  uint32_t num_eos;
  uint32_t ignore_eos;    /* 1: no stop set */
  const char *const *stop_strings;
  uint32_t num_stop_strings;
  uint32_t no_logits;      /* 1: token events need no logits (NULL then): a GPU may run ahead of the host */
  stoop_token_fn on_token; /* may be NULL */
  void *user;
  /* Results. */
  uint32_t finish;     /* enum stoop_finish */
  uint32_t stop_index; /* into stop_strings */
  uint64_t generated_tokens;
  double prefill_seconds, decode_seconds; /* the second until its end, whatever others did meanwhile */
} stoop_generation;

/* Called with a score for each row: `row` counts from 0 within the call; `logits` is [vocab]; nonzero cancels. */
typedef int (*stoop_score_fn)(void *user, uint64_t row, const float *logits);

/* Version of the library, to be compared with STOOP_RUNTIME_VERSION. Thread-safe. */
uint32_t stoop_runtime_version(void);

/* Short name of a status, e.g. "out of memory". Static. Thread-safe. */
const char *stoop_status_name(stoop_status status);

/* Finds the model that is linked into this executable and checks that its file is whole. Errors (into `message`, always
 * terminated): STOOP_BAD_PROGRAM. Thread-safe. */
stoop_status stoop_image_self(stoop_image *image, char *message, size_t message_bytes);

/* Loads: checks versions, picks the feature level, takes all memory of the plan, starts threads and the check of the
 * payload in the background. `*out` is owned by the caller. On failure `*out` is NULL and `message` says why. */
stoop_status stoop_context_create(const stoop_image *image, const stoop_load_options *options, stoop_context **out,
                                  char *message, size_t message_bytes);

/* Frees everything. All sessions and samplers of the context must be gone. NULL is allowed. */
void stoop_context_destroy(stoop_context *context);

/* The sentence about the last failure of a call on this context or anything made from it. Not thread-safe. */
const char *stoop_context_message(const stoop_context *context);

/* Facts about a loaded model; pointers live as long as the context. */
void stoop_context_info_get(const stoop_context *context, stoop_context_info *info);

/* Waits for the background check of the payload. STOOP_BAD_PROGRAM names the first damaged block. Returns at once when
 * it is over or was not wanted. Generation calls it before the first token is handed out. */
stoop_status stoop_context_verify(stoop_context *context);

/* The GPU reads all weights, at least once, and does nothing else: the time of this call says how fast a decode step
 * can be at best. STOOP_UNSUPPORTED for a CPU target. Not while a batch or generation runs. */
stoop_status stoop_gpu_read_weights(stoop_context *context, uint64_t *bytes_read);

/* A sequence in a free slot of the KV cache; STOOP_CONTEXT_FULL when `max_batch` sessions exist. A context's sessions
 * must not be used by two threads at once. */
stoop_status stoop_session_create(stoop_context *context, stoop_session **out);
void stoop_session_destroy(stoop_session *session);

/* Forgets all tokens from `position` on (0: all). STOOP_INVALID_ARGUMENT when there are fewer. */
stoop_status stoop_session_truncate(stoop_session *session, uint64_t position);

/* Tokens that the session holds. */
uint64_t stoop_session_position(const stoop_session *session);

/* Feeds tokens; `*logits` ([vocab], the next token's, borrowed until the next call on the context) may be NULL.
 * STOOP_CONTEXT_FULL when they do not fit, STOOP_INVALID_ARGUMENT for an id outside the vocabulary: nothing is fed. */
stoop_status stoop_session_append(stoop_session *session, const uint32_t *tokens, uint64_t count, const float **logits);

/* Feeds one token to each of `count` sessions of one context, all in one step of the smallest compiled decode batch that
 * holds them. `logits[i]` ([vocab], as above) is what follows tokens[i]; `logits` may be NULL; 0 sessions are nothing to
 * do. STOOP_INVALID_ARGUMENT: more sessions than the program was compiled for (--max-batch-size), a session twice,
 * sessions of different contexts, an id outside the vocabulary; STOOP_CONTEXT_FULL: a session is full. Nothing is fed
 * then, and the message lies in the context of sessions[0]. */
stoop_status stoop_decode_batch(stoop_session *const *sessions, uint32_t count, const uint32_t *tokens,
                                const float **logits);

/* Feeds tokens and reports the logits after each of the last `count - skip`. */
stoop_status stoop_session_score(stoop_session *session, const uint32_t *tokens, uint64_t count, uint64_t skip,
                                 stoop_score_fn on_row, void *user);

/* Fills `sampling` with the model's defaults (generation_config). */
void stoop_sampling_defaults(const stoop_context *context, stoop_sampling *sampling);

/* A sampler with memory of its own, taken here; sampling allocates nothing. */
stoop_status stoop_sampler_create(stoop_context *context, const stoop_sampling *sampling, stoop_sampler **out);
void stoop_sampler_destroy(stoop_sampler *sampler);

/* Feeds the prompt, then samples token by token until a reason to stop. Decoding allocates nothing.
 * STOOP_BAD_NUMERICS: no logit was a number; `generation` has what came before. */
stoop_status stoop_generate(stoop_session *session, stoop_sampler *sampler, stoop_generation *generation);

/* Generations in lockstep: each step feeds the last token of all of them at once. One may join at any time and leaves
 * when a reason to stop is met; its results are then those of stoop_generate. Sampled tokens depend on its sampler and
 * its logits alone, not on who takes part. */
stoop_status stoop_batch_create(stoop_context *context, stoop_batch **out);

/* Drops what is still running: its results stay unset. */
void stoop_batch_destroy(stoop_batch *batch);

/* Feeds the prompt of `generation`, hands out its first token, and lets it take part from the next step on; all three
 * belong to the batch until it ends. On a GPU, tokens of the others may be handed out first. Before anything is fed:
 * STOOP_INVALID_ARGUMENT (a session or a sampler of another context, or one that takes part already, an empty prompt, a
 * wrong id), STOOP_CONTEXT_FULL (the prompt does not fit). After a failure the others may go on. */
stoop_status stoop_batch_add(stoop_batch *batch, stoop_session *session, stoop_sampler *sampler,
                             stoop_generation *generation);

/* Gives each running generation one more token; 0 `*running` (may be NULL): all have ended. Allocates nothing. One whose
 * logits are no numbers ends alone, with STOOP_FINISH_BAD_NUMERICS. After a failure the batch can only be destroyed. */
stoop_status stoop_batch_step(stoop_batch *batch, uint32_t *running);

/* Text to ids, as the checkpoint's tokenizer does without special tokens added; `*count` is how many there are, of
 * which at most `capacity` were written. */
stoop_status stoop_tokenize(stoop_context *context, const char *text, uint64_t bytes, uint32_t *ids, uint64_t capacity,
                            uint64_t *count);

/* Ids to text, invalid UTF-8 replaced; `*bytes` is its length, of which at most `capacity` were written. */
stoop_status stoop_detokenize(stoop_context *context, const uint32_t *ids, uint64_t count, char *text,
                              uint64_t capacity, uint64_t *bytes);

#ifdef __cplusplus
}
#endif
#endif /* STOOP_RUNTIME_H */
