// Captured graphs: what a step is, and the loop that keeps the GPU busy while the host reads tokens.
#include <cstring>

#include "runtime/device/cuda/cuda_device.h"

namespace stoop::rt {
namespace {

constexpr uint64_t kStepOffset = 0, kStatesOffset = STOOP_GPU_STATES_OFFSET;
constexpr int kCaptureThreadLocal = 1;

}  // namespace

stoop_status CudaDevice::capture_entries(Message& message) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < desc_->num_kernels; ++i)
    if (desc_->gpu->kernels[i].num_operands > most) most = desc_->gpu->kernels[i].num_operands;
  CUDA_TRY(api_, message, device_attribute, &multiprocessors_, kCudaMultiprocessors, device_);
  STOOP_TRY(arguments_.create(*memory_, most + 2, "a launch's arguments", message));
  STOOP_TRY(ranges_.create(*memory_, most + 2, "a launch's ranges", message));
  STOOP_TRY(graphs_.create(*memory_, desc_->num_entries, "the table of graphs", message));
  STOOP_TRY(generators_.create(*memory_, desc_->num_entries, "the table of graphs", message));
  for (uint32_t i = 0; i < desc_->num_entries; ++i) {
    const stoop_entry& entry = desc_->entries[i];
    STOOP_TRY(capture(entry, false, &graphs_[i], message));
    if (entry.kind == STOOP_ENTRY_DECODE) STOOP_TRY(capture(entry, true, &generators_[i], message));
  }
  return STOOP_OK;
}

stoop_status CudaDevice::capture(const stoop_entry& entry, bool generates, void** executable,
                                 Message& message) {
  CUDA_TRY(api_, message, capture_begin, stream_, kCaptureThreadLocal);
  stoop_status status = record(entry, generates, message);
  void* graph = nullptr;
  // A capture that failed has to be ended all the same; the first message counts.
  Message ignored;
  stoop_status ended = api_.check(api_.capture_end(stream_, &graph), "capture_end",
                                  status == STOOP_OK ? message : ignored);
  if (status == STOOP_OK) status = ended;
  if (status == STOOP_OK)
    status = api_.check(api_.graph_instantiate(executable, graph, 0), "graph_instantiate", message);
  // What a graph takes on the device is taken now, not by the first step.
  if (status == STOOP_OK) status = api_.check(api_.graph_upload(*executable, stream_), "graph_upload", message);
  if (!graph) return status;
  stoop_status destroyed = api_.check(api_.graph_destroy(graph), "graph_destroy",
                                      status == STOOP_OK ? message : ignored);
  return status == STOOP_OK ? destroyed : status;
}

stoop_status CudaDevice::record(const stoop_entry& entry, bool generates, Message& message) {
  if (generates) {
    STOOP_TRY(record_sampling(entry, true, message));
  } else {
    CUDA_TRY(api_, message, copy_to_device, scratch_ + kStepOffset, step_, sizeof(stoop_step), stream_);
    for (const stoop_slice* slice : {&entry.tokens, &entry.positions, &entry.slots})
      CUDA_TRY(api_, message, copy_to_device, address(*slice), mirror(*slice), slice->size, stream_);
  }
  // What follows a copy has to wait for all of it; what follows a kernel may wait by itself.
  for (uint32_t i = 0; i < entry.num_launches; ++i)
    STOOP_TRY(record_launch(entry.launches[i], generates || i > 0, message));
  if (generates) {
    STOOP_TRY(record_sampling(entry, false, message));
    CUDA_TRY(api_, message, copy_to_host, states_, scratch_ + kStatesOffset, entry.rows * sizeof(stoop_gpu_state), stream_);
  } else {
    for (const stoop_slice* slice : {&entry.logits, &entry.maxima})
      if (slice->size)
        CUDA_TRY(api_, message, copy_to_host, mirror(*slice), address(*slice), slice->size, stream_);
  }
  return STOOP_OK;
}

