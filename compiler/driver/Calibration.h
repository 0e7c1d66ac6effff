//===- Calibration.h - rounding that is measured on a text ------*- C++ -*-===//
//
// --calibration FILE: runs the model over the text on the reference evaluator and rounds each int4
// matrix against the inputs that it meets there (codegen/quant/Compensate.h). The result is a file of
// integers and a module whose weights read it, in the form of checkpoints that are quantised
// already: no later phase knows of calibration.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_CALIBRATION_H
#define STOOP_COMPILER_DRIVER_CALIBRATION_H

#include "compiler/driver/Frontend.h"

namespace stoop::driver {

/// Removes its folder, with the calibrated integers in it, when it dies.
class CalibratedFiles {
public:
  CalibratedFiles() = default;
  CalibratedFiles(CalibratedFiles &&other) noexcept { std::swap(folder, other.folder); }
  CalibratedFiles &operator=(CalibratedFiles &&other) noexcept {
    std::swap(folder, other.folder);
    return *this;
  }
  ~CalibratedFiles();

  std::string folder; ///< empty: none
};

/// Runs the pass that chooses each weight's scheme, as phase graph does.
mlir::LogicalResult chooseSchemes(Session &session, mlir::ModuleOp module,
                                  const QuantizationOptions &options);

/// Calibrates a module at phase import on the text of `options.calibration`; without one nothing
/// happens. The files have to live until the weights have been read. Says what is wrong (a text that
/// is empty or not UTF-8, no tokenizer, no int4 matrix) and fails.
mlir::FailureOr<CalibratedFiles> calibrate(Session &session, ImportedCheckpoint &checkpoint,
                                           const ModelOptions &model,
                                           const QuantizationOptions &options);

} // namespace stoop::driver

#endif
