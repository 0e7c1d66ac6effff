// CRC-32C by SSE4.2 with a table-driven version for CPUs without it; the choice is made per call,
// which costs one CPUID per megabyte and needs no global state.
#include "runtime/core/crc32c.h"

#include <cpuid.h>
#include <nmmintrin.h>

#include <cstring>

namespace stoop::rt {
namespace {

struct Table {
  uint32_t entry[256];
};

constexpr Table make_table() {
  Table table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u);
    table.entry[i] = crc;
  }
  return table;
}
constexpr Table kTable = make_table();

bool has_sse42() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}

uint32_t software(const uint8_t* data, size_t bytes) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ kTable.entry[(crc ^ data[i]) & 0xff];
  return ~crc;
}

uint64_t load64(const uint8_t* data) {
  uint64_t value;
  memcpy(&value, data, sizeof value);
  return value;
}

__attribute__((target("sse4.2"))) uint32_t hardware(const uint8_t* data, size_t bytes) {
  uint64_t crc = 0xffffffffu;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) crc = _mm_crc32_u64(crc, load64(data + i));
  uint32_t tail = static_cast<uint32_t>(crc);
  for (; i < bytes; ++i) tail = _mm_crc32_u8(tail, data[i]);
  return ~tail;
}

__attribute__((target("sse4.2"))) void hardware_4(const uint8_t* const data[4], size_t bytes,
                                                  uint32_t out[4]) {
  uint64_t a = 0xffffffffu, b = a, c = a, d = a;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    a = _mm_crc32_u64(a, load64(data[0] + i));
    b = _mm_crc32_u64(b, load64(data[1] + i));
    c = _mm_crc32_u64(c, load64(data[2] + i));
    d = _mm_crc32_u64(d, load64(data[3] + i));
  }
  uint32_t crc[4] = {static_cast<uint32_t>(a), static_cast<uint32_t>(b), static_cast<uint32_t>(c),
                     static_cast<uint32_t>(d)};
  for (int stream = 0; stream < 4; ++stream) {
    for (size_t j = i; j < bytes; ++j) crc[stream] = _mm_crc32_u8(crc[stream], data[stream][j]);
    out[stream] = ~crc[stream];
  }
}

}  // namespace

uint32_t crc32c(const void* data, size_t bytes) {
  const uint8_t* first = static_cast<const uint8_t*>(data);
  return has_sse42() ? hardware(first, bytes) : software(first, bytes);
}

void crc32c_4(const void* const data[4], size_t bytes, uint32_t out[4]) {
  const uint8_t* first[4];
  for (int i = 0; i < 4; ++i) first[i] = static_cast<const uint8_t*>(data[i]);
  if (has_sse42()) return hardware_4(first, bytes, out);
  for (int i = 0; i < 4; ++i) out[i] = software(first[i], bytes);
}

}  // namespace stoop::rt
