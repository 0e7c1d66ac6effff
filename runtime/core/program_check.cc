// Checks of the emitted descriptor and the choice of a feature level.
#include <cstdio>
#include <cstring>

#include "runtime/core/program.h"

namespace stoop::rt {
namespace {

using u64 = unsigned long long;

const struct {
  uint64_t bit;
  const char* name;
} kFeatures[] = {
    {STOOP_CPU_AVX2, "AVX2 with FMA, BMI2, F16C, MOVBE and LZCNT (x86-64-v3)"},
    {STOOP_CPU_AVX512, "AVX-512 F, BW, CD, DQ and VL (x86-64-v4)"},
    {STOOP_CPU_AVX512_BF16, "AVX-512 BF16"},
    {STOOP_CPU_AVX512_VNNI, "AVX-512 VNNI"},
    {STOOP_CPU_AMX_TILE, "AMX tiles"},
    {STOOP_CPU_AMX_BF16, "AMX BF16"},
    {STOOP_CPU_AMX_INT8, "AMX INT8"},
};

stoop_status check_slice(const stoop_program_desc& program, const stoop_slice& slice,
                         uint64_t needed, const char* what, const char* where, Message& message) {
  if (slice.arena >= program.num_arenas) {
    return fail(message, STOOP_BAD_PROGRAM, "%s of '%s' lies in arena %u of %u", what, where,
                slice.arena, program.num_arenas);
  }
  const stoop_arena& arena = program.arenas[slice.arena];
  if (slice.offset > arena.size || slice.size > arena.size - slice.offset) {
    return fail(message, STOOP_BAD_PROGRAM,
                "%s of '%s' reaches byte %llu of arena '%s', which has %llu", what, where,
                static_cast<u64>(slice.offset + slice.size), arena.name,
                static_cast<u64>(arena.size));
  }
  if (slice.size < needed) {
    return fail(message, STOOP_BAD_PROGRAM, "%s of '%s' has %llu bytes and needs %llu", what, where,
                static_cast<u64>(slice.size), static_cast<u64>(needed));
  }
  return STOOP_OK;
}

stoop_status check_entry(const stoop_program_desc& program, const stoop_entry& entry,
                         Message& message) {
  if (entry.rows == 0 || entry.kind > STOOP_ENTRY_SCORE) {
    return fail(message, STOOP_BAD_PROGRAM, "entry '%s' of kind %u has %u rows", entry.name,
                entry.kind, entry.rows);
  }
  uint64_t ids = uint64_t{entry.rows} * sizeof(int32_t);
  uint64_t logit_rows = entry.kind == STOOP_ENTRY_PREFILL ? 1 : entry.rows;
  uint64_t logits = logit_rows * program.model.vocab * sizeof(float);
  uint64_t maxima = logit_rows * stoop_logit_blocks(program.model.vocab) * sizeof(float);
  STOOP_TRY(check_slice(program, entry.tokens, ids, "tokens", entry.name, message));
  STOOP_TRY(check_slice(program, entry.positions, ids, "positions", entry.name, message));
  STOOP_TRY(check_slice(program, entry.slots, ids, "slots", entry.name, message));
  STOOP_TRY(check_slice(program, entry.logits, logits, "logits", entry.name, message));
  if (entry.maxima.size)
    STOOP_TRY(check_slice(program, entry.maxima, maxima, "maxima", entry.name, message));
  for (uint32_t i = 0; i < entry.num_launches; ++i) {
    const stoop_launch& launch = entry.launches[i];
    if (launch.kernel >= program.num_kernels) {
      return fail(message, STOOP_BAD_PROGRAM, "launch %u of '%s' names kernel %u of %u", i,
                  entry.name, launch.kernel, program.num_kernels);
    }
    for (uint32_t j = 0; j < launch.num_buffers; ++j) {
      STOOP_TRY(check_slice(program, launch.buffers[j], 0, "a buffer",
                            launch.location ? launch.location : entry.name, message));
    }
  }
  return STOOP_OK;
}

}  // namespace

stoop_status check_program(const stoop_program_desc* program, Message& message) {
  if (!program) {
    return fail(message, STOOP_BAD_PROGRAM,
                "the model was compiled for a newer runtime than this one (ABI version %#x)",
                STOOP_ABI_VERSION);
  }
  if (program->magic != STOOP_MAGIC || program->struct_size < sizeof(stoop_program_desc))
    return fail(message, STOOP_BAD_PROGRAM, "the model's descriptor is damaged");
  if (program->abi_version >> 16 != STOOP_ABI_VERSION >> 16 ||
      program->abi_version > STOOP_ABI_VERSION) {
    return fail(message, STOOP_BAD_PROGRAM,
                "the model has ABI version %#x, but this runtime understands %#x",
                program->abi_version, STOOP_ABI_VERSION);
  }
  if (program->stack_bytes % 4096 != 0 ||
      (program->stack_bytes != 0 && program->stack_bytes < STOOP_LEAST_STACK_BYTES)) {
    return fail(message, STOOP_BAD_PROGRAM,
                "the model's descriptor is damaged: stacks of %llu bytes, not whole pages of at least %u",
                static_cast<u64>(program->stack_bytes), STOOP_LEAST_STACK_BYTES);
  }
  const stoop_model_info& model = program->model;
  if (model.vocab == 0 || model.max_positions == 0 || model.max_batch == 0 ||
      model.num_token_ids == 0 || model.num_token_ids > model.vocab) {
    return fail(message, STOOP_BAD_PROGRAM,
                "the model's descriptor is damaged: vocabulary %u, ids %u, context %u, batch %u",
                model.vocab, model.num_token_ids, model.max_positions, model.max_batch);
  }
  for (uint32_t i = 0; i < program->num_kernels; ++i) {
    for (uint32_t level = 0; level < program->num_levels; ++level) {
      const bool has_code = program->gpu ? program->gpu->kernels[i].images[level].data != nullptr
                                         : program->kernels[i].functions[level] != nullptr;
      if (has_code) continue;
      return fail(message, STOOP_BAD_PROGRAM, "kernel '%s' has no code for level '%s'",
                  program->kernels[i].name, program->levels[level].name);
    }
  }
  for (uint32_t i = 0; i < program->num_entries; ++i)
    STOOP_TRY(check_entry(*program, program->entries[i], message));
  return STOOP_OK;
}

void feature_names(uint64_t bits, char* text, size_t text_bytes) {
  size_t length = 0;
  text[0] = '\0';
  for (const auto& feature : kFeatures) {
    if (!(bits & feature.bit) || length >= text_bytes) continue;
    int wrote = snprintf(text + length, text_bytes - length, "%s%s", length ? ", " : "",
                         feature.name);
    if (wrote > 0) length += static_cast<size_t>(wrote);
  }
}

stoop_status choose_level(const stoop_program_desc& program, uint64_t features, const char* forced,
                          uint32_t* level, Message& message) {
  if (program.num_levels == 0)
    return fail(message, STOOP_BAD_PROGRAM, "the program has no code for any CPU");
  char missing[256];
  if (forced) {
    for (uint32_t i = 0; i < program.num_levels; ++i) {
      if (strcmp(program.levels[i].name, forced) != 0) continue;
      uint64_t lacking = program.levels[i].required & ~features;
      *level = i;
      if (!lacking) return STOOP_OK;
      feature_names(lacking, missing, sizeof missing);
      return fail(message, STOOP_UNSUPPORTED, "this CPU lacks %s, which level '%s' needs", missing,
                  forced);
    }
    return fail(message, STOOP_INVALID_ARGUMENT,
                "the program has no code for level '%s' (it has %u, the last is '%s')", forced,
                program.num_levels, program.levels[program.num_levels - 1].name);
  }
  for (uint32_t i = program.num_levels; i-- > 0;) {
    if (program.levels[i].required & ~features) continue;
    *level = i;
    return STOOP_OK;
  }
  feature_names(program.levels[0].required & ~features, missing, sizeof missing);
  return fail(message, STOOP_UNSUPPORTED,
              "this CPU lacks %s, which the program's least demanding code ('%s') needs; compile "
              "with another --target-cpu",
              missing, program.levels[0].name);
}

}  // namespace stoop::rt
