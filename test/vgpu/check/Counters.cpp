// Arithmetic of sectors and banks as the CUDA programming guide describes them: 32-byte sectors, 32 banks of 4 bytes; wide
// accesses go by halves or quarters of a warp, which is the fewest turns that can move their bytes.
#include "test/vgpu/check/Counters.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace vgpu {
void OpCounts::addGlobal(const u64 *addresses, u32 mask, u32 count, bool isAhead, bool isUntriggered) {
  const u64 bytesBefore = bytes;
  std::array<u64, 32> order;
  size_t lanes = 0;
  for (u32 m = mask; m; m &= m - 1)
    order[lanes++] = addresses[__builtin_ctz(m)];
  std::sort(order.begin(), order.begin() + lanes);
  u64 endOfBytes = 0, endOfSectors = 0;
  for (size_t i = 0; i < lanes; ++i) {
    const u64 first = order[i], last = first + count;
    bytes += last - std::min(last, std::max(first, endOfBytes));
    endOfBytes = std::max(endOfBytes, last);
    const u64 sector = std::max(first / 32, endOfSectors), behind = (last + 31) / 32;
    sectors += behind - std::min(behind, sector);
    endOfSectors = std::max(endOfSectors, behind);
  }
  bytesAhead += isAhead ? bytes - bytesBefore : 0;
  bytesUntriggered += isUntriggered ? bytes - bytesBefore : 0;
  ++requests;
}

void OpCounts::addShared(const u32 *offsets, u32 mask, u32 count) {
  const u32 lanesPerPass = count <= 4 ? 32 : 128 / count;
  ++requests;
  for (u32 first = 0; first < 32; first += lanesPerPass) {
    std::array<u32, 32> words[32] = {}; // of each bank: distinct words, from 1
    std::array<u32, 32> used = {};
    u32 most = 0;
    for (u32 l = first; l < std::min(32u, first + lanesPerPass); ++l) {
      if (!(mask >> l & 1))
        continue;
      for (u32 word = offsets[l] / 4; word <= (offsets[l] + count - 1) / 4; ++word) {
        auto &bank = words[word % 32];
        u32 &numWords = used[word % 32];
        if (std::find(bank.begin(), bank.begin() + numWords, word) == bank.begin() + numWords)
          bank[numWords++] = word;
        most = std::max(most, numWords);
      }
    }
    passes += most;
    leastPasses += most != 0;
  }
}

Counters::Counters() {
  const char *file = getenv("STOOP_VGPU_COVERAGE");
  if (!file || !*file)
    return;
  isOn = true;
  atexit([] {
    if (FILE *out = fopen(getenv("STOOP_VGPU_COVERAGE"), "a")) {
      const std::string text = Counters::get().text();
      fwrite(text.data(), 1, text.size(), out);
      fclose(out);
    }
  });
}

Counters &Counters::get() {
  static Counters *counters = new Counters(); // outlives what other libraries do at the end of the process
  return *counters;
}

std::shared_ptr<ProgramCounts> Counters::add(const Program &program) {
  if (!isOn)
    return nullptr;
  Entry entry{program.module, program.name, {}, std::make_shared<ProgramCounts>(program.ops.size())};
  for (const Op &op : program.ops)
    entry.instructions.push_back(op.source);
  entries.push_back(std::move(entry));
  return entries.back().counts;
}

std::string Counters::text() const {
  std::string result;
  for (const Entry &entry : entries)
    for (size_t i = 0; i < entry.instructions.size(); ++i) {
      const OpCounts &c = (*entry.counts)[i];
      if (!c.executed)
        continue;
      const Instruction &inst = *entry.instructions[i];
      result += "op " + entry.kernel + " " + std::to_string(inst.line) + " " + inst.opcode;
      for (u64 value : {c.executed, c.requests, c.bytes, c.sectors, c.passes, c.leastPasses, c.bytesAhead, c.bytesUntriggered})
        result += " " + std::to_string(value);
      result += "\n";
    }
  for (const auto &[name, count] : calls)
    result += "call " + name + " " + std::to_string(count) + "\n";
  return result;
}

void Counters::clear() {
  entries.clear();
  calls.clear();
}
} // namespace vgpu
