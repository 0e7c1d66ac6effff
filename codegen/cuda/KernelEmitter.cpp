//===- KernelEmitter.cpp - a plan.kernel as CUDA C++ ----------------------===//
//
// Templates by name: linear_stream, linear_small, linear_fma, linear_mma, *_rows, *_elements, attention_flash,
// attention_mma. Shared memory of the plan is asserted in the source, against what the template computes.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/SegmentEmitter.h"
#include "ir/lm/StreamShape.h"
#include "ir/support/DType.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace stoop;
using llvm::formatv;

namespace {
class KernelEmitter {
public:
  KernelEmitter(plan::KernelOp kernel, plan::GeometryAttr geometry, const lm::RegionParts &parts)
      : kernel(kernel), geometry(geometry), parts(parts),
        name(kernel.getSchedule().getTemplateName()), out(text), functors(kernel, parts, out) {}

  FailureOr<std::string> emit();

private:
  int64_t tunable(StringRef key) {
    return kernel.getSchedule().getTunables().getAs<IntegerAttr>(key).getInt();
  }
  unsigned numOperands() {
    return kernel.getNumInputs() + kernel.getNumResults();
  }
  void open(StringRef header);
  void close(const Twine &call, const Twine &check = "");
  LogicalResult emitSegments(std::string &list, const lm::StreamShape *shape = nullptr);
  LogicalResult emitLinear();
  LogicalResult emitRows();
  LogicalResult emitElements();
  LogicalResult emitAttention();

  plan::KernelOp kernel;
  plan::GeometryAttr geometry;
  const lm::RegionParts &parts;
  StringRef name;
  std::string text;
  llvm::raw_string_ostream out;
  codegen::SegmentEmitter functors;
};
} // namespace

static int64_t rowsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(0);
}

void KernelEmitter::open(StringRef header) {
  out << "// Template " << name << ".\n#include \"kernels/" << header
      << "\"\n\nnamespace {\nusing namespace stoop::gpu;\n"
      << formatv("using A = Arguments<{0}>;\n\n", numOperands());
}

void KernelEmitter::close(const Twine &call, const Twine &check) {
  // Without a least number of blocks the assembler spills registers of some kernels to fit one more.
  out << "#line 1 \"" << codegen::kEntryName << "\"\n" << check << "}  // namespace\n\n"
      << formatv("extern \"C\" __global__ void __launch_bounds__({0}, 1) ", geometry.getThreads())
      << codegen::kEntryName << "(const __grid_constant__ A a) {\n  " << call << ";\n}\n";
}

LogicalResult KernelEmitter::emitSegments(std::string &list, const lm::StreamShape *shape) {
  for (auto [index, segment] : llvm::enumerate(parts.segments)) {
    std::string more;
    if (shape)
      more = formatv(", width = {0}, slice = {1}", shape->width(index), shape->slice()).str();
    if (failed(functors.emitSegment(segment, index, more)))
      return failure();
    list += formatv("{0}Segment{1}", index ? ", " : "", index).str();
  }
  return success();
}

