//===- CubinInfo.cpp - what a cubin says of its kernel --------------------===//
//
// Registers and stack frames are attributes of .nv.info, by the number of the kernel's symbol, which the
// section header of its code names (sh_info); static shared memory is the size of .nv.shared.<kernel>, from
// sm_90 on with a KiB of the system's own.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/DriverMemory.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace stoop;

/// Attribute codes and the format "size, then bytes" of .nv.info.
static constexpr uint8_t kFrameSize = 0x11, kRegisters = 0x2f, kSized = 4;

/// Registers of the kernel with symbol number `symbol` and the largest stack frame of any function.
static void readAttributes(ArrayRef<uint8_t> info, uint32_t symbol, codegen::CubinInfo &result) {
  for (size_t at = 0; at + 4 <= info.size();) {
    uint8_t format = info[at], attribute = info[at + 1];
    uint16_t size = support::endian::read16le(&info[at + 2]);
    if (format == kSized && size >= 8 && at + 12 <= info.size()) {
      uint32_t of = support::endian::read32le(&info[at + 4]), value = support::endian::read32le(&info[at + 8]);
      if (attribute == kFrameSize)
        result.localBytes = std::max<unsigned>(result.localBytes, value);
      else if (attribute == kRegisters && of == symbol)
        result.registers = value;
    }
    at += 4 + (format == kSized ? size : 0);
  }
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
  uint32_t symbol = 0;
  ArrayRef<uint8_t> attributes;
  for (const auto &section : *sections) {
    auto name = file->getSectionName(section);
    if (!name)
      return name.takeError();
    if ((section.sh_flags & ELF::SHF_ALLOC) && !name->starts_with(".nv.shared"))
      info.deviceBytes += alignTo(section.sh_size, codegen::kSectionAlign);
    if (*name == (".text." + kernel).str()) {
      symbol = section.sh_info & 0xffffff;
      hasCode = true;
    } else if (*name == (".nv.shared." + kernel).str()) {
      info.sharedBytes = section.sh_size;
    } else if (*name == ".nv.info") {
      auto bytes = file->getSectionContents(section);
      if (!bytes)
        return bytes.takeError();
      attributes = *bytes;
    }
  }
  if (!hasCode)
    return createStringError("the cubin holds no kernel '" + kernel + "'");
  readAttributes(attributes, symbol, info);
  if (info.registers == 0)
    return createStringError("the cubin does not say how many registers kernel '" + kernel + "' takes");
  return info;
}
