/* A runtime in small: prints the tokenizer part of its payload after checking every block's checksum.
 *
 * It has the sections that the packager relies on (.stoop, .stoop.weights, .note.stoop) and its own
 * _start, and uses nothing but libc. Exit codes: 0 fine, 2 no payload, 5 a block is damaged. */
#include "stoop/abi.h"
#include <stdio.h>

__attribute__((section(".stoop"), used, retain)) const volatile stoop_payload payload = {0};
__attribute__((section(".stoop.weights"), used, retain)) static const char placeholder[16] = {1};
__attribute__((section(".note.stoop"), used, retain, aligned(8))) static const struct {
  unsigned name_bytes, data_bytes, type;
  char name[8], padding[4];
  uint64_t data;
} note = {6, 8, 1, "Stoop", "", 0};
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static uint32_t crc32c_bitwise(const uint8_t *bytes, uint64_t size) {
  uint32_t crc = ~0u;
  for (uint64_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

__attribute__((used)) int main(void) {
  stoop_payload p = payload;
  if (p.magic != STOOP_MAGIC)
    return 2;
  const uint8_t *base = (const uint8_t *)__ehdr_start + p.vaddr;
  const uint32_t *table = (const uint32_t *)(base + p.checksums.offset);
  if (crc32c_bitwise((const uint8_t *)table, p.checksums.size) != p.checksums_crc)
    return 5;
  uint64_t block = 0;
  for (uint64_t at = 0; at < p.checksums.offset; at += p.checksum_block_bytes, ++block) {
    uint64_t size = p.checksums.offset - at;
    size = size < p.checksum_block_bytes ? size : p.checksum_block_bytes;
    if (crc32c_bitwise(base + at, size) != table[block])
      return 5;
  }
  if (block * 4 != p.checksums.size)
    return 5;
  double sum = 0;
  for (uint64_t i = 0; i < p.weights.size / 4; ++i)
    sum += ((const float *)(base + p.weights.offset))[i];
  printf("%.*s %.0f %.*s\n", (int)p.tokenizer.size, (const char *)base + p.tokenizer.offset, sum,
         (int)p.manifest.size, (const char *)base + p.manifest.offset);
  return 0;
}

__asm__(".globl _start\n.type _start,@function\n_start: xor %ebp,%ebp\n mov %rdx,%r9\n pop %rsi\n"
        " mov %rsp,%rdx\n and $-16,%rsp\n push %rax\n push %rsp\n xor %r8d,%r8d\n xor %ecx,%ecx\n"
        " lea main(%rip),%rdi\n call *__libc_start_main@GOTPCREL(%rip)\n hlt\n.size _start,.-_start\n");