// Launches a kernel with threads in one dimension; `early`: before the kernel in front of it in the stream has ended.
stoop_status CudaDevice::start_kernel(void* function, const LaunchGrid& grid, uint32_t threads, uint32_t shared_bytes, void** parameters,
                                      bool early, Message& message) {
  LaunchAttribute attribute{kCudaStartsEarly, {}, {1}};
  const LaunchConfig config{{grid.x, grid.y, grid.z}, {threads, 1, 1}, shared_bytes, stream_, &attribute, early ? 1u : 0u};
  return api_.check(api_.launch_with(&config, function, parameters, nullptr), "launch_with", message);
}

stoop_status CudaDevice::record_launch(const stoop_launch& launch, bool follows_kernel, Message& message) {
  const stoop_gpu_kernel& kernel = desc_->gpu->kernels[launch.kernel];
  const uint64_t front = stoop_gpu_launch_scratch_offset(desc_->model.max_batch, desc_->model.vocab), scratch = scratch_ + front,
                 scratch_bytes = desc_->scratch_bytes - front;
  arguments_[0] = scratch_ + kStepOffset;
  arguments_[1] = scratch;
  ranges_[0] = {arguments_[0], sizeof(stoop_step), 1, "step"};
  ranges_[1] = {scratch, scratch_bytes, 3, "scratch"};
  for (uint32_t i = 0; i < launch.num_buffers; ++i) {
    arguments_[2 + i] = address(launch.buffers[i]);
    ranges_[2 + i] = {arguments_[2 + i], launch.buffers[i].size, kernel.access[i], launch.location};
  }
  void* parameters[] = {arguments_.data()};
  if (api_.next_launch) api_.next_launch(ranges_.data(), launch.num_buffers + 2);
  const bool is_streaming = kernel.grid[1] == 0;
  const uint32_t blocks = is_streaming && static_cast<uint32_t>(multiprocessors_) < kernel.grid[0]
                              ? static_cast<uint32_t>(multiprocessors_)
                              : kernel.grid[0];
  const bool early = follows_kernel && overlaps_ && desc_->gpu->starts_early[launch.kernel];
  return start_kernel(kernels_[launch.kernel].function, {blocks, is_streaming ? 1 : kernel.grid[1], kernel.grid[2]},
                      kernel.threads, kernel.shared_bytes, parameters, early, message);
}

// The kernel in front of a generating step, or the one behind it, which takes a block a row.
stoop_status CudaDevice::record_sampling(const stoop_entry& entry, bool is_begin, Message& message) {
  uint64_t states = scratch_ + kStatesOffset, step = scratch_ + kStepOffset,
           histories = scratch_ + stoop_gpu_histories_offset(desc_->model.max_batch);
  uint64_t tokens = address(entry.tokens), positions = address(entry.positions),
           slots = address(entry.slots), logits = address(entry.logits),
           maxima = entry.maxima.size ? address(entry.maxima) : 0;
  uint32_t rows = entry.rows, vocab = desc_->model.vocab, ids = desc_->model.num_token_ids;
  const uint64_t states_bytes = rows * sizeof(stoop_gpu_state);
  LaunchRange begin_ranges[] = {{states, states_bytes, 1, "states"},
                                {tokens, entry.tokens.size, 2, "tokens"},
                                {positions, entry.positions.size, 2, "positions"},
                                {slots, entry.slots.size, 2, "slots"},
                                {step, sizeof(stoop_step), 2, "step"}};
  LaunchRange choose_ranges[] = {{states, states_bytes, 3, "states"},
                                 {histories, uint64_t{rows} * vocab * sizeof(uint32_t), 3, "histories"},
                                 {logits, entry.logits.size, 1, "logits"},
                                 {maxima, entry.maxima.size, 1, "maxima"}};
  void* begin_parameters[] = {&states, &tokens, &positions, &slots, &rows, &step};
  void* choose_parameters[] = {&logits, &maxima, &vocab, &ids, &states, &histories};
  if (api_.next_launch) {
    is_begin ? api_.next_launch(begin_ranges, sizeof begin_ranges / sizeof *begin_ranges)
             : api_.next_launch(choose_ranges, maxima ? 4 : 3);
  }
  if (is_begin) return start_kernel(begin_function_, {1, 1, 1}, 256, 0, begin_parameters, false, message);
  return start_kernel(choose_function_, {rows, 1, 1}, 512, 0, choose_parameters, overlaps_, message);
}

