// All memory of a context comes through here, is counted here and can be made to fail here.
// Invariant: memory is taken while loading or while an object is created, never in a step.
#ifndef STOOP_RUNTIME_CORE_MEMORY_H_
#define STOOP_RUNTIME_CORE_MEMORY_H_

#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "runtime/core/status.h"

namespace stoop::rt {

// A memory source with counters. Not copyable: arrays keep a pointer to theirs.
class Memory {
 public:
  // `hooks` NULL: mmap and aligned_alloc; else copied, NULL members are the system's.
  explicit Memory(const stoop_allocator* hooks);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Zeroed page-aligned memory for an arena named `what`, counted in planned_bytes().
  stoop_status map(uint64_t bytes, const char* what, void** out, Message& message);
  void unmap(void* address, uint64_t bytes);

  // 64-byte aligned zeroed memory for the runtime's own tables, counted in host_bytes().
  stoop_status allocate(uint64_t bytes, const char* what, void** out, Message& message);
  void release(void* address, uint64_t bytes);

  // Whether map() is the system's: then its pages may be protected.
  bool maps_are_system() const;

  // Bytes handed out by map() and not unmapped, as asked for (no rounding to pages).
  uint64_t mapped_bytes() const { return mapped_bytes_; }
  uint64_t host_bytes() const { return host_bytes_; }
  // Calls of map() that succeeded: one per arena and one each for the scratch and the stacks of all threads.
  uint64_t maps() const { return maps_; }
  const stoop_allocator& hooks() const { return hooks_; }

 private:
  stoop_allocator hooks_;
  uint64_t mapped_bytes_ = 0, host_bytes_ = 0, maps_ = 0;
};

// A fixed-size zeroed array of trivial elements; empty until `create`.
template <typename T>
class Array {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  Array() = default;
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { reset(); }

  // Takes memory for `size` zeroed elements; `what` names them in the message.
  stoop_status create(Memory& memory, uint64_t size, const char* what, Message& message) {
    reset();
    if (size == 0) return STOOP_OK;
    void* address = nullptr;
    STOOP_TRY(memory.allocate(size * sizeof(T), what, &address, message));
    memory_ = &memory;
    data_ = static_cast<T*>(address);
    size_ = size;
    return STOOP_OK;
  }
  void reset() {
    if (data_) memory_->release(data_, size_ * sizeof(T));
    data_ = nullptr;
    size_ = 0;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  uint64_t size() const { return size_; }
  T& operator[](uint64_t i) { return data_[i]; }
  const T& operator[](uint64_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

 private:
  Memory* memory_ = nullptr;
  T* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_CORE_MEMORY_H_
