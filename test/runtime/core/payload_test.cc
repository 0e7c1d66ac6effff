// Checksums, the layout of the payload, and that no single damaged byte goes unnoticed.
#include "runtime/core/payload.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>

#include "runtime/core/crc32c.h"
#include "test/runtime/toy/toy_program.h"

extern "C" const unsigned char __ehdr_start[];

namespace stoop::rt {
namespace {

// Bit by bit, from the polynomial.
uint32_t plain_crc32c(const std::vector<unsigned char>& data, size_t first, size_t count) {
  uint32_t crc = ~0u;
  for (size_t i = first; i < first + count; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

TEST(Crc32c, KnownValue) { EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u); }

TEST(Crc32c, EveryLengthAndAlignment) {
  std::mt19937 random(21);
  std::vector<unsigned char> data(4096);
  for (unsigned char& byte : data) byte = static_cast<unsigned char>(random());
  for (size_t count = 0; count < 70; ++count) {
    size_t first = random() % 64;
    EXPECT_EQ(crc32c(&data[first], count), plain_crc32c(data, first, count));
    const void* starts[4] = {&data[0], &data[777], &data[1501], &data[3000]};
    uint32_t sums[4];
    crc32c_4(starts, count, sums);
    EXPECT_EQ(sums[0], plain_crc32c(data, 0, count));
    EXPECT_EQ(sums[1], plain_crc32c(data, 777, count));
    EXPECT_EQ(sums[2], plain_crc32c(data, 1501, count));
    EXPECT_EQ(sums[3], plain_crc32c(data, 3000, count));
  }
}

stoop_status verify(const toy::OwnImage& own, Message& message, uint64_t from = 0) {
  PayloadVerifier verifier;
  stoop_status status = verifier.start(own.layout, own.payload.data(), from, message);
  return status == STOOP_OK ? verifier.wait(nullptr, nullptr, message) : status;
}

TEST(Payload, EveryFlippedByteIsFound) {
  toy::OwnImage own;
  Message message;
  ASSERT_EQ(verify(own, message), STOOP_OK) << message.text;
  std::mt19937 random(22);
  for (int i = 0; i < 500; ++i) {
    size_t at = random() % own.payload.size();
    unsigned char bit = static_cast<unsigned char>(1u << random() % 8);
    own.payload[at] ^= bit;
    EXPECT_EQ(verify(own, message), STOOP_BAD_PROGRAM) << at;
    EXPECT_NE(std::string(message.text).find("--no-verify"), std::string::npos);
    if (at < own.layout.checksums.offset) {
      EXPECT_NE(std::string(message.text).find("bytes " + std::to_string(at / 4096 * 4096) + " to"),
                std::string::npos)
          << message.text;
    }
    own.payload[at] ^= bit;
  }
  EXPECT_EQ(verify(own, message), STOOP_OK) << message.text;
  own.payload[5000] ^= 1;
  EXPECT_EQ(verify(own, message, 4095), STOOP_BAD_PROGRAM);
  EXPECT_EQ(verify(own, message, 8192), STOOP_OK) << "blocks in front are left out on demand";
}

TEST(Payload, LayoutThatContradictsItselfIsRefused) {
  Message message;
  const stoop_payload good = toy::OwnImage().layout;
  ASSERT_EQ(check_layout(good, message), STOOP_OK) << message.text;
  stoop_payload bad = good;
  bad.magic = 0;
  EXPECT_EQ(check_layout(bad, message), STOOP_BAD_PROGRAM);
  bad = good;
  bad.abi_version += 1;
  EXPECT_EQ(check_layout(bad, message), STOOP_BAD_PROGRAM);
  bad = good;
  bad.abi_version += 1u << 16;
  EXPECT_EQ(check_layout(bad, message), STOOP_BAD_PROGRAM);
  stoop_extent stoop_payload::*const parts[] = {&stoop_payload::weights, &stoop_payload::tokenizer,
                                                &stoop_payload::manifest, &stoop_payload::checksums};
  for (stoop_extent stoop_payload::*part : parts) {
    bad = good;
    (bad.*part).size = good.bytes - (bad.*part).offset + 1;
    EXPECT_EQ(check_layout(bad, message), STOOP_BAD_PROGRAM);
    bad = good;
    (bad.*part).offset = UINT64_MAX;
    EXPECT_EQ(check_layout(bad, message), STOOP_BAD_PROGRAM);
  }
  toy::OwnImage own;
  own.layout.checksums.size -= 4;
  EXPECT_EQ(verify(own, message), STOOP_BAD_PROGRAM);
  own.layout = good;
  own.layout.checksum_block_bytes = 0;
  EXPECT_EQ(verify(own, message), STOOP_BAD_PROGRAM);
}

// This test program stands for a model: its last loaded segment for the payload.
TEST(Payload, ShortFileIsRefusedByItsSize) {
  const Elf64_Ehdr& header = *reinterpret_cast<const Elf64_Ehdr*>(__ehdr_start);
  const Elf64_Phdr* segments = reinterpret_cast<const Elf64_Phdr*>(__ehdr_start + header.e_phoff);
  const Elf64_Phdr* last = nullptr;
  for (unsigned i = 0; i < header.e_phnum; ++i)
    if (segments[i].p_type == PT_LOAD) last = &segments[i];
  ASSERT_NE(last, nullptr);
  Message message;
  auto check = [&](const char* path) {
    return check_file_size(__ehdr_start, last->p_vaddr, last->p_filesz, path, message);
  };
  EXPECT_EQ(check("/proc/self/exe"), STOOP_OK) << message.text;
  EXPECT_EQ(check(nullptr), STOOP_OK);
  EXPECT_EQ(check("/nonexistent"), STOOP_OK);
  EXPECT_EQ(check("/bin/sh"), STOOP_OK) << "another program says nothing about this one";
  EXPECT_EQ(check_file_size(__ehdr_start, last->p_vaddr + 1, 1, nullptr, message), STOOP_BAD_PROGRAM);

  std::string copy = testing::TempDir() + "short_copy_" + std::to_string(getpid());
  std::string content(last->p_offset + last->p_filesz - 1, '\0');
  int from = open("/proc/self/exe", O_RDONLY);
  ASSERT_EQ(pread(from, content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  close(from);
  int to = open(copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ASSERT_EQ(write(to, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  close(to);
  EXPECT_EQ(check(copy.c_str()), STOOP_BAD_PROGRAM);
  EXPECT_NE(std::string(message.text).find(std::to_string(content.size() + 1)), std::string::npos);
  unlink(copy.c_str());
}

}  // namespace
}  // namespace stoop::rt
