//===- TargetInfo.cpp - the tables ---------------------------------------===//
//
// Levels and templates of the CPU are those of the kernel catalog; here stands only what scheduling
// adds to them.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/TargetInfo.h"

#include "kernels/common/scratch.h"
#include "stoop/abi.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace stoop::schedule {

static const LevelInfo cpuLevels[] = {
#define STOOP_CPU_LEVEL(NAME, ID, FEATURES) {NAME, ((FEATURES)&STOOP_CPU_AVX512) ? 64 : 32},
#include "kernels/catalog/Levels.def"
};

/// Tunables of the template called `name`.
static llvm::ArrayRef<TunableInfo> cpuTunables(llvm::StringRef name) {
  static const int64_t ahead[] = {0, 256, 512, 1024, 1536, 2048, 4096, 8192};
  static const int64_t panels[] = {2, 4, 8, 16, 32, 64, 128}, rows[] = {48, 96, 144, 192};
  static const int64_t inner[] = {256, 384, 512, 1024}, split[] = {0, 32, 1 << 16};
  static const TunableInfo linear[] = {
      // Few rows: bytes ahead in the weight stream.
      {"prefetch", 0, 1 << 16, 1, RowRange::Few, ahead},
      // Panels of each product whose sums wait together.
      {"block_panels", 1, 256, 1, RowRange::Any, panels},
      // Many rows: rows and inner columns of a packed block.
      {"block_rows", kernels::kGemmStrip, 240, kernels::kGemmStrip, RowRange::Many, rows},
      {"block_inner", 128, kernels::kChunkColumns, 128, RowRange::Many, inner},
      // Panels that a thread has at least before threads share out rows instead of columns.
      {"split_panels", 0, 1 << 16, 1, RowRange::Many, split},
  };
  return name == "linear" ? llvm::ArrayRef<TunableInfo>(linear) : llvm::ArrayRef<TunableInfo>();
}

static const TemplateInfo cpuTemplates[] = {
#define STOOP_KERNEL_TEMPLATE(NAME, KIND, EPILOGUE) {#NAME, KIND, cpuTunables(#NAME)},
#include "kernels/catalog/Templates.def"
};

static constexpr llvm::StringRef cpuCapabilities[] = {
    "epilogue_dag",       "multi_linear",         "multi_segment", "norm_prologue",
    "embedding_prologue", "gather_last_prologue", "rope_epilogue", "kv_append_epilogue",
    "reduction_epilogue",
};

/// Code and, as a level of its own, PTX of each architecture; loads are 16 bytes wide.
static const LevelInfo gpuLevels[] = {
#define STOOP_GPU_ARCHITECTURE(NAME, CAPABILITY, EXACT, SHARED, MACHINES) {NAME, 16}, {NAME ".ptx", 16},
#include "kernels/catalog/Architectures.def"
};

/// What a search tries: copies of a warp in flight, tiles of a slice of rows, columns of a tile.
static constexpr int64_t gpuStages[] = {2, 4, 6, 8, 12, 16}, gpuSlices[] = {8, 16, 32, 64, 128, 256, 4096},
                         gpuTiles[] = {32, 64, 80, 96, 128, 160, 192, 256};

#define STOOP_GPU_TEMPLATE(NAME, KIND, ...) static const TunableInfo NAME##Tunables[] = {__VA_ARGS__ __VA_OPT__(, ){"", 0, 0}};
#include "kernels/catalog/GpuTemplates.def"

static const TemplateInfo gpuTemplates[] = {
#define STOOP_GPU_TEMPLATE(NAME, KIND, ...) {#NAME, KIND, llvm::ArrayRef<TunableInfo>(NAME##Tunables).drop_back()},
#include "kernels/catalog/GpuTemplates.def"
};

static constexpr llvm::StringRef gpuCapabilities[] = {
    "epilogue_dag",       "multi_linear",         "multi_segment", "norm_prologue",
    "embedding_prologue", "gather_last_prologue", "rope_epilogue", "kv_append_epilogue",
    "reduction_epilogue",
};

/// One or two columns for each of the eight warps of linear_small; tiles of linear_fma and linear_mma.
static constexpr int64_t gpuRotationTiles[] = {8,   16,  64,  80,  96,  112, 128, 144,
                                               160, 176, 192, 208, 224, 240, 256};

