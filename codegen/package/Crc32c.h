//===- Crc32c.h - Checksum of payload blocks --------------------*- C++ -*-===//
//
// CRC-32C (Castagnoli, as in iSCSI: initial value and final xor all ones), the
// checksum that the runtime verifies with the SSE4.2 instruction. Host code may
// run on any x86-64, so the instruction is used only where CPUID reports it.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_CRC32C_H
#define STOOP_CODEGEN_PACKAGE_CRC32C_H

#include <cstddef>
#include <cstdint>

namespace stoop::codegen {

/// CRC-32C of `size` bytes; crc32c("123456789") = 0xe3069283.
uint32_t crc32c(const void *data, size_t size);

} // namespace stoop::codegen

#endif
