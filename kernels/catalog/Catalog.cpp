//===- Catalog.cpp - the CPU kernel templates as data ---------------------===//
//
// Expands the .def files into tables.
//
//===----------------------------------------------------------------------===//
#include "kernels/catalog/Catalog.h"

#include <array>

#include "llvm/ADT/STLExtras.h"
#include "stoop/abi.h"

using namespace llvm;
using namespace stoop::kernels;

namespace {
constexpr KernelPort kLinear[] = {
#define STOOP_LINEAR_PORT(w, x, rows) {"stoop_linear_" #w "_" #x "_" #rows, #w "," #x "," #rows},
#define STOOP_LINEAR(w, x)   \
  STOOP_LINEAR_PORT(w, x, 1) \
  STOOP_LINEAR_PORT(w, x, 2) \
  STOOP_LINEAR_PORT(w, x, 3) \
  STOOP_LINEAR_PORT(w, x, 4) \
  STOOP_LINEAR_PORT(w, x, many)
#include "kernels/gemm/linear.def"
};
constexpr KernelPort kNorm[] = {
#define STOOP_NORM(x, y)                               \
  {"stoop_layer_norm_" #x "_" #y, "layer," #x "," #y}, \
      {"stoop_rms_norm_" #x "_" #y, "rms," #x "," #y},
#include "kernels/norm/norm.def"
};
constexpr KernelPort kEmbedding[] = {
#define STOOP_EMBEDDING(w, x) {"stoop_embedding_" #w "_" #x, #w "," #x},
#include "kernels/embedding/embedding.def"
};
constexpr KernelPort kRope[] = {
#define STOOP_ROPE(x) {"stoop_rope_" #x, #x},
#include "kernels/rope/rope.def"
};
constexpr KernelPort kKvAppend[] = {
#define STOOP_ATTENTION(x, c) {"stoop_kv_append_" #x "_" #c, #x "," #c},
#include "kernels/attention/attention.def"
};
constexpr KernelPort kAttention[] = {
#define STOOP_ATTENTION(x, c) {"stoop_attention_" #x "_" #c, #x "," #c},
#include "kernels/attention/attention.def"
};
constexpr KernelPort kGatherLast[] = {
#define STOOP_GATHER_LAST(x) {"stoop_gather_last_" #x, #x},
#include "kernels/elementwise/elementwise.def"
};
constexpr KernelPort kElementwise[] = {{"stoop_elementwise", ""}};
constexpr KernelPort kReduction[] = {
    {"stoop_elementwise", ""},
#define STOOP_MOMENTS(x) {"stoop_block_moments_" #x, "moments," #x},
#include "kernels/norm/moments.def"
};

// Template name -> table of its ports, for the expansion of Templates.def.
constexpr ArrayRef<KernelPort> linear(kLinear), norm(kNorm), embedding(kEmbedding), rope(kRope),
    kv_append(kKvAppend), attention(kAttention), gather_last(kGatherLast),
    elementwise(kElementwise), reduction(kReduction);

constexpr KernelTemplate kTemplates[] = {
#define STOOP_KERNEL_TEMPLATE(name, kind, epilogue) {#name, kind, epilogue, name},
#include "kernels/catalog/Templates.def"
};
}  // namespace

#define STOOP_CPU_LEVEL(name, id, required) \
  extern "C" const char stoop_kernels_##id[], stoop_kernels_##id##_end[];
#include "kernels/catalog/Levels.def"

ArrayRef<KernelTemplate> stoop::kernels::kernelTemplates() { return kTemplates; }

const KernelTemplate *stoop::kernels::findTemplate(StringRef name) {
  const KernelTemplate *it =
      find_if(kTemplates, [&](const KernelTemplate &t) { return t.name == name; });
  return it == std::end(kTemplates) ? nullptr : it;
}

const KernelPort *stoop::kernels::findPort(const KernelTemplate &kernel, StringRef elements) {
  const KernelPort *it =
      find_if(kernel.ports, [&](const KernelPort &p) { return p.elements == elements; });
  return it == kernel.ports.end() ? nullptr : it;
}

ArrayRef<KernelLevel> stoop::kernels::kernelLevels() {
  static const KernelLevel levels[] = {
#define STOOP_CPU_LEVEL(name, id, required) \
  {name, #id, required,                     \
   StringRef(stoop_kernels_##id, size_t(stoop_kernels_##id##_end - stoop_kernels_##id))},
#include "kernels/catalog/Levels.def"
  };
  return levels;
}

const KernelLevel *stoop::kernels::findLevel(StringRef name) {
  ArrayRef<KernelLevel> levels = kernelLevels();
  const KernelLevel *it = find_if(levels, [&](const KernelLevel &l) { return l.name == name; });
  return it == levels.end() ? nullptr : it;
}
