//===- LaunchModel.h - what a schedule makes of a launch ---------*- C++ -*-===//
//
// The roofline says what cannot be beaten, whatever the schedule. This model ranks schedules: it charges what tunables change,
// idle multiprocessors, copies in flight, traffic through L2, meetings of blocks. It has been compared with no GPU.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_LAUNCHMODEL_H
#define STOOP_PASSES_REPORT_LAUNCHMODEL_H

#include "ir/plan/PlanOps.h"
#include "passes/report/Roofline.h"

namespace stoop::report {

/// Seconds of one launch of `kernel`, which has a geometry, for `sequences` sequences. `registers`: of a thread, as its code
/// says.
double predictLaunch(plan::KernelOp kernel, const GpuModel &gpu, int64_t sequences, int64_t registers);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_LAUNCHMODEL_H
