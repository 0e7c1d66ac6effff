// Loading: the GPU, the best code for it, the plan's memory, the weights.
#include <cstdio>
#include <cstring>

#include "runtime/device/cuda/cuda_device.h"

namespace stoop::rt {
namespace {

using u64 = unsigned long long;

constexpr uint64_t kUploadBytes = 16u << 20;
// Dynamic shared memory that needs no asking for: a block has 48 KiB, of which kernels have a few as variables.
constexpr uint32_t kPlainShared = 40u << 10;

// Whether code of a level (bits of stoop_gpu_level) may run on a GPU of that compute capability.
bool may_run(uint64_t required, int capability) {
  int wanted = static_cast<int>(required & 0xffff);
  if (required & STOOP_GPU_EXACT) return capability == wanted;
  if (required & STOOP_GPU_PTX) return capability >= wanted;
  return capability / 10 == wanted / 10 && capability >= wanted;
}

bool is_wrong_code(int error) {
  return error == kCudaNoBinary || error == kCudaInvalidPtx || error == kCudaUnsupportedPtx ||
         error == kCudaInvalidImage || error == kCudaNoPtxCompiler;
}

// What --cuda-arch takes for a GPU of that compute capability: the best architecture that runs there, else PTX.
const char* architecture_for(int capability) {
  const char* best = "sm_80,ptx";
#define STOOP_GPU_ARCHITECTURE(name, number, exact, shared, machines) \
  if (may_run(number | (exact ? uint64_t{STOOP_GPU_EXACT} : 0), capability)) best = name;
#include "kernels/catalog/Architectures.def"
  return best;
}

// Others may have given memory back meanwhile: nothing was taken then, as far as anybody can tell.
uint64_t taken(size_t free_before, size_t free_after) { return free_after < free_before ? free_before - free_after : 0; }

// Names of all levels, comma separated.
void level_names(const stoop_program_desc& program, char* text, size_t bytes) {
  text[0] = '\0';
  for (uint32_t i = 0; i < program.num_levels; ++i) {
    size_t length = strlen(text);
    snprintf(text + length, bytes - length, "%s%s", i ? ", " : "", program.levels[i].name);
  }
}

}  // namespace

stoop_status CudaDevice::load(Memory& memory, const stoop_program_desc& program,
                              const char* forced_level, const void* weights,
                              stoop_progress_fn progress, void* progress_user, Message& message) {
  memory_ = &memory;
  desc_ = &program;
  STOOP_TRY(api_.load(static_cast<int>(program.gpu->cuda_version), message));
  driver_ = &api_;
  STOOP_TRY(find_gpu(message));
  const stoop_gpu_program& gpu = *program.gpu;
  size_t before = 0, after = 0, total = 0;
  STOOP_TRY(check_memory(gpu.modules_bytes + gpu.graphs_bytes, &before, message));
  STOOP_TRY(load_level(forced_level, message));
  // Once more: the modules may be larger than planned.
  STOOP_TRY(check_memory(gpu.graphs_bytes, &after, message));
  modules_taken_ = taken(before, after);
  STOOP_TRY(take_memory(message));
  STOOP_TRY(upload(weights, progress, progress_user, message));
  CUDA_TRY(api_, message, memory_info, &before, &total);
  STOOP_TRY(capture_entries(message));
  CUDA_TRY(api_, message, memory_info, &after, &total);
  graphs_taken_ = taken(before, after);
  return STOOP_OK;
}

stoop_status CudaDevice::find_gpu(Message& message) {
  int count = 0, major = 0, minor = 0;
  CUDA_TRY(api_, message, device_count, &count);
  if (count == 0)
    return fail(message, STOOP_UNSUPPORTED, "this program runs on an NVIDIA GPU, and the driver finds none");
  CUDA_TRY(api_, message, device_get, &device_, 0);
  CUDA_TRY(api_, message, device_name, name_, sizeof name_, device_);
  CUDA_TRY(api_, message, device_attribute, &major, kCudaCapabilityMajor, device_);
  CUDA_TRY(api_, message, device_attribute, &minor, kCudaCapabilityMinor, device_);
  CUDA_TRY(api_, message, device_attribute, &cache_bytes_, kCudaL2Bytes, device_);
  CUDA_TRY(api_, message, device_attribute, &shared_bytes_, kCudaMaxSharedOptin, device_);
  capability_ = major * 10 + minor;
  CUDA_TRY(api_, message, context_retain, &context_, device_);
  CUDA_TRY(api_, message, context_set, context_);
  CUDA_TRY(api_, message, stream_create, &stream_, kCudaStreamNonBlocking);
  for (void*& event : events_) CUDA_TRY(api_, message, event_create, &event, kCudaEventNoTiming);
  return STOOP_OK;
}

// Tries levels from the best down: a driver may refuse code for reasons of its own (no cubin support, PTX
// that is newer than it).
stoop_status CudaDevice::load_level(const char* forced, Message& message) {
  bool is_known = false, is_refused = false;
  for (uint32_t i = desc_->num_levels; i-- > 0;) {
    const stoop_level& level = desc_->levels[i];
    if (forced && strcmp(forced, level.name) != 0) continue;
    is_known = true;
    if (!may_run(level.required, capability_)) continue;
    overlaps_ = (level.required & STOOP_GPU_WAITS) && api_.version >= kCudaEarlyStartsInGraphs && desc_->gpu->starts_early;
    int error = 0;
    stoop_status status = load_modules(i, &error, message);
    if (status == STOOP_OK) {
      level_ = level.name;
      return STOOP_OK;
    }
    if (!is_wrong_code(error)) return status;
    is_refused = true;
    unload_modules();
  }
  if (is_known) return explain_level(forced, is_refused, message);
  char names[256];
  level_names(*desc_, names, sizeof names);
  return fail(message, STOOP_INVALID_ARGUMENT, "the program has no code for level '%s'; it has %s", forced, names);
}

// Why no level could be loaded, and what to do.
stoop_status CudaDevice::explain_level(const char* forced, bool is_refused, Message& message) {
  char names[256];
  level_names(*desc_, names, sizeof names);
  const int made_by = static_cast<int>(desc_->gpu->cuda_version), major = capability_ / 10, minor = capability_ % 10;
  if (is_refused) {
    char advice[96] = "install a newer driver";
    if (api_.version >= made_by)
      snprintf(advice, sizeof advice, "compile with --cuda-arch %s,ptx, whose PTX drivers translate", architecture_for(capability_));
    return fail(message, STOOP_UNSUPPORTED, "the driver, of CUDA %d.%d, refuses the program's code (%s, made by CUDA %d.%d) on '%s': %s",
                api_.version / 1000, api_.version % 1000 / 10, names, made_by / 1000, made_by % 1000 / 10, name_, advice);
  }
  if (forced) {
    return fail(message, STOOP_UNSUPPORTED, "code of level '%s' does not run on '%s' of compute capability %d.%d; the program has %s",
                forced, name_, major, minor, names);
  }
  if (major < 8) {
    return fail(message, STOOP_UNSUPPORTED,
                "the GPU '%s' has compute capability %d.%d, and programs need 8.0 or newer; 'stoop compile --target cpu' "
                "makes one for this machine's processor",
                name_, major, minor);
  }
  return fail(message, STOOP_UNSUPPORTED,
              "the GPU '%s' has compute capability %d.%d, and the program has code for %s alone; compile "
              "with --cuda-arch %s beside what it has",
              name_, major, minor, names, architecture_for(capability_));
}

stoop_status CudaDevice::load_modules(uint32_t level, int* error, Message& message) {
  const stoop_gpu_program& gpu = *desc_->gpu;
  if (!kernels_.size())
    STOOP_TRY(kernels_.create(*memory_, desc_->num_kernels, "the table of kernels", message));
  auto load = [&](const stoop_gpu_image& image, void** module) {
    *error = api_.module_load(module, image.data);
    return api_.check(*error, "module_load", message);
  };
  for (uint32_t i = 0; i < desc_->num_kernels; ++i) {
    const stoop_gpu_kernel& from = gpu.kernels[i];
    Kernel& kernel = kernels_[i];
    for (uint32_t j = 0; j < i && !kernel.module; ++j)
      if (gpu.kernels[j].images == from.images) kernel.module = kernels_[j].module;
    if (!kernel.module) {
      STOOP_TRY(load(from.images[level], &kernel.module));
      kernel.owns_module = true;
    }
    CUDA_TRY(api_, message, module_function, &kernel.function, kernel.module, "stoop_kernel");
    if (from.shared_bytes > static_cast<uint32_t>(shared_bytes_)) {
      return fail(message, STOOP_UNSUPPORTED,
                  "kernel '%s' takes %u bytes of shared memory a block, and '%s' has %d; compile with --cuda-arch %s, "
                  "which plans for that",
                  desc_->kernels[i].name, from.shared_bytes, name_, shared_bytes_, architecture_for(capability_));
    }
    if (from.shared_bytes > kPlainShared) {
      CUDA_TRY(api_, message, function_set, kernel.function, kCudaFunctionMaxShared,
               static_cast<int>(from.shared_bytes));
    }
    STOOP_TRY(share_multiprocessor(kernel.function, message));
  }
  STOOP_TRY(load(gpu.sampling[level], &sampling_module_));
  CUDA_TRY(api_, message, module_function, &begin_function_, sampling_module_, "stoop_begin_step");
  CUDA_TRY(api_, message, module_function, &choose_function_, sampling_module_, "stoop_choose_token");
  CUDA_TRY(api_, message, module_function, &read_function_, sampling_module_, "stoop_read_all");
  STOOP_TRY(share_multiprocessor(begin_function_, message));
  return share_multiprocessor(choose_function_, message);
}

// How much of a multiprocessor's memory is shared memory cannot change while a block is there, so kernels that are to be there
// together ask for the same: as much as there is.
stoop_status CudaDevice::share_multiprocessor(void* function, Message& message) {
  if (overlaps_) CUDA_TRY(api_, message, function_set, function, kCudaFunctionSharedPart, 100);
  return STOOP_OK;
}

// Whether everything that is still to be taken fits, `of_driver` bytes of it what the driver is expected to take.
stoop_status CudaDevice::check_memory(uint64_t of_driver, size_t* available, Message& message) {
  uint64_t needed = desc_->scratch_bytes + of_driver, weights = 0;
  for (uint32_t i = 0; i < desc_->num_arenas; ++i) {
    needed += desc_->arenas[i].size;
    if (desc_->arenas[i].lifetime == STOOP_CONSTANT) weights = desc_->arenas[i].size;
  }
  size_t total = 0;
  CUDA_TRY(api_, message, memory_info, available, &total);
  if (needed <= *available) return STOOP_OK;
  return fail(message, STOOP_OUT_OF_MEMORY,
              "the program needs %llu bytes of GPU memory (%llu of them weights, %llu expected for the driver's code and "
              "graphs), and '%s' has %llu free of %llu; compile with a smaller --max-seq-len or --max-batch-size, or "
              "with --dtype bf16 if it is wider",
              static_cast<u64>(needed), static_cast<u64>(weights), static_cast<u64>(of_driver), name_,
              static_cast<u64>(*available), static_cast<u64>(total));
}

stoop_status CudaDevice::take_memory(Message& message) {
  STOOP_TRY(arenas_.create(*memory_, desc_->num_arenas, "the table of arenas", message));
  for (uint32_t i = 0; i < desc_->num_arenas; ++i) {
    const stoop_arena& arena = desc_->arenas[i];
    if (arena.lifetime == STOOP_IO) io_arena_ = i;
    if (arena.size == 0) continue;
    CUDA_TRY(api_, message, memory_allocate, &arenas_[i], arena.size);
    if (arena.lifetime != STOOP_CONSTANT) allocated_bytes_ += arena.size;
  }
  CUDA_TRY(api_, message, memory_allocate, &scratch_, desc_->scratch_bytes);
  allocated_bytes_ += desc_->scratch_bytes;
  CUDA_TRY(api_, message, fill, scratch_, 0, desc_->scratch_bytes, stream_);
  void* host = nullptr;
  CUDA_TRY(api_, message, host_allocate, &host, desc_->arenas[io_arena_].size, 0);
  staging_ = static_cast<unsigned char*>(host);
  const uint32_t rows = desc_->model.max_batch;
  const size_t pinned = sizeof(stoop_step) + 2 * rows * sizeof(stoop_gpu_state);
  CUDA_TRY(api_, message, host_allocate, &host, pinned, 0);
  memset(host, 0, pinned);
  step_ = static_cast<stoop_step*>(host);
  initial_ = reinterpret_cast<stoop_gpu_state*>(step_ + 1);
  states_ = initial_ + rows;
  return STOOP_OK;
}

// Two pinned buffers: one is filled from the file while the other one is on its way.
stoop_status CudaDevice::upload(const void* weights, stoop_progress_fn progress, void* user,
                                Message& message) {
  const uint64_t bytes = desc_->arenas[desc_->weights_arena].size;
  const uint64_t part = bytes < kUploadBytes ? bytes : kUploadBytes;
  if (bytes == 0) return STOOP_OK;
  if (progress) progress(user, "MiB uploaded", 0, bytes >> 20);
  void* buffers[2] = {};
  stoop_status status = STOOP_OK;
  for (void*& buffer : buffers)
    if (status == STOOP_OK)
      status = api_.check(api_.host_allocate(&buffer, part, 0), "host_allocate", message);
  for (uint64_t done = 0, i = 0; done < bytes && status == STOOP_OK; done += part, ++i) {
    const uint64_t count = bytes - done < part ? bytes - done : part;
    if (i >= 2) status = api_.check(api_.event_wait(events_[i % 2]), "event_wait", message);
    if (status != STOOP_OK) break;
    memcpy(buffers[i % 2], static_cast<const unsigned char*>(weights) + done, count);
    status = api_.check(api_.copy_to_device(arenas_[desc_->weights_arena] + done, buffers[i % 2],
                                            count, stream_),
                        "copy_to_device", message);
    if (status == STOOP_OK)
      status = api_.check(api_.event_record(events_[i % 2], stream_), "event_record", message);
    if (status == STOOP_OK && progress && progress(user, "MiB uploaded", (done + count) >> 20, bytes >> 20))
      status = fail(message, STOOP_CANCELLED, "stopped while uploading the weights");
  }
  Message ignored;
  stoop_status waited = api_.check(api_.stream_wait(stream_), "stream_wait",
                                   status == STOOP_OK ? message : ignored);
  if (status == STOOP_OK) status = waited;
  for (void* buffer : buffers) {
    if (!buffer) continue;
    stoop_status freed = api_.check(api_.host_free(buffer), "host_free", status == STOOP_OK ? message : ignored);
    if (status == STOOP_OK) status = freed;
  }
  return status;
}

void CudaDevice::unload_modules() {
  for (Kernel& kernel : kernels_) {
    if (kernel.owns_module) api_.module_unload(kernel.module);
    kernel = Kernel{};
  }
  if (sampling_module_) api_.module_unload(sampling_module_);
  sampling_module_ = nullptr;
}

void CudaDevice::unload() {
  if (!driver_) return;
  if (stream_) api_.stream_wait(stream_);
  for (void* graph : graphs_)
    if (graph) api_.graph_exec_destroy(graph);
  for (void* graph : generators_)
    if (graph) api_.graph_exec_destroy(graph);
  for (uint64_t address : arenas_)
    if (address) api_.memory_free(address);
  if (scratch_) api_.memory_free(scratch_);
  if (staging_) api_.host_free(staging_);
  if (step_) api_.host_free(step_);
  unload_modules();
  for (void* event : events_)
    if (event) api_.event_destroy(event);
  if (stream_) api_.stream_destroy(stream_);
  if (context_) api_.context_release(device_);
  driver_ = nullptr;
}

}  // namespace stoop::rt
