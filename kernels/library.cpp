// The CPU kernel library: every template, compiled once per feature level to LLVM bitcode when
// Stoop is built.
//
// One translation unit, so that a level is one bitcode file and shared helpers are linked once. The
// compiler links a kernel's port and what it needs, defines the hooks, makes the parameters
// constants, and optimises; nothing here is optimised before.
#include "kernels/attention/attention.h"
#include "kernels/attention/kv_append.h"
#include "kernels/common/hook_support.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gemm/linear.h"
#include "kernels/norm/moments.h"
#include "kernels/norm/norm.h"
#include "kernels/rope/rope.h"
