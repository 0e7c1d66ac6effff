// Bookkeeping of KV cache slots.
#include "runtime/kv/slot_table.h"

namespace stoop::rt {

stoop_status SlotTable::create(Memory& memory, uint32_t slots, uint32_t max_positions,
                               Message& message) {
  max_positions_ = max_positions;
  return slots_.create(memory, slots, "the table of sequences", message);
}

stoop_status SlotTable::acquire(int32_t* slot, Message& message) {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].taken) continue;
    slots_[i] = Slot{0, true};
    *slot = static_cast<int32_t>(i);
    return STOOP_OK;
  }
  return fail(message, STOOP_CONTEXT_FULL,
              "all %u sequences that the program was compiled for are in use (--max-batch-size)",
              num_slots());
}

void SlotTable::release(int32_t slot) { slots_[static_cast<uint32_t>(slot)] = Slot{0, false}; }

}  // namespace stoop::rt
