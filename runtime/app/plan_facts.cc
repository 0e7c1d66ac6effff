// Facts computed from the descriptor.
#include "runtime/app/plan_facts.h"

#include <map>
#include <string_view>

namespace stoop::app {

double kv_bytes_per_token(const stoop_program_desc& program) {
  double bytes = 0;
  for (uint32_t i = 0; i < program.num_arenas; ++i)
    if (program.arenas[i].lifetime == STOOP_PERSISTENT)
      bytes += static_cast<double>(program.arenas[i].size);
  return bytes / program.model.max_positions / program.model.max_batch;
}

uint64_t constant_bytes_read(const stoop_program_desc& program, const stoop_entry& entry) {
  std::map<uint64_t, uint64_t> slices;  // offset -> bytes
  for (uint32_t i = 0; i < entry.num_launches; ++i) {
    const stoop_launch& launch = entry.launches[i];
    std::string_view kernel = program.kernels[launch.kernel].name;
    if (kernel.find("embedding") != std::string_view::npos) continue;
    for (uint32_t j = 0; j < launch.num_buffers; ++j) {
      const stoop_slice& slice = launch.buffers[j];
      if (program.arenas[slice.arena].lifetime != STOOP_CONSTANT) continue;
      uint64_t& bytes = slices[slice.offset];
      if (slice.size > bytes) bytes = slice.size;
    }
  }
  uint64_t total = 0;
  for (const auto& [offset, bytes] : slices) total += bytes;
  return total;
}

const stoop_entry* find_entry(const stoop_program_desc& program, uint32_t kind, uint64_t rows) {
  const stoop_entry* best = nullptr;
  for (uint32_t i = 0; i < program.num_entries; ++i) {
    const stoop_entry& entry = program.entries[i];
    if (entry.kind != kind) continue;
    bool fits = entry.rows >= rows, best_fits = best && best->rows >= rows;
    if (!best || (fits ? !best_fits || entry.rows < best->rows : !best_fits && entry.rows > best->rows))
      best = &entry;
  }
  return best;
}

const char* lifetime_name(uint32_t lifetime) {
  static const char* const names[] = {"constant", "persistent", "transient", "io"};
  return lifetime < 4 ? names[lifetime] : "unknown";
}

const char* entry_kind_name(uint32_t kind) {
  static const char* const names[] = {"decode", "prefill", "score"};
  return kind < 3 ? names[kind] : "unknown";
}

}  // namespace stoop::app