static const TargetInfo targets[] = {
    {"cpu",
     cpuLevels,
     cpuTemplates,
     /*cachedWeightBytes=*/256 << 10,
     {cpuCapabilities, /*maxPrologueRows=*/0, /*maxGatheredRows=*/kernels::kGemvRows, /*rotationTiles=*/{},
      // Rows that leave the 32 KiB of a core's first cache (passes/README.md has figures).
      /*momentsBlock=*/256, /*leastMomentsColumns=*/8193}},
    {"cuda",
     gpuLevels,
     gpuTemplates,
     /*cachedWeightBytes=*/0,
     // Linears of up to 8 rows make the rows of their prologue slice by slice, or as they load them, however long they are.
     {gpuCapabilities, /*maxPrologueRows=*/8, /*maxGatheredRows=*/8, gpuRotationTiles,
      // What 16 lanes finish together: a read of the row saves two barriers, whatever its length.
      /*momentsBlock=*/16, /*leastMomentsColumns=*/0, /*normTileRows=*/64, /*normTileColumns=*/64},
     /*multiprocessors=*/108},
};

template <typename Row>
static const Row *findByName(llvm::ArrayRef<Row> rows, llvm::StringRef name) {
  const Row *found = llvm::find_if(rows, [&](const Row &row) { return row.name == name; });
  return found == rows.end() ? nullptr : found;
}

std::string FusionInfo::pipelineOptions() const {
  std::string text;
  if (!capabilities.empty())
    text = "capabilities=" + llvm::join(capabilities, ",") + " ";
  return text + "max-prologue-rows=" + std::to_string(maxPrologueRows) +
         " max-gathered-rows=" + std::to_string(maxGatheredRows) +
         " moments-block=" + std::to_string(momentsBlock) +
         " least-moments-columns=" + std::to_string(leastMomentsColumns) +
         (rotationTiles.empty() ? "" : " rotation-tiles=" + llvm::join(llvm::map_range(rotationTiles, [](int64_t width) {
                                         return std::to_string(width);
                                       }), ","));
}

bool TemplateInfo::applies(const TunableInfo &tunable, int64_t rows) {
  bool few = rows <= kernels::kGemvRows;
  return tunable.rows == RowRange::Any || few == (tunable.rows == RowRange::Few);
}

std::string TemplateInfo::whyNot(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> values,
                                 int64_t rows) const {
  for (const TunableInfo &tunable : tunables) {
    if (!applies(tunable, rows))
      continue;
    auto given = llvm::find_if(values, [&](auto &value) { return value.first == tunable.name; });
    std::string quoted = "tunable '" + tunable.name.str() + "'";
    if (given == values.end())
      return "expects " + quoted + " of template '" + name.str() + "'";
    if (!tunable.holds(given->second))
      return "expects " + quoted + " between " + std::to_string(tunable.least) + " and " +
             std::to_string(tunable.most) +
             (tunable.step > 1 ? ", a multiple of " + std::to_string(tunable.step) : "") + ", got " +
             std::to_string(given->second);
  }
  for (auto &[given, value] : values) {
    const TunableInfo *tunable = findTunable(given);
    if (!tunable)
      return "has tunable '" + given.str() + "', which template '" + name.str() + "' does not have";
    if (!applies(*tunable, rows))
      return "has tunable '" + given.str() + "', which template '" + name.str() +
             "' does not have for " + std::to_string(rows) + (rows == 1 ? " row" : " rows");
  }
  return "";
}

const TunableInfo *TemplateInfo::findTunable(llvm::StringRef name) const {
  return findByName(tunables, name);
}
const LevelInfo *TargetInfo::findLevel(llvm::StringRef name) const {
  return findByName(levels, name);
}
const TemplateInfo *TargetInfo::findTemplate(llvm::StringRef name) const {
  return findByName(templates, name);
}

const TemplateInfo *TargetInfo::templateForKind(llvm::StringRef kind) const {
  const TemplateInfo *found =
      llvm::find_if(templates, [&](const TemplateInfo &row) { return row.kind == kind; });
  return found == templates.end() ? nullptr : found;
}

const TargetInfo *targetOfLevel(llvm::StringRef name) {
  const TargetInfo *found =
      llvm::find_if(targets, [&](const TargetInfo &target) { return target.findLevel(name); });
  return found == std::end(targets) ? nullptr : found;
}

const TargetInfo *findTarget(llvm::StringRef name) {
  return findByName(llvm::ArrayRef<TargetInfo>(targets), name);
}

} // namespace stoop::schedule
