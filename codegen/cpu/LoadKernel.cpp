//===- LoadKernel.cpp - a compiled kernel in this process -----------------===//
//
// LLVM's JIT as a linker: objects come compiled.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/LoadKernel.h"
#include "codegen/cpu/ObjectGates.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace stoop::codegen {

struct LoadedCode::Jit {
  std::unique_ptr<orc::LLJIT> instance;
};

LoadedCode::LoadedCode(std::unique_ptr<Jit> jit, stoop_kernel_fn entry)
    : jit(std::move(jit)), entry(entry) {}
LoadedCode::LoadedCode(LoadedCode &&) = default;
LoadedCode &LoadedCode::operator=(LoadedCode &&) = default;
LoadedCode::~LoadedCode() = default;

Expected<LoadedCode> LoadedCode::load(StringRef object, StringRef symbol) {
  initializeX86Target(); // cached code needs no compiler, but the JIT does
  Expected<std::unique_ptr<orc::LLJIT>> lljit = orc::LLJITBuilder().create();
  if (!lljit)
    return lljit.takeError();
  if (Error error = (*lljit)->addObjectFile(MemoryBuffer::getMemBufferCopy(object)))
    return error;
  // Kernel functions are hidden symbols, so the lookup asks for all.
  Expected<orc::SymbolMap> found = (*lljit)->getExecutionSession().lookup(
      {{&(*lljit)->getMainJITDylib(), orc::JITDylibLookupFlags::MatchAllSymbols}},
      orc::SymbolLookupSet((*lljit)->mangleAndIntern(symbol)));
  if (!found)
    return found.takeError();
  auto entry = found->begin()->second.getAddress().toPtr<stoop_kernel_fn>();
  return LoadedCode(std::make_unique<Jit>(Jit{std::move(*lljit)}), entry);
}

} // namespace stoop::codegen
