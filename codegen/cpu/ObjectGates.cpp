//===- ObjectGates.cpp - what no kernel object may contain ----------------===//
//
// Symbols are read from the ELF symbol table; calls and tile stores are counted by disassembling
// the text sections.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ObjectGates.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Triple.h"
#include <mutex>

using namespace llvm;
using namespace stoop;

void codegen::initializeX86Target() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86Disassembler();
  });
}

unsigned codegen::countTileStores(const Module &module) {
  unsigned count = 0;
  for (const Function &function : module)
    for (const Instruction &instruction : instructions(function))
      if (auto *intrinsic = dyn_cast<IntrinsicInst>(&instruction))
        count += intrinsic->getIntrinsicID() == Intrinsic::x86_tilestored64 ||
                 intrinsic->getIntrinsicID() == Intrinsic::x86_tilestored64_internal;
  return count;
}

static Expected<std::unique_ptr<object::ObjectFile>> open(ArrayRef<char> object) {
  return object::ObjectFile::createELFObjectFile(
      MemoryBufferRef(StringRef(object.data(), object.size()), "kernel object"));
}

static Error checkSymbolTable(const object::ObjectFile &file, ArrayRef<std::string> symbols) {
  StringSet<> missing;
  for (const std::string &symbol : symbols)
    missing.insert(symbol);
  for (const object::SymbolRef &symbol : file.symbols()) {
    Expected<StringRef> name = symbol.getName();
    if (!name)
      return name.takeError();
    Expected<uint32_t> flags = symbol.getFlags();
    if (!flags)
      return flags.takeError();
    if (!(*flags & object::SymbolRef::SF_Undefined))
      missing.erase(*name);
    else if (!name->empty())
      return createStringError("undefined symbol '" + name->str() + "' in kernel code");
  }
  if (!missing.empty())
    return createStringError("kernel object does not define '" + missing.begin()->getKey().str() +
                             "'");
  return Error::success();
}

namespace {
/// Decodes the text of an object, instruction by instruction.
class Disassembly {
public:
  Disassembly() : triple("x86_64-unknown-linux-gnu") {
    std::string error;
    const Target *target = TargetRegistry::lookupTarget(triple, error);
    registers.reset(target->createMCRegInfo(triple));
    assembly.reset(target->createMCAsmInfo(*registers, triple, options));
    instructions.reset(target->createMCInstrInfo());
    subtarget.reset(target->createMCSubtargetInfo(triple, "", ""));
    context = std::make_unique<MCContext>(triple, assembly.get(), registers.get(), subtarget.get());
    decoder.reset(target->createMCDisassembler(*subtarget, *context));
  }
  /// Calls `visit` with the name and description of each instruction.
  Error forEach(StringRef code, function_ref<void(StringRef, const MCInstrDesc &)> visit) {
    ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(code.data()), code.size());
    for (uint64_t at = 0, size = 0; at < bytes.size(); at += size) {
      MCInst instruction;
      if (decoder->getInstruction(instruction, size, bytes.slice(at), at, nulls()) !=
          MCDisassembler::Success)
        return createStringError("kernel code at offset " + std::to_string(at) +
                                 " cannot be decoded");
      visit(instructions->getName(instruction.getOpcode()),
            instructions->get(instruction.getOpcode()));
    }
    return Error::success();
  }

private:
  Triple triple;
  MCTargetOptions options;
  std::unique_ptr<MCRegisterInfo> registers;
  std::unique_ptr<MCAsmInfo> assembly;
  std::unique_ptr<MCInstrInfo> instructions;
  std::unique_ptr<MCSubtargetInfo> subtarget;
  std::unique_ptr<MCContext> context;
  std::unique_ptr<MCDisassembler> decoder;
};
} // namespace

Error codegen::checkSymbols(ArrayRef<char> object, ArrayRef<std::string> symbols) {
  Expected<std::unique_ptr<object::ObjectFile>> file = open(object);
  if (!file)
    return file.takeError();
  return checkSymbolTable(**file, symbols);
}

Error codegen::checkObject(ArrayRef<char> object, ArrayRef<std::string> symbols,
                           unsigned tileStores) {
  initializeX86Target();
  Expected<std::unique_ptr<object::ObjectFile>> file = open(object);
  if (!file)
    return file.takeError();
  if (Error error = checkSymbolTable(**file, symbols))
    return error;
  unsigned calls = 0, stores = 0;
  Disassembly disassembly;
  for (const object::SectionRef &section : (*file)->sections()) {
    if (!section.isText())
      continue;
    Expected<StringRef> code = section.getContents();
    if (!code)
      return code.takeError();
    Error error = disassembly.forEach(*code, [&](StringRef name, const MCInstrDesc &description) {
      calls += description.isCall();
      stores += name.starts_with("TILESTORED");
    });
    if (error)
      return error;
  }
  if (calls)
    return createStringError(std::to_string(calls) + " calls remain in kernel code");
  if (stores > tileStores)
    return createStringError("tiles are spilled: " + std::to_string(stores) +
                             " tile stores where " + std::to_string(tileStores) + " were written");
  return Error::success();
}
