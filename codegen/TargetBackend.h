//===- TargetBackend.h - what a code generator provides ----------*- C++ -*-===//
//
// The interface between the phases `binaries` and `executable` and one target. A backend reads a
// planned program and produces code; it decides nothing that the plan left open.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_TARGETBACKEND_H
#define STOOP_CODEGEN_TARGETBACKEND_H

#include "ir/plan/PlanOps.h"
#include "llvm/Support/Error.h"
#include <array>
#include <functional>
#include <string>
#include <vector>

namespace stoop::codegen {

/// An architecture or feature level that a target can compile for.
struct ArchitectureInfo {
  std::string name;
  std::string needs;  ///< what a machine must have, in words
  bool onThisMachine; ///< whether this machine has it
};

/// Called with the number of compiled and of all compilations; from one thread at a time.
using CompileProgress = std::function<void(size_t done, size_t total)>;

/// How to compile a program.
struct CompileOptions {
  std::string architectures = "host"; ///< comma list, in the target's words
  unsigned numThreads = 0;            ///< 0: one per processor
  CompileProgress progress;           ///< may be empty
};

/// Code of one or more kernels for one architecture; becomes a plan.binary.
struct KernelBinary {
  std::vector<plan::KernelOp> kernels; ///< all compiled to the same code
  std::string architecture, format;
  llvm::SmallVector<char, 0> data;
  std::string role; ///< what code without kernels is for
  /// Registers and the like, for the report; becomes the attribute `resources`.
  std::vector<std::pair<std::string, int64_t>> resources;
  /// Of the CUDA that made it, as drivers count (13000: 13.0); 0: not CUDA. Becomes the attribute `cuda_version`.
  int64_t cudaVersion = 0;
  /// What it takes on a device once it is loaded; becomes the attribute `modules_bytes`.
  int64_t moduleBytes = 0;
};

/// What a kernel deals to threads, for the report; becomes the attribute `split`.
struct WorkSplit {
  std::string unit;
  int64_t count = 0;
  int64_t most = 0;      ///< into how many that is cut when threads outnumber `count`; 0: it is not
  int64_t rowBlocks = 0; ///< that threads share out besides, before units get few; 0: they do not
};

/// What the program descriptor says of the code (abi.h).
struct CodeTable {
  struct Level {
    std::string name;
    uint64_t required; ///< bits of stoop_cpu_feature
  };
  std::vector<Level> levels; ///< best last
  /// Symbol of each kernel's function per level, kernels in program order.
  std::vector<std::vector<std::string>> functions;
  std::vector<WorkSplit> splits; ///< kernels in program order; none on a target without threads
  uint64_t scratchBytes = 0; ///< per thread; of the device if the target starts no threads
  uint64_t stackBytes = 0;   ///< of each thread but the caller's; 0: the target starts none

  /// Targets whose kernels are images for a device instead of functions.
  struct GpuKernel {
    std::array<uint32_t, 3> grid;
    uint32_t threads, sharedBytes;
    std::vector<uint8_t> access;        ///< per operand: 1 reads, 2 writes, 3 both
    std::vector<plan::BinaryOp> images; ///< one per level
    bool startsEarly = false;           ///< before the launch in front has ended (plan::kStartsEarlyAttrName)
  };
  struct GpuTable {
    std::vector<GpuKernel> kernels; ///< in program order
    std::vector<plan::BinaryOp> sampling;
    uint32_t cudaVersion = 0; ///< of what made the images; of the compiler that is here where there are none; 0: neither
    /// What the driver is expected to take on the device, beside what the plan allocates there.
    uint64_t modulesBytes = 0, graphsBytes = 0;
  };
  std::optional<GpuTable> gpu;
};

/// One target. Stateless; methods may be called from any thread.
class TargetBackend {
public:
  virtual ~TargetBackend() = default;

  /// The value of --target.
  virtual llvm::StringRef getName() const = 0;

  /// Architectures for `stoop targets`.
  virtual std::vector<ArchitectureInfo> describe() const = 0;

  /// Names of the architectures that a comma list stands for; fails for an unknown name.
  virtual llvm::Expected<std::vector<std::string>> resolve(llvm::StringRef architectures) const = 0;

  /// Kinds of fused regions that the target has kernels for.
  virtual std::vector<std::string> fusedKinds() const = 0;

  /// Whether what compiles kernels is on this machine; the error says how to get it.
  virtual llvm::Error checkCompiler() const { return llvm::Error::success(); }

  /// Checks that each of the architectures can run the launches as they are planned. Reports at the kernel that does not fit.
  virtual mlir::LogicalResult checkPlan(plan::ProgramOp program, llvm::StringRef architectures) const {
    return mlir::success();
  }

  /// Compiles all kernels of a planned program. Reports at the kernel that fails.
  /// IR before: plan.kernel with body, schedule and strides. IR after: unchanged.
  virtual mlir::FailureOr<std::vector<KernelBinary>>
  compile(plan::ProgramOp program, const CompileOptions &options) const = 0;

  /// Corrects what planning assumed of the code, now that the program holds it.
  virtual void settle(plan::ProgramOp program) const {}

  /// Checks a plan.binary of this target on its own: format, symbols.
  virtual mlir::LogicalResult verifyBinary(plan::BinaryOp binary) const = 0;

  /// The source text that a binary of this target was compiled from; empty: there is none.
  virtual std::string sourceOf(plan::BinaryOp binary) const { return ""; }

  /// Devices of this target in this machine, in words, for `stoop targets`.
  virtual std::vector<std::string> devices() const { return {}; }

  /// Bytes that a plan reserves for the code of one kernel on one architecture: well above what it
  /// takes on average.
  virtual uint64_t kernelCodeReserve() const = 0;

  /// Levels, function symbols, scratch and stacks of a program in phase binaries; scratch and stacks
  /// of one in phase planned.
  virtual mlir::FailureOr<CodeTable> codeTable(plan::ProgramOp program) const = 0;
};

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_TARGETBACKEND_H
