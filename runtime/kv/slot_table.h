// Which sequences of the KV cache are taken and how many tokens each holds.
// Invariant: length(slot) never exceeds max_positions; a free slot has length 0.
#ifndef STOOP_RUNTIME_KV_SLOT_TABLE_H_
#define STOOP_RUNTIME_KV_SLOT_TABLE_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

class SlotTable {
 public:
  // `slots`: sequences in the cache; `max_positions`: tokens of one.
  stoop_status create(Memory& memory, uint32_t slots, uint32_t max_positions, Message& message);

  // Takes the lowest free slot; STOOP_CONTEXT_FULL when all are taken.
  stoop_status acquire(int32_t* slot, Message& message);
  void release(int32_t slot);

  uint32_t length(int32_t slot) const { return slots_[static_cast<uint32_t>(slot)].length; }
  uint32_t room(int32_t slot) const { return max_positions_ - length(slot); }
  // Tokens were written behind the present ones; the caller has checked room().
  void extend(int32_t slot, uint32_t tokens) { slots_[static_cast<uint32_t>(slot)].length += tokens; }
  void truncate(int32_t slot, uint32_t length) { slots_[static_cast<uint32_t>(slot)].length = length; }
  uint32_t max_positions() const { return max_positions_; }
  uint32_t num_slots() const { return static_cast<uint32_t>(slots_.size()); }

 private:
  struct Slot {
    uint32_t length;
    bool taken;
  };
  Array<Slot> slots_;
  uint32_t max_positions_ = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_KV_SLOT_TABLE_H_
