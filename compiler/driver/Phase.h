//===- Phase.h - the phases of a compilation --------------------*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_PHASE_H
#define STOOP_COMPILER_DRIVER_PHASE_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace stoop::driver {

/// Phases in order; each is the state of the module after its pipeline and gate.
enum class Phase {
#define STOOP_PHASE(Id, name, description) Id,
#include "compiler/driver/Phase.def"
};

/// The name on the command line.
llvm::StringRef phaseName(Phase phase);
/// The phase of that name, if there is one.
std::optional<Phase> phaseFromName(llvm::StringRef name);
/// The names in order, joined by blanks; for messages. `last`: with that of the last phase.
std::string phaseNames(bool last);
/// "stoop-<name>-pipeline".
std::string phasePipeline(Phase phase);
/// The phase after `phase`; not for the last one.
inline Phase nextPhase(Phase phase) { return static_cast<Phase>(static_cast<int>(phase) + 1); }

} // namespace stoop::driver

#endif
