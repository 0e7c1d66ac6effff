// The system's memory source and the counting around any source.
#include "runtime/core/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

namespace stoop::rt {
namespace {

void* system_map(void*, size_t bytes) {
  void* address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

void system_unmap(void*, void* address, size_t bytes) { munmap(address, bytes); }

void* system_allocate(void*, size_t bytes) {
  return aligned_alloc(64, (bytes + 63) & ~size_t{63});
}

void system_release(void*, void* address) { free(address); }

}  // namespace

Memory::Memory(const stoop_allocator* hooks) : hooks_{} {
  if (hooks) hooks_ = *hooks;
  if (!hooks_.map || !hooks_.unmap) {
    hooks_.map = system_map;
    hooks_.unmap = system_unmap;
  }
  if (!hooks_.allocate || !hooks_.release) {
    hooks_.allocate = system_allocate;
    hooks_.release = system_release;
  }
}

bool Memory::maps_are_system() const { return hooks_.map == system_map; }

stoop_status Memory::map(uint64_t bytes, const char* what, void** out, Message& message) {
  *out = bytes ? hooks_.map(hooks_.user, bytes) : nullptr;
  if (bytes && !*out) {
    return fail(message, STOOP_OUT_OF_MEMORY, "out of memory: %s needs %llu bytes", what,
                static_cast<unsigned long long>(bytes));
  }
  mapped_bytes_ += bytes;
  maps_ += bytes != 0;
  return STOOP_OK;
}

void Memory::unmap(void* address, uint64_t bytes) {
  if (!address) return;
  hooks_.unmap(hooks_.user, address, bytes);
  mapped_bytes_ -= bytes;
}

stoop_status Memory::allocate(uint64_t bytes, const char* what, void** out, Message& message) {
  *out = hooks_.allocate(hooks_.user, bytes);
  if (!*out) {
    return fail(message, STOOP_OUT_OF_MEMORY, "out of memory: %s needs %llu bytes", what,
                static_cast<unsigned long long>(bytes));
  }
  memset(*out, 0, bytes);
  host_bytes_ += bytes;
  return STOOP_OK;
}

void Memory::release(void* address, uint64_t bytes) {
  if (!address) return;
  hooks_.release(hooks_.user, address);
  host_bytes_ -= bytes;
}

}  // namespace stoop::rt