LogicalResult KernelEmitter::emitLinear() {
  bool isStream = name == "linear_stream", isSmall = name == "linear_small";
  if (!isStream && !isSmall && parts.hasPrologue() && !lm::isNormedByTiles(kernel.getBody().front()))
    return kernel.emitOpError() << "has a prologue, which template '" << name << "' does not take";
  if (parts.segments.empty() || parts.segments.front().linears.empty())
    return kernel.emitOpError() << "has no linear for template '" << name << "'";
  open(isStream ? "linear/linear_stream.cuh" : isSmall ? "linear/linear_small.cuh" : "linear/linear_tile.cuh");
  if (parts.hasPrologue() && failed(functors.emitPrologue()))
    return failure();
  int64_t rows = rowsOf(lm::LinearOp(parts.segments.front().linears.front()).getInput());
  std::optional<lm::StreamShape> shape;
  if (isStream)
    shape.emplace(parts, rows, tunable("slice"));
  std::string segments;
  if (failed(emitSegments(segments, shape ? &*shape : nullptr)))
    return failure();
  StringRef prologue = parts.hasPrologue() ? "Rows" : "NoPrologue";
  out << "struct Config { static constexpr int rows = " << rows;
  if (isStream) {
    out << formatv(", threads = {0}, stages = {1}, split = {2}, trigger = {3}, ticket_bytes = {4}; };\n", geometry.getThreads(),
                   tunable("stages"), tunable("split"), tunable("trigger"), plan::kTicketBytes);
    close("linear_stream<Config, " + prologue + ", " + segments + ">(a)",
          "static_assert(stream_shared_bytes<Config, " + segments + ">() == " + Twine(geometry.getShared()) + ");\n");
    return success();
  }
  if (isSmall) {
    int64_t perWarp = tunable("columns_per_warp");
    out << formatv(", threads = {0}, columns_per_warp = {1}, tile_columns = {2}; };\n",
                   geometry.getThreads(), perWarp, geometry.getThreads() / 32 * perWarp);
    close("linear_small<Config, " + prologue + ", " + segments + ">(a)",
          "static_assert(small_shared_bytes<Config, " + segments + ">() == " + Twine(geometry.getShared()) + ");\n");
    return success();
  }
  bool isMma = name == "linear_mma";
  out << formatv(", tile_rows = 64, tile_columns = {0}, stages = {1}, splits = {2}, ticket_bytes = {3}; };\n",
                 tunable("tile_columns"), isMma ? tunable("stages") : 1, isMma ? tunable("splits") : 1, plan::kTicketBytes);
  std::string tile = isMma ? "MmaTile, Config, " : "FmaTile, Config, ";
  close("linear_tile<" + tile + prologue + ", " + segments + ">(a)",
        "static_assert(tile_shared_bytes<" + tile + segments + ">() == " + Twine(geometry.getShared()) + ");\n");
  return success();
}

LogicalResult KernelEmitter::emitRows() {
  if (!parts.segments.empty() || !parts.hasPrologue())
    return kernel.emitOpError() << "has other ops than template '" << name << "' computes";
  open("norm/prologue.cuh");
  if (failed(functors.emitPrologue()))
    return failure();
  close(formatv("whole_rows<Rows, {0}, {1}>(a)", geometry.getGrid()[0], geometry.getThreads()).str());
  return success();
}

LogicalResult KernelEmitter::emitElements() {
  if (parts.hasPrologue() || parts.segments.size() != 1 || !parts.segments.front().linears.empty())
    return kernel.emitOpError() << "has other ops than template '" << name << "' computes";
  open("elementwise/elements.cuh");
  std::string segments;
  if (failed(emitSegments(segments)))
    return failure();
  close(formatv("elements<Segment0, {0}, {1}>(a)", geometry.getGrid()[1], geometry.getThreads()).str());
  return success();
}

