//===- Phase.cpp - the phases of a compilation ----------------------------===//
//
// Everything here is generated from Phase.def.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Phase.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace stoop::driver {

static constexpr llvm::StringLiteral names[] = {
#define STOOP_PHASE(Id, name, description) name,
#include "compiler/driver/Phase.def"
};

llvm::StringRef phaseName(Phase phase) { return names[static_cast<int>(phase)]; }

std::optional<Phase> phaseFromName(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name)
      return static_cast<Phase>(i);
  return std::nullopt;
}

std::string phaseNames(bool last) {
  return llvm::join(llvm::ArrayRef(names).drop_back(last ? 0 : 1), " ");
}

std::string phasePipeline(Phase phase) { return ("stoop-" + phaseName(phase) + "-pipeline").str(); }

} // namespace stoop::driver
