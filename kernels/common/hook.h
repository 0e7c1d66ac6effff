// The hook: elementwise work that the compiler lowers from a fused region's IR into the kernel.
//
// One call transforms up to 16 consecutive columns of one row of one segment: it loads the sums and
// whatever else the region reads, computes, and stores the results that have their columns to
// themselves; values that heads are made of go to the tail row instead (see
// kernels/gemm/segment.h). The generated definition is inlined into the kernel. What it calls
// stands in hook_support.h.
#ifndef STOOP_KERNELS_COMMON_HOOK_H
#define STOOP_KERNELS_COMMON_HOOK_H

#include "kernels/common/types.h"

extern "C" {
// sums: 16 float32 sums of the segment's first product, those of the next ones `product_stride`
// floats further. valid: columns that exist, 1 to 16. tail: where the first tail value's column
// `column` goes.
void stoop_hook(const float *sums, int64_t product_stride, int64_t segment, int64_t row,
                int64_t column, int64_t valid, float *tail, void *const *buffers);
}

#endif