LogicalResult KernelEmitter::emitAttention() {
  lm::AttentionOp op = parts.attention;
  if (!op)
    return kernel.emitOpError() << "has no attention for template '" << name << "'";
  lm::KvType cache = op.getCache().getType();
  auto number = [](Value value) { return cast<BlockArgument>(value).getArgNumber(); };
  unsigned query = number(op.getQuery()), result = kernel.getNumInputs();
  StringRef alibi = op.getAlibi() == lm::AlibiMode::None    ? "none"
                    : op.getAlibi() == lm::AlibiMode::Exact ? "exact"
                                                            : "bf16_rounded";
  bool isMma = name == "attention_mma";
  open(("attention/" + name + ".cuh").str());
  if (auto slopes = op.getSlopes()) {
    out << "__device__ constexpr float slopes[] = {";
    for (auto [index, slope] : llvm::enumerate(*slopes))
      out << (index ? ", " : "") << codegen::floatLiteral(slope);
    out << "};\n";
  } else {
    out << "__device__ constexpr const float* slopes = nullptr;\n";
  }
  out << "struct Config {\n"
      << formatv("  using Element = {0};\n  using CacheShape = Cache<{1}, {2}, {3}, {4}, {5}>;\n",
                 codegen::deviceType(getElementTypeOrSelf(op.getQuery().getType())),
                 codegen::deviceType(cache.getElementType()), cache.getBatch(), cache.getHeads(),
                 cache.getPositions(), cache.getHeadDim())
      << formatv("  static constexpr int rows = {0}, heads = {1}, kv_heads = {2}, head_dim = {3};\n",
                 rowsOf(op.getQuery()), op.getHeads(), cache.getHeads(), cache.getHeadDim());
  if (isMma)
    out << formatv("  static constexpr int row_fragments = {0}, key_tile = {1};\n",
                   tunable("row_fragments"), tunable("key_tile"));
  else
    out << formatv("  static constexpr int threads = {0}, row_tile = {1}, items = {2}, splits = {3}, "
                   "least_split_keys = {4}, ticket_bytes = {5};\n",
                   geometry.getThreads(), tunable("row_tile"),
                   std::min<int64_t>(op.getHeads() / cache.getHeads(), 72), tunable("splits"),
                   tunable("least_split_keys"),
                   plan::kTicketBytes);
  out << formatv("  static constexpr int query_operand = {0}, cache_operand = {1}, "
                 "positions_operand = {2}, slots_operand = {3}, result_operand = {4};\n",
                 query, number(op.getCache()), number(op.getPositions()), number(op.getSlots()),
                 result)
      << formatv("  static constexpr int query_stride = {0}, result_stride = {1};\n",
                 kernel.getRowStrides()[query], kernel.getRowStrides()[result])
      << formatv("  static constexpr float scale = {0};\n  static constexpr Alibi alibi = "
                 "Alibi::{1};\n};\n",
                 codegen::floatLiteral(op.getScale().convertToFloat()), alibi);
  close(name + "<Config>(a, slopes)", "static_assert(" + name + "_shared_bytes<Config>() == " +
                                          Twine(geometry.getShared()) + ");\n");
  return success();
}

FailureOr<std::string> KernelEmitter::emit() {
  LogicalResult done = name.starts_with("linear_")     ? emitLinear()
                       : name.ends_with("_rows")       ? emitRows()
                       : name.ends_with("_elements")   ? emitElements()
                       : name.starts_with("attention_") ? emitAttention()
                                                       : failure();
  if (failed(done))
    return failure();
  return text;
}

FailureOr<std::string> codegen::emitKernel(plan::KernelOp kernel) {
  auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
  if (!geometry)
    return kernel.emitOpError() << "of template '" << kernel.getSchedule().getTemplateName()
                                << "' has no " << plan::kGeometryAttrName
                                << ": target cuda has no such template, or plan-set-geometry has "
                                   "not run";
  FailureOr<lm::RegionParts> parts = lm::takeApart(kernel.getBody().front());
  if (failed(parts))
    return failure();
  return KernelEmitter(kernel, geometry, *parts).emit();
}

StringRef codegen::samplingSource() {
  return R"(#include "kernels/probe/read.cuh"
#include "kernels/sampling/sample.cuh"

namespace {
using namespace stoop::gpu;
}

extern "C" __global__ void __launch_bounds__(256)
stoop_begin_step(const State* states, int* tokens, int* positions, int* slots, int rows, Step* step) {
  begin_step(states, tokens, positions, slots, rows, step);
}

// One block a multiprocessor is enough: more would have to share its registers, and spill.
extern "C" __global__ void __launch_bounds__(512, 1)
stoop_choose_token(const float* logits, const float* maxima, u32 vocab, u32 num_ids, State* states, u32* histories) {
  choose_token<512>(logits, maxima, vocab, num_ids, states, histories);
}

extern "C" __global__ void __launch_bounds__(256)
stoop_read_all(const uint4* data, unsigned long long count, u32* sink) {
  read_all(data, count, sink);
}
)";
}

std::vector<uint8_t> codegen::operandAccess(plan::KernelOp kernel) {
  std::vector<uint8_t> access(kernel.getNumInputs(), 1);
  access.insert(access.end(), kernel.getNumResults(), 2);
  kernel.walk([&](lm::KvAppendOp append) {
    access[cast<BlockArgument>(append.getCache()).getArgNumber()] = 3;
  });
  return access;
}
