//===- Workload.cpp - the memory of one launch ----------------------------===//
#include "compiler/tune/Workload.h"

#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "ir/support/TileOrder.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <sys/mman.h>

using namespace mlir;

namespace stoop::tune {

Pages::Pages(uint64_t bytes) : bytes(std::max<uint64_t>(bytes, 1)) {
  void *memory = mmap(nullptr, this->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    llvm::report_bad_alloc_error("no memory for the operands of a kernel");
  madvise(memory, this->bytes, MADV_NOHUGEPAGE);
  address = static_cast<uint8_t *>(memory);
}

Pages::~Pages() {
  if (address)
    munmap(address, bytes);
}

/// Bytes that are drawn; longer buffers repeat them.
static constexpr uint64_t kDrawnBytes = 1 << 20;

/// The bits of `value` in a floating-point type.
static uint32_t bitsOf(Type type, float value) {
  llvm::APFloat number(value);
  bool lost;
  number.convert(cast<FloatType>(type).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return static_cast<uint32_t>(number.bitcastToAPInt().getZExtValue());
}

/// One element of a floating-point type.
static float valueAt(Type type, const char *data, uint64_t index) {
  if (type.isF32()) {
    float value;
    std::memcpy(&value, data + 4 * index, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data + 2 * index, 2);
  if (type.isBF16())
    return std::bit_cast<float>(uint32_t(bits) << 16);
  return llvm::APFloat(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits)).convertToFloat();
}

static void repeat(uint8_t *data, uint64_t drawn, uint64_t bytes) {
  for (uint64_t at = drawn; at < bytes; at += drawn)
    std::memcpy(data + at, data, std::min(drawn, bytes - at));
}

static void fillRandom(uint8_t *data, uint64_t bytes, std::mt19937_64 &random) {
  uint64_t drawn = std::min(bytes, kDrawnBytes);
  for (uint64_t i = 0; i < drawn; ++i)
    data[i] = random();
  repeat(data, drawn, bytes);
}

/// The scale of groups of half bytes, a float16 of about 1/15.
static constexpr uint16_t kNibbleScale = 0x2c44;

/// Panels of random codes with scales of about one over the largest code.
static void fillQuantised(uint8_t *data, uint64_t bytes, const QuantScheme &scheme, int64_t columns,
                          std::mt19937_64 &random) {
  fillRandom(data, bytes, random);
  int64_t panelBytes = scheme.panelBytes(columns);
  const float wide = 1.0f / 127;
  for (uint8_t *panel = data; panel + panelBytes <= data + bytes; panel += panelBytes) {
    if (!scheme.group) {
      for (int row = 0; row < 16; ++row)
        std::memcpy(panel + 4 * row, &wide, 4);
      continue;
    }
    uint8_t *header = panel;
    for (int64_t group = 0; group < scheme.numGroups(columns); ++group) {
      for (int row = 0; row < 16; ++row)
        std::memcpy(header + 2 * row, &kNibbleScale, 2);
      header += 40 + (scheme.groupColumns(group, columns) + 7) / 8 * 64;
    }
  }
}

/// Tiles of random codes, alike.
static void fillTiles(uint8_t *data, uint64_t bytes, const QuantScheme &scheme, int64_t columns,
                      std::mt19937_64 &random) {
  fillRandom(data, bytes, random);
  const TileForm form = TileForm::of(scheme);
  const float wide = scheme.isFloat ? 1.0f / 448 : 1.0f / 127;
  for (uint8_t *strip = data; strip + form.stripBytes(columns) <= data + bytes; strip += form.stripBytes(columns)) {
    uint8_t *scales = strip + form.tiles(columns) * kTileBytes;
    for (int64_t row = 0; row < kTileStrip && !form.groups; ++row)
      std::memcpy(scales + 4 * row, &wide, 4);
    for (int64_t tile = 0; tile < form.tiles(columns); ++tile)
      for (int64_t scale = 0; scale < form.groups * kTileStrip; ++scale)
        std::memcpy(scales + tile * form.scaleBytes() + 2 * scale, &kNibbleScale, 2);
  }
}

/// Floats between -1 and 1.
static void fillFloats(uint8_t *data, uint64_t bytes, Type element, std::mt19937_64 &random) {
  uint64_t size = element.getIntOrFloatBitWidth() / 8;
  uint64_t drawn = std::min(bytes, kDrawnBytes) / size * size;
  std::uniform_real_distribution<float> distribution(-1, 1);
  for (uint64_t i = 0; i < drawn; i += size) {
    uint32_t bits = bitsOf(element, distribution(random));
    std::memcpy(data + i, &bits, size);
  }
  if (drawn)
    repeat(data, drawn, bytes);
}

void Workload::fill(uint8_t *data, const Operand &operand, RankedTensorType type,
                    std::mt19937_64 &random) const {
  if (!operand.numbers.empty()) // tokens, positions, slots
    std::memcpy(data, operand.numbers.data(), std::min<uint64_t>(operand.bytes, 4 * operand.numbers.size()));
  else if (std::optional<QuantScheme> scheme = type ? quantSchemeOf(type) : std::nullopt)
    (isTiled ? fillTiles : fillQuantised)(data, operand.bytes, *scheme, type.getShape().back(), random);
  else if (isa_and_nonnull<FloatType>(operand.element))
    fillFloats(data, operand.bytes, operand.element, random);
}

/// What tells rows apart: appended rows go to positions 0, 1, ... of the first sequence; rows that attend are
/// the last of a full context: of one sequence, or, at decode, each of its own.
static std::vector<int32_t> numbersOf(BlockArgument input, int64_t rows, bool isDecode) {
  std::vector<int32_t> numbers(rows);
  for (int64_t row = 0; row < rows; ++row)
    numbers[row] = static_cast<int32_t>(row);
  for (Operation *user : input.getUsers()) {
    if (auto append = dyn_cast<lm::KvAppendOp>(user); append && append.getSlots() == input)
      numbers.assign(rows, 0);
    auto attention = dyn_cast<lm::AttentionOp>(user);
    if (!attention)
      continue;
    int64_t last = attention.getCache().getType().getPositions() - 1;
    for (int64_t row = 0; row < rows; ++row)
      if (attention.getSlots() == input)
        numbers[row] = static_cast<int32_t>(isDecode ? row : 0);
      else
        numbers[row] = static_cast<int32_t>(isDecode ? last : std::max<int64_t>(0, last - rows + 1 + row));
  }
  return numbers;
}

Workload::Workload(plan::KernelOp kernel, plan::LaunchOp launch, uint64_t streamBytes,
                   uint64_t seed) {
  static std::atomic<uint64_t> last{0};
  number = ++last;
  isTiled = kernel->hasAttr(plan::kGeometryAttrName); // GPUs read codes in tiles, CPUs in panels
  auto program = kernel->getParentOfType<plan::ProgramOp>();
  auto entry = launch->getParentOfType<plan::EntryOp>();
  Block &body = kernel.getBody().front();
  SmallVector<bool> isWeight;
  SmallVector<RankedTensorType> types;
  uint64_t weightBytes = 0;
  auto add = [&](Value buffer, Type type, bool isWritten) {
    auto slice = buffer.getDefiningOp<plan::SliceOp>();
    auto arena = program.lookupSymbol<plan::ArenaOp>(slice.getArena());
    bool isConstant = arena.getLifetime() == plan::Lifetime::Constant;
    auto tensor = dyn_cast<RankedTensorType>(type);
    auto cache = dyn_cast<lm::KvType>(type);
    operands.push_back({tensor  ? tensor.getElementType()
                        : cache ? cache.getElementType()
                                : Type(),
                        static_cast<uint64_t>(slice.getSize()), isWritten, {}, {}});
    isWeight.push_back(isConstant);
    types.push_back(tensor);
    weightBytes += isConstant ? operands.back().bytes : 0;
  };
  for (auto [buffer, argument] : llvm::zip(launch.getReads(), body.getArguments())) {
    add(buffer, argument.getType(), llvm::is_contained(launch.getUpdates(), buffer));
    if (auto tensor = dyn_cast<RankedTensorType>(argument.getType());
        tensor && tensor.getElementType().isInteger(32))
      operands.back().numbers = numbersOf(argument, static_cast<int64_t>(operands.back().bytes / 4),
                                          entry.getKind() == plan::EntryKind::Decode);
  }
  for (auto [buffer, result] : llvm::zip(launch.getWrites(), body.back().getOperands()))
    add(buffer, result.getType(), true);
  if (weightBytes)
    copies = std::max<uint64_t>(1, streamBytes / weightBytes);

  std::mt19937_64 random(seed);
  for (size_t i = 0; i < operands.size(); ++i) {
    Operand &operand = operands[i];
    operand.memory.emplace_back(operand.bytes);
    if (!operand.isWritten)
      fill(operand.memory.front().data(), operand, types[i], random);
    for (unsigned copy = 1; copy < copies && isWeight[i]; ++copy) {
      operand.memory.emplace_back(operand.bytes);
      std::memcpy(operand.memory.back().data(), operand.memory.front().data(), operand.bytes);
    }
  }
  for (unsigned copy = 0; copy < copies; ++copy) {
    pointers.emplace_back();
    for (Operand &operand : operands)
      pointers.back().push_back(operand.memory[copy % operand.memory.size()].data());
  }
}

void Workload::reset() {
  for (Operand &operand : operands)
    if (operand.isWritten)
      std::memset(operand.memory.front().data(), 0, operand.bytes);
}

std::string Workload::results() const {
  std::string all;
  for (const Operand &operand : operands)
    if (operand.isWritten)
      all.append(reinterpret_cast<const char *>(operand.memory.front().data()), operand.bytes);
  return all;
}

std::string Workload::difference(const std::string &expected, const std::string &actual) const {
  uint64_t begin = 0;
  for (const Operand &operand : operands) {
    if (!operand.isWritten)
      continue;
    const char *a = expected.data() + begin, *b = actual.data() + begin;
    begin += operand.bytes;
    Type type = operand.element;
    uint64_t count = operand.bytes / (type.getIntOrFloatBitWidth() / 8);
    double squares = 0;
    for (uint64_t i = 0; i < count; ++i)
      squares += double(valueAt(type, a, i)) * valueAt(type, a, i);
    double share = type.isF32() ? 1e-4 : 1.0 / 64, mean = std::sqrt(squares / std::max<uint64_t>(count, 1));
    for (uint64_t i = 0; i < count; ++i) {
      double want = valueAt(type, a, i), got = valueAt(type, b, i);
      // Written so that a NaN on either side is a difference.
      if (!(std::abs(got - want) <= share * (std::abs(want) + mean)))
        return "element " + std::to_string(i) + " of a result is " + std::to_string(got) + ", not " +
               std::to_string(want);
    }
  }
  return "";
}

} // namespace stoop::tune
