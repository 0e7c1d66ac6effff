// Loading a model, in the order that gives the clearest error first: program, payload, CPU, memory.
#include "runtime/core/context.h"

#include <new>

#include "runtime/device/cpu/cpu_features.h"

namespace stoop::rt {
namespace {

// Fields that a shorter (older) struct lacks stay zero.
template <typename T>
T copy_sized(const T* from) {
  T to{};
  if (from) memcpy(&to, from, from->struct_size < sizeof(T) ? from->struct_size : sizeof(T));
  return to;
}

stoop_status load_gpu(stoop_context& context, const stoop_load_options& options, Message& message) {
  const stoop_program_desc& program = *context.desc;
  STOOP_TRY(context.slots.create(context.memory, program.model.max_batch,
                                 program.model.max_positions, message));
  STOOP_TRY(context.gpu.load(context.memory, program, options.level,
                             context.payload + context.layout->weights.offset, options.progress,
                             options.progress_user, message));
  context.level = context.gpu.level();
  return context.program.load_mirrored(context.memory, program, context.gpu.staging(), message);
}

stoop_status load_execution(stoop_context& context, const stoop_load_options& options,
                            Message& message) {
  const stoop_program_desc& program = *context.desc;
  if (program.gpu) {
    if (options.threads) {
      return fail(message, STOOP_INVALID_ARGUMENT,
                  "%u threads asked for (-t), but the program runs on a GPU", options.threads);
    }
    return load_gpu(context, options, message);
  }
  uint64_t wanted = 0;
  for (uint32_t i = 0; i < program.num_levels; ++i) wanted |= program.levels[i].required;
  uint64_t features = detect_cpu_features((wanted & STOOP_CPU_AMX_TILE) != 0);
  uint32_t level = 0;
  STOOP_TRY(choose_level(program, features, options.level, &level, message));
  context.level = program.levels[level].name;

  uint32_t threads = options.threads ? options.threads : available_cpus();
  if (program.max_threads && threads > program.max_threads) {
    if (options.threads) {
      return fail(message, STOOP_INVALID_ARGUMENT,
                  "%u threads asked for (-t), but the program was planned for at most %u", threads,
                  program.max_threads);
    }
    threads = program.max_threads;
  }
  STOOP_TRY(context.slots.create(context.memory, program.model.max_batch,
                                 program.model.max_positions, message));
  STOOP_TRY(context.program.load(context.memory, program, level, threads,
                                 context.payload + context.layout->weights.offset,
                                 context.layout->weights.size, message));
  ThreadStacks stacks{context.program.stacks(), program.stack_bytes};
  return context.pool.start(context.memory, threads,
                            (options.flags & STOOP_LOAD_PIN_CALLER) != 0, stacks, message);
}

stoop_status load(stoop_context& context, const stoop_image& image,
                  const stoop_load_options& options, Message& message) {
  STOOP_TRY(check_program(image.program, message));
  STOOP_TRY(check_layout(*image.layout, message));
  context.desc = image.program;
  context.layout = image.layout;
  context.payload = static_cast<const unsigned char*>(image.payload);
  context.progress = options.progress;
  context.progress_user = options.progress_user;
  bool text_only = (options.flags & STOOP_LOAD_TEXT_ONLY) != 0;
  if (!(options.flags & STOOP_LOAD_NO_VERIFY)) {
    // Weights that nobody will use need not be read.
    uint64_t from = text_only ? context.layout->tokenizer.offset : 0;
    STOOP_TRY(context.verifier.start(*context.layout, context.payload, from, message));
  }
  if (image.program->model.has_tokenizer) {
    const stoop_extent& blob = context.layout->tokenizer;
    STOOP_TRY(TextCodec::create(context.payload + blob.offset, blob.size, &context.codec, message));
  }
  return text_only ? STOOP_OK : load_execution(context, options, message);
}

}  // namespace
}  // namespace stoop::rt

using stoop::rt::fail;
using stoop::rt::Memory;
using stoop::rt::Message;

extern "C" {

stoop_status stoop_context_create(const stoop_image* image, const stoop_load_options* options,
                                  stoop_context** out, char* message, size_t message_bytes) {
  Message failure;
  *out = nullptr;
  stoop_load_options settings = stoop::rt::copy_sized(options);
  Memory bootstrap(settings.allocator);
  void* address = nullptr;
  stoop_status status =
      bootstrap.allocate(sizeof(stoop_context), "the context", &address, failure);
  if (status == STOOP_OK) {
    stoop_context* context = new (address) stoop_context(settings.allocator);
    status = stoop::rt::load(*context, *image, settings, failure);
    if (status == STOOP_OK)
      *out = context;
    else
      stoop_context_destroy(context);
  }
  stoop::rt::copy_message(failure, message, message_bytes);
  return status;
}

void stoop_context_destroy(stoop_context* context) {
  if (!context) return;
  stoop_allocator hooks = context->memory.hooks();
  context->~stoop_context();
  hooks.release(hooks.user, context);
}

const char* stoop_context_message(const stoop_context* context) { return context->message.text; }

void stoop_context_info_get(const stoop_context* context, stoop_context_info* info) {
  stoop_context_info facts{};
  facts.struct_size = info->struct_size;
  facts.threads = context->pool.size();
  facts.level = context->level;
  facts.planned_bytes = context->program.planned_bytes();
  facts.allocated_bytes = context->memory.mapped_bytes() + context->gpu.allocated_bytes();
  facts.host_bytes = context->memory.host_bytes() + sizeof(stoop_context);
  const stoop_extent& manifest = context->layout->manifest;
  facts.manifest =
      manifest.size ? reinterpret_cast<const char*>(context->payload + manifest.offset) : nullptr;
  facts.manifest_bytes = manifest.size;
  facts.program = context->desc;
  facts.gpu_cache_bytes = context->gpu.cache_bytes();
  if (context->gpu.is_loaded()) {
    facts.gpu_modules_planned = context->desc->gpu->modules_bytes;
    facts.gpu_modules_taken = context->gpu.modules_taken();
    facts.gpu_graphs_planned = context->desc->gpu->graphs_bytes;
    facts.gpu_graphs_taken = context->gpu.graphs_taken();
  }
  memcpy(info, &facts, info->struct_size < sizeof facts ? info->struct_size : sizeof facts);
}

stoop_status stoop_context_verify(stoop_context* context) {
  return context->verifier.wait(context->progress, context->progress_user, context->message);
}

stoop_status stoop_gpu_read_weights(stoop_context* context, uint64_t* bytes_read) {
  if (!context->gpu.is_loaded())
    return fail(context->message, STOOP_UNSUPPORTED, "target '%s' keeps its weights on no GPU", context->desc->target);
  return context->gpu.read_weights(bytes_read, context->message);
}

stoop_status stoop_tokenize(stoop_context* context, const char* text, uint64_t bytes, uint32_t* ids,
                            uint64_t capacity, uint64_t* count) {
  *count = 0;
  if (!context->codec) {
    return fail(context->message, STOOP_NO_TOKENIZER,
                "this model carries no tokenizer: give token ids (--prompt-ids)");
  }
  return context->codec->encode(text, bytes, ids, capacity, count, context->message);
}

stoop_status stoop_detokenize(stoop_context* context, const uint32_t* ids, uint64_t count,
                              char* text, uint64_t capacity, uint64_t* bytes) {
  *bytes = 0;
  if (!context->codec) {
    return fail(context->message, STOOP_NO_TOKENIZER,
                "this model carries no tokenizer: ids have no text");
  }
  return context->codec->decode(ids, count, text, capacity, bytes, context->message);
}

}  // extern "C"