stoop_status CudaDevice::run(uint32_t entry, uint32_t num_rows, Message& message) {
  step_->num_rows = num_rows;
  CUDA_TRY(api_, message, context_set, context_);
  CUDA_TRY(api_, message, graph_launch, graphs_[entry], stream_);
  CUDA_TRY(api_, message, stream_wait, stream_);
  return STOOP_OK;
}

stoop_status CudaDevice::begin(Message& message) {
  CUDA_TRY(api_, message, context_set, context_);
  CUDA_TRY(api_, message, stream_wait, stream_);
  for (uint32_t row = 0; row < desc_->model.max_batch; ++row) {
    initial_[row] = stoop_gpu_state{};
    initial_[row].slot = -1;
  }
  fed_ = 0;
  return STOOP_OK;
}

stoop_status CudaDevice::begin_row(uint32_t row, const stoop_gpu_state& initial, const uint32_t* history,
                                   Message& message) {
  initial_[row] = initial;
  if (!history) return STOOP_OK;
  const uint64_t bytes = desc_->model.vocab * sizeof *history;
  const uint64_t to = scratch_ + stoop_gpu_histories_offset(desc_->model.max_batch) + row * bytes;
  CUDA_TRY(api_, message, copy_to_device, to, history, bytes, stream_);
  return STOOP_OK;
}

stoop_status CudaDevice::begin_steps(uint32_t entry, uint32_t rows, Message& message) {
  const uint32_t most = desc_->entries[entry].rows;
  if (rows > most)
    return fail(message, STOOP_INTERNAL, "entry '%s' has %u rows, not %u", desc_->entries[entry].name, most, rows);
  CUDA_TRY(api_, message, copy_to_device, scratch_ + kStatesOffset, initial_, most * sizeof *initial_, stream_);
  // The host goes on with its histories and states while the device does.
  CUDA_TRY(api_, message, stream_wait, stream_);
  return STOOP_OK;
}

stoop_status CudaDevice::feed(uint32_t entry, Message& message) {
  CUDA_TRY(api_, message, graph_launch, generators_[entry], stream_);
  CUDA_TRY(api_, message, event_record, events_[fed_++ % kAhead], stream_);
  return STOOP_OK;
}

stoop_status CudaDevice::wait(uint32_t index, Message& message) {
  CUDA_TRY(api_, message, event_wait, events_[index % kAhead]);
  return STOOP_OK;
}

uint32_t CudaDevice::token(uint32_t row, uint32_t index) const {
  // Later steps overwrite other places of the ring.
  return __atomic_load_n(&states_[row].ring[index % 64], __ATOMIC_ACQUIRE);
}

stoop_status CudaDevice::read_weights(uint64_t* bytes_read, Message& message) {
  const uint64_t bytes = desc_->arenas[desc_->weights_arena].size;
  uint64_t weights = arenas_[desc_->weights_arena], count = bytes / 16, sink = arenas_[io_arena_];
  if (count == 0) return fail(message, STOOP_INVALID_ARGUMENT, "the program has no weights to read");
  // Small weights a few times, so that starting and waiting stay a small part.
  const uint64_t most = 8, wanted = (uint64_t{4} << 30) / bytes + 1, passes = wanted < most ? wanted : most;
  CUDA_TRY(api_, message, context_set, context_);
  void* parameters[] = {&weights, &count, &sink};
  LaunchRange ranges[] = {{weights, bytes, 1, "weights"}, {sink, sizeof(uint32_t), 2, "sink"}};
  for (uint64_t pass = 0; pass < passes; ++pass) {
    if (api_.next_launch) api_.next_launch(ranges, sizeof ranges / sizeof *ranges);
    CUDA_TRY(api_, message, launch, read_function_, 8 * static_cast<unsigned>(multiprocessors_), 1, 1, 256, 1, 1, 0,
             stream_, parameters, nullptr);
  }
  CUDA_TRY(api_, message, stream_wait, stream_);
  *bytes_read = passes * count * 16;
  return STOOP_OK;
}

stoop_status CudaDevice::finish(Message& message) {
  CUDA_TRY(api_, message, stream_wait, stream_);
  return STOOP_OK;
}

}  // namespace stoop::rt
