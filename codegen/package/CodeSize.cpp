//===- CodeSize.cpp - what a linked program takes in memory ---------------===//
//
// Read from the program headers before the payload is added, so that weights are not code.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/CodeSize.h"
#include "llvm/Object/ELF.h"

namespace stoop::codegen {

llvm::Expected<uint64_t> loadedBytes(llvm::StringRef elf) {
  auto file = llvm::object::ELF64LEFile::create(elf);
  if (!file)
    return file.takeError();
  auto segments = file->program_headers();
  if (!segments)
    return segments.takeError();
  uint64_t bytes = 0;
  for (const auto &segment : *segments)
    if (segment.p_type == llvm::ELF::PT_LOAD)
      bytes += segment.p_memsz;
  return bytes;
}

void setCodeBytes(llvm::json::Object &report, uint64_t bytes) {
  llvm::json::Object *memory = report.getObject("memory");
  llvm::json::Array *classes = memory ? memory->getArray("classes") : nullptr;
  if (!classes)
    return;
  for (llvm::json::Value &entry : *classes)
    if (llvm::json::Object *object = entry.getAsObject();
        object && object->getString("class") == "code")
      (*object)["bytes"] = static_cast<int64_t>(bytes);
}

} // namespace stoop::codegen
