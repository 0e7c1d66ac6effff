// A loaded model: its memory, threads, tokenizer and the check of its payload.
#ifndef STOOP_RUNTIME_CORE_CONTEXT_H_
#define STOOP_RUNTIME_CORE_CONTEXT_H_

#include "runtime/core/memory.h"
#include "runtime/core/payload.h"
#include "runtime/core/program.h"
#include "runtime/device/cpu/thread_pool.h"
#include "runtime/device/cuda/cuda_device.h"
#include "runtime/generate/text_codec.h"
#include "runtime/kv/slot_table.h"

// Members are destroyed in reverse order: whatever holds memory goes before `memory`.
struct stoop_context {
  explicit stoop_context(const stoop_allocator* hooks) : memory(hooks) {}
  ~stoop_context() { delete codec; }

  stoop::rt::Memory memory;
  stoop::rt::Message message;
  const stoop_program_desc* desc = nullptr;
  const stoop_payload* layout = nullptr;
  const unsigned char* payload = nullptr;
  const char* level = nullptr;  // NULL: text only
  stoop_progress_fn progress = nullptr;
  void* progress_user = nullptr;
  stoop::rt::TextCodec* codec = nullptr;  // NULL: no tokenizer
  stoop::rt::SlotTable slots;
  stoop::rt::Program program;
  stoop::rt::CudaDevice gpu;  // loaded for programs of a GPU target alone
  stoop::rt::ThreadPool pool;
  stoop::rt::PayloadVerifier verifier;
  stoop_step step{};
};

#endif  // STOOP_RUNTIME_CORE_CONTEXT_H_
