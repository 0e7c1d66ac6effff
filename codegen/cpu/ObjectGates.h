//===- ObjectGates.h - what no kernel object may contain ---------*- C++ -*-===//
//
// Checks on emitted machine code: kernels need nothing from outside, call nothing, and never spill
// an AMX tile.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_OBJECTGATES_H
#define STOOP_CODEGEN_CPU_OBJECTGATES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llvm {
class Module;
}

namespace stoop::codegen {

/// Registers LLVM's X86 target, once, from any thread.
void initializeX86Target();

/// Tile stores that optimised IR asks for; any more in the object are spills.
unsigned countTileStores(const llvm::Module &module);

/// Fails if the object has an undefined symbol, lacks one of `symbols`, contains a call, or stores
/// more tiles than `tileStores`.
llvm::Error checkObject(llvm::ArrayRef<char> object, llvm::ArrayRef<std::string> symbols,
                        unsigned tileStores);

/// Fails if the object has an undefined symbol or lacks one of `symbols`: the part that needs no
/// disassembly.
llvm::Error checkSymbols(llvm::ArrayRef<char> object, llvm::ArrayRef<std::string> symbols);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_OBJECTGATES_H
