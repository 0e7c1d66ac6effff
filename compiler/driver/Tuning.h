//===- Tuning.h - the tuning database of a compilation ----------*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_TUNING_H
#define STOOP_COMPILER_DRIVER_TUNING_H

#include "compiler/driver/Session.h"
#include "passes/tuning/TuningDatabase.h"

namespace stoop::driver {

/// The user's database: STOOP_TUNING_DB ("none" or empty: none), else stoop/tuning.txtpb in XDG_DATA_HOME or
/// ~/.local/share. Empty where there is no place for one.
std::string userTuningDatabase();

/// What measurements of this machine hold for, at a CPU level.
tuning::Setting hostSetting(llvm::StringRef level);

/// What measurements of a GPU hold for. Empty library without NVRTC: nothing was measured without.
tuning::Setting gpuSetting(llvm::StringRef device, unsigned multiprocessors, llvm::StringRef architecture);

/// Options of the scheduled pipeline that name the database --tuning-db (empty: the user's; "none": none), or
/// none where there is no file or its records are of another machine or version, which is warned about. A GPU
/// need not be here: --tuning-device names it, or the file's only one is taken. Fails for a file that is
/// damaged and for a given one that cannot be read.
mlir::FailureOr<std::string> tuningOptions(Session &session, const CompileOptions &options,
                                           llvm::ArrayRef<std::string> levels);

} // namespace stoop::driver

#endif
