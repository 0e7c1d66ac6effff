// Takes the plan's memory and resolves entries to addresses. The checks of the descriptor are in
// program_check.cc.
#include "runtime/core/program.h"

#include <cstdio>

namespace stoop::rt {

stoop_status Program::load(Memory& memory, const stoop_program_desc& program, uint32_t level,
                           uint32_t threads, const void* weights, uint64_t weights_bytes,
                           Message& message) {
  memory_ = &memory;
  desc_ = &program;
  scratch_stride_ = (program.scratch_bytes + 63) & ~uint64_t{63};
  scratch_bytes_ = scratch_stride_ * threads;
  stacks_bytes_ = program.stack_bytes * (threads - 1);
  planned_bytes_ = scratch_bytes_ + stacks_bytes_;
  for (uint32_t i = 0; i < program.num_arenas; ++i)
    if (program.arenas[i].lifetime != STOOP_CONSTANT) planned_bytes_ += program.arenas[i].size;

  STOOP_TRY(map_arenas(weights, weights_bytes, message));
  void* scratch = nullptr;
  STOOP_TRY(memory.map(scratch_bytes_, "the scratch of all threads", &scratch, message));
  scratch_ = static_cast<unsigned char*>(scratch);
  STOOP_TRY(memory.map(stacks_bytes_, "the stacks of all threads", &stacks_, message));
  if (memory.mapped_bytes() != planned_bytes_) {
    return fail(message, STOOP_INTERNAL, "allocated %llu bytes, but the plan says %llu",
                static_cast<unsigned long long>(memory.mapped_bytes()),
                static_cast<unsigned long long>(planned_bytes_));
  }
  return resolve_entries(level, message);
}

stoop_status Program::load_mirrored(Memory& memory, const stoop_program_desc& program,
                                    unsigned char* mirror, Message& message) {
  memory_ = &memory;
  desc_ = &program;
  planned_bytes_ = program.scratch_bytes;
  STOOP_TRY(arenas_.create(memory, program.num_arenas, "the table of arenas", message));
  for (uint32_t i = 0; i < program.num_arenas; ++i) {
    if (program.arenas[i].lifetime != STOOP_CONSTANT) planned_bytes_ += program.arenas[i].size;
    if (program.arenas[i].lifetime == STOOP_IO) arenas_[i] = mirror;
  }
  return resolve_entries(0, message);
}

stoop_status Program::map_arenas(const void* weights, uint64_t weights_bytes, Message& message) {
  STOOP_TRY(arenas_.create(*memory_, desc_->num_arenas, "the table of arenas", message));
  for (uint32_t i = 0; i < desc_->num_arenas; ++i) {
    const stoop_arena& arena = desc_->arenas[i];
    if (arena.lifetime == STOOP_CONSTANT) {
      if (i != desc_->weights_arena || weights_bytes < arena.size) {
        return fail(message, STOOP_BAD_PROGRAM,
                    "the payload has %llu bytes of weights, but arena '%s' needs %llu",
                    static_cast<unsigned long long>(weights_bytes), arena.name,
                    static_cast<unsigned long long>(arena.size));
      }
      // Kernels read it only; the pages are mapped without write permission.
      arenas_[i] = static_cast<unsigned char*>(const_cast<void*>(weights));
      continue;
    }
    char what[96];
    snprintf(what, sizeof what, "arena '%s'", arena.name);
    void* base = nullptr;
    STOOP_TRY(memory_->map(arena.size, what, &base, message));
    arenas_[i] = static_cast<unsigned char*>(base);
  }
  return STOOP_OK;
}

stoop_status Program::resolve_entries(uint32_t level, Message& message) {
  uint64_t num_launches = 0, num_buffers = 0;
  for (uint32_t i = 0; i < desc_->num_entries; ++i) {
    const stoop_entry& entry = desc_->entries[i];
    if (desc_->gpu) continue;  // launches are the device's
    num_launches += entry.num_launches;
    for (uint32_t j = 0; j < entry.num_launches; ++j) num_buffers += entry.launches[j].num_buffers;
  }
  STOOP_TRY(entries_.create(*memory_, desc_->num_entries, "the table of entries", message));
  STOOP_TRY(launches_.create(*memory_, num_launches, "the table of launches", message));
  STOOP_TRY(buffers_.create(*memory_, num_buffers, "the table of buffers", message));

  Launch* launch = launches_.data();
  void** buffer = buffers_.data();
  for (uint32_t i = 0; i < desc_->num_entries; ++i) {
    const stoop_entry& desc = desc_->entries[i];
    entries_[i] = Entry{&desc,
                        desc.rows,
                        desc.num_launches,
                        launch,
                        reinterpret_cast<int32_t*>(address(desc.tokens)),
                        reinterpret_cast<int32_t*>(address(desc.positions)),
                        reinterpret_cast<int32_t*>(address(desc.slots)),
                        reinterpret_cast<const float*>(address(desc.logits)),
                        desc.maxima.size ? reinterpret_cast<const float*>(address(desc.maxima)) : nullptr};
    for (uint32_t j = 0; j < desc.num_launches && !desc_->gpu; ++j, ++launch) {
      const stoop_launch& from = desc.launches[j];
      *launch = Launch{desc_->kernels[from.kernel].functions[level], buffer};
      for (uint32_t k = 0; k < from.num_buffers; ++k) *buffer++ = address(from.buffers[k]);
    }
  }
  return STOOP_OK;
}

void Program::unload() {
  if (!desc_) return;
  for (uint64_t i = 0; i < arenas_.size() && !desc_->gpu; ++i) {
    if (desc_->arenas[i].lifetime != STOOP_CONSTANT)
      memory_->unmap(arenas_[i], desc_->arenas[i].size);
  }
  memory_->unmap(scratch_, scratch_bytes_);
  memory_->unmap(stacks_, stacks_bytes_);
  scratch_ = nullptr;
  stacks_ = nullptr;
  arenas_.reset();
  entries_.reset();
  launches_.reset();
  buffers_.reset();
  desc_ = nullptr;
}

const Entry* Program::find_entry(uint32_t kind, uint32_t rows) const {
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.desc->kind != kind) continue;
    if (!best) {
      best = &entry;
      continue;
    }
    bool best_fits = best->rows >= rows, fits = entry.rows >= rows;
    bool better = fits ? (!best_fits || entry.rows < best->rows)
                       : (!best_fits && entry.rows > best->rows);
    if (better) best = &entry;
  }
  return best;
}

}  // namespace stoop::rt
