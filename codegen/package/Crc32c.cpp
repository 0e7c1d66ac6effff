//===- Crc32c.cpp - Checksum of payload blocks ----------------------------===//
//
// Two implementations of one function: the SSE4.2 instruction eight bytes at a
// time, and a byte table for hosts without it. Both give the same value.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Crc32c.h"

#include <array>
#include <cstring>
#include <nmmintrin.h>

namespace stoop::codegen {

__attribute__((target("sse4.2"))) static uint32_t crcHardware(const uint8_t *data, size_t size) {
  uint64_t crc = 0xffffffffu;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  uint32_t tail = static_cast<uint32_t>(crc);
  for (; size; ++data, --size)
    tail = _mm_crc32_u8(tail, *data);
  return ~tail;
}

static constexpr std::array<uint32_t, 256> makeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u); // the polynomial, bit-reversed
    table[byte] = crc;
  }
  return table;
}

static uint32_t crcTable(const uint8_t *data, size_t size) {
  static constexpr std::array<uint32_t, 256> table = makeTable();
  uint32_t crc = 0xffffffffu;
  for (; size; ++data, --size)
    crc = (crc >> 8) ^ table[(crc ^ *data) & 0xff];
  return ~crc;
}

uint32_t crc32c(const void *data, size_t size) {
  const auto *bytes = static_cast<const uint8_t *>(data);
  return __builtin_cpu_supports("sse4.2") ? crcHardware(bytes, size) : crcTable(bytes, size);
}

} // namespace stoop::codegen
