//===- CubinInfo.cpp - what a cubin says of its kernel --------------------===//
//
// Registers stand in the section header of the kernel's code (upper byte of sh_info), static shared memory
// is the size of .nv.shared.<kernel>, the stack frame an attribute of .nv.info.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/CubinInfo.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace stoop;

/// Attribute codes and the format "size, then bytes" of .nv.info.
static constexpr uint8_t kFrameSize = 0x11, kSized = 4;

/// Largest frame size among the attributes of .nv.info.
static unsigned frameSize(ArrayRef<uint8_t> info) {
  unsigned bytes = 0;
  for (size_t at = 0; at + 4 <= info.size();) {
    uint8_t format = info[at], attribute = info[at + 1];
    uint16_t size = support::endian::read16le(&info[at + 2]);
    if (format == kSized && attribute == kFrameSize && size >= 8 && at + 12 <= info.size())
      bytes = std::max<unsigned>(bytes, support::endian::read32le(&info[at + 8]));
    at += 4 + (format == kSized ? size : 0);
  }
  return bytes;
}

Expected<codegen::CubinInfo> codegen::readCubin(StringRef cubin, StringRef kernel) {
  auto file = object::ELFFile<object::ELF64LE>::create(cubin);
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  CubinInfo info;
  bool hasCode = false;
  for (const auto &section : *sections) {
    auto name = file->getSectionName(section);
    if (!name)
      return name.takeError();
    if (*name == (".text." + kernel).str()) {
      info.registers = section.sh_info >> 24;
      hasCode = true;
    } else if (*name == (".nv.shared." + kernel).str()) {
      info.sharedBytes = section.sh_size;
    } else if (*name == ".nv.info") {
      auto bytes = file->getSectionContents(section);
      if (!bytes)
        return bytes.takeError();
      info.localBytes = frameSize(*bytes);
    }
  }
  if (!hasCode)
    return createStringError("the cubin holds no kernel '" + kernel + "'");
  return info;
}
