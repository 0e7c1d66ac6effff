// CRC-32C (Castagnoli, reflected, initial and final complement; "123456789" -> 0xe3069283).
#ifndef STOOP_RUNTIME_CORE_CRC32C_H_
#define STOOP_RUNTIME_CORE_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace stoop::rt {

// Checksum of one range, by the CPU's instruction where it exists.
uint32_t crc32c(const void* data, size_t bytes);

// Checksums of four ranges of equal length at once: the instruction has a latency of three cycles
// and a throughput of one, so four independent streams run at the speed of memory.
void crc32c_4(const void* const data[4], size_t bytes, uint32_t out[4]);

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_CORE_CRC32C_H_
