// A program on one GPU: its arenas, modules and one captured graph per entry.
// Invariant: everything is taken at load, as the plan says; a step is one graph launch and allocates nothing.
#ifndef STOOP_RUNTIME_DEVICE_CUDA_CUDA_DEVICE_H_
#define STOOP_RUNTIME_DEVICE_CUDA_CUDA_DEVICE_H_

#include "runtime/core/memory.h"
#include "runtime/device/cuda/driver.h"

namespace stoop::rt {

class CudaDevice {
 public:
  CudaDevice() = default;
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;
  ~CudaDevice() { unload(); }

  // Finds the driver and a GPU, picks the level, checks that the plan fits (what the driver is expected to take included),
  // takes all memory, uploads the weights, captures the entries. `progress` may be NULL; nonzero from it cancels.
  // STOOP_UNSUPPORTED: no driver, no GPU, no code for it. STOOP_OUT_OF_MEMORY: what is needed and free.
  stoop_status load(Memory& memory, const stoop_program_desc& program, const char* forced_level,
                    const void* weights, stoop_progress_fn progress, void* progress_user,
                    Message& message);
  void unload();
  bool is_loaded() const { return driver_ != nullptr; }

  // Host memory that mirrors the io arena: inputs are written there before a step, logits read after it.
  unsigned char* staging() const { return staging_; }
  const char* level() const { return level_; }
  // Arenas that are not constant + scratch: taken on the device.
  uint64_t allocated_bytes() const { return allocated_bytes_; }
  // By how much less of the device was free when the driver had loaded the modules, and when it had the graphs.
  uint64_t modules_taken() const { return modules_taken_; }
  uint64_t graphs_taken() const { return graphs_taken_; }

  // One step of the entry with that index; returns when its logits are in staging().
  stoop_status run(uint32_t entry, uint32_t num_rows, Message& message);

  // Generation without the host between tokens. begin() makes all rows idle, begin_row() says which token of which
  // sequence is next in a row, where, and how to choose; `history` [vocab] is NULL when no penalty needs it. After
  // begin_steps() for the first `rows` rows and a decode entry that holds them, each feed() queues one step; wait(n)
  // returns when the n-th one is done, and token(row, n) is what it chose (UINT32_MAX: no logit was a number). At most
  // kAhead steps may be queued beyond the last waited for.
  static constexpr uint32_t kAhead = 8;
  stoop_status begin(Message& message);
  stoop_status begin_row(uint32_t row, const stoop_gpu_state& initial, const uint32_t* history, Message& message);
  stoop_status begin_steps(uint32_t entry, uint32_t rows, Message& message);
  stoop_status feed(uint32_t entry, Message& message);
  stoop_status wait(uint32_t index, Message& message);
  uint32_t token(uint32_t row, uint32_t index) const;
  // Reads all weights, at least once, and does nothing else. No step may be under way.
  stoop_status read_weights(uint64_t* bytes_read, Message& message);
  uint64_t cache_bytes() const { return static_cast<uint64_t>(cache_bytes_); }

  // Waits for everything queued.
  stoop_status finish(Message& message);

 private:
  stoop_status find_gpu(Message& message);
  stoop_status check_memory(uint64_t of_driver, size_t* available, Message& message);
  stoop_status load_level(const char* forced, Message& message);
  stoop_status explain_level(const char* forced, bool is_refused, Message& message);
  stoop_status load_modules(uint32_t level, int* error, Message& message);
  stoop_status share_multiprocessor(void* function, Message& message);
  void unload_modules();
  stoop_status take_memory(Message& message);
  stoop_status upload(const void* weights, stoop_progress_fn progress, void* user, Message& message);
  stoop_status capture_entries(Message& message);
  stoop_status capture(const stoop_entry& entry, bool generates, void** executable, Message& message);
  stoop_status record(const stoop_entry& entry, bool generates, Message& message);
  stoop_status record_launch(const stoop_launch& launch, bool follows_kernel, Message& message);
  struct LaunchGrid {
    uint32_t x, y, z;
  };
  stoop_status start_kernel(void* function, const LaunchGrid& grid, uint32_t threads, uint32_t shared_bytes, void** parameters, bool early,
                      Message& message);
  stoop_status record_sampling(const stoop_entry& entry, bool is_begin, Message& message);
  uint64_t address(const stoop_slice& slice) const { return arenas_[slice.arena] + slice.offset; }
  unsigned char* mirror(const stoop_slice& slice) const { return staging_ + slice.offset; }

  struct Kernel {
    void* module;  // owned by the first kernel of equal code
    void* function;
    bool owns_module;
  };

  CudaDriver api_;
  CudaDriver* driver_ = nullptr;  // NULL: not loaded
  const stoop_program_desc* desc_ = nullptr;
  Memory* memory_ = nullptr;
  const char* level_ = nullptr;
  char name_[64] = "";
  int device_ = 0, capability_ = 0, cache_bytes_ = 0, shared_bytes_ = 0;
  void *context_ = nullptr, *stream_ = nullptr;
  void *sampling_module_ = nullptr, *begin_function_ = nullptr, *choose_function_ = nullptr, *read_function_ = nullptr;
  Array<Kernel> kernels_;
  int multiprocessors_ = 0;
  bool overlaps_ = false;     // kernels may start before the one in front has ended: code, driver and program know of it
  Array<uint64_t> arenas_;
  Array<void*> graphs_;       // per entry: feeds what is in staging
  Array<void*> generators_;   // per decode entry: feeds what the device chose; else NULL
  Array<uint64_t> arguments_; // of one launch
  Array<LaunchRange> ranges_;
  void* events_[kAhead] = {};
  uint64_t scratch_ = 0;      // step, states, histories, then the launches' scratch
  uint64_t allocated_bytes_ = 0, modules_taken_ = 0, graphs_taken_ = 0;
  uint32_t io_arena_ = 0, fed_ = 0;
  unsigned char* staging_ = nullptr;
  stoop_step* step_ = nullptr;         // pinned: the step, then max_batch states to begin with and as many of the last step
  stoop_gpu_state *initial_ = nullptr, *states_ = nullptr;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_DEVICE_CUDA_CUDA_DEVICE_H_
