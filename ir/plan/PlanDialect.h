//===- PlanDialect.h - the program dialect -----------------------*- C++ -*-===//
#ifndef STOOP_IR_PLAN_PLANDIALECT_H
#define STOOP_IR_PLAN_PLANDIALECT_H

#include "ir/support/QuantScheme.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "ir/plan/PlanDialect.h.inc"
#include "ir/plan/PlanEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/plan/PlanTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/plan/PlanAttrs.h.inc"

namespace stoop::plan {
/// Discardable attribute that carries the schedule of a fused region.
inline constexpr llvm::StringLiteral kScheduleAttrName = "plan.schedule";
/// The launch geometry of a plan.kernel, for targets that launch grids.
inline constexpr llvm::StringLiteral kGeometryAttrName = "plan.geometry";

/// On plan.kernel: what it deals to threads, for the report, a dictionary {unit, count, most,
/// row_blocks, balance = {multiprocessors = part}}; the last three where they apply.
inline constexpr llvm::StringLiteral kSplitAttrName = "split";

/// On plan.kernel: the numbers of the inputs whose rows it takes out of tiles (pack kind `tiles`), beside weights of linears.
inline constexpr llvm::StringLiteral kTiledAttrName = "tiled";

/// On plan.kernel: its launches start before the ones in front have ended, where kernels wait for that themselves (unit); or why
/// they do not (string; absent: nobody asked for it).
inline constexpr llvm::StringLiteral kStartsEarlyAttrName = "starts_early", kStartsLateAttrName = "starts_late";

/// Bytes at the front of the scratch for the tickets of launches that several blocks finish together.
inline constexpr int64_t kTicketBytes = 4096;

/// On plan.arena: what the packing solvers made of each entry, an array of dictionaries {entry,
/// buffers, peak, lower_bound, kept, solvers = [{solver, peak}]}; sizes in bytes.
inline constexpr llvm::StringLiteral kPackingAttrName = "packing";
/// On plan.program: bytes of scratch and of stack that each thread gets beside the arenas, and the
/// most threads that the program may use (absent: no limit).
inline constexpr llvm::StringLiteral kWorkspaceAttrName = "workspace_bytes",
                                     kStackAttrName = "stack_bytes",
                                     kMaxThreadsAttrName = "max_threads";
/// On plan.program of a target with a driver: bytes of the device that the driver is expected to take for code and its
/// constants and for captured graphs, and the version of the compiler that is going to make the code, as drivers count.
inline constexpr llvm::StringLiteral kModulesAttrName = "modules_bytes", kGraphsAttrName = "graphs_bytes",
                                     kCudaVersionAttrName = "cuda_version";
} // namespace stoop::plan

#endif // STOOP_IR_PLAN_PLANDIALECT_H
