//===- GpuStep.cpp - a whole step of a program on a GPU -------------------===//
#include "compiler/tune/GpuStep.h"

#include "codegen/cuda/KernelEmitter.h"
#include "runtime/device/cuda/cuda_device.h"
#include "stoop/abi.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/MathExtras.h"
#include <deque>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

namespace stoop::tune {

static constexpr uint64_t kPatternBytes = 16u << 20;
/// Where arenas begin that share one.
static constexpr uint64_t kArenaAlign = 65536;

namespace {
/// One file mapped again and again: what a program's weights are for a device that reads them, in little memory.
class Pattern {
public:
  ~Pattern() {
    if (address != MAP_FAILED)
      munmap(address, bytes);
  }
  /// Small numbers, finite whether their bits are read as 16 or as 32 of a float.
  bool make(uint64_t size, const llvm::fltSemantics &element);
  const void *data() const { return address; }

private:
  void *address = MAP_FAILED;
  uint64_t bytes = 0;
};
} // namespace

bool Pattern::make(uint64_t size, const llvm::fltSemantics &element) {
  uint64_t part = std::min(kPatternBytes, llvm::alignTo(size, kArenaAlign));
  bytes = llvm::alignTo(std::max<uint64_t>(size, 1), part);
  std::vector<uint16_t> numbers(part / 2);
  std::mt19937_64 random(1);
  for (uint16_t &number : numbers) {
    llvm::APFloat value((static_cast<float>(random() % 2048) - 1023.5f) / 16384);
    bool lost;
    value.convert(element, llvm::APFloat::rmNearestTiesToEven, &lost);
    number = static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
  }
  int file = memfd_create("stoop-tune", MFD_CLOEXEC);
  if (file < 0)
    return false;
  bool isWritten = write(file, numbers.data(), part) == static_cast<ssize_t>(part);
  address = isWritten ? mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
  bool isMade = address != MAP_FAILED;
  for (uint64_t at = 0; at < bytes && isMade; at += part)
    isMade = mmap(static_cast<char *>(address) + at, part, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
  close(file);
  return isMade;
}

/// The structs of abi.h, and who owns what they point to.
class GpuStep::Program {
public:
  explicit Program(plan::LaunchOp launch)
      : launch(launch), entry(launch->getParentOfType<plan::EntryOp>()), program(entry->getParentOfType<plan::ProgramOp>()) {}
  ~Program() { device.unload(); }

  llvm::Error load(ArrayRef<StepCode> variants, llvm::function_ref<StepCode(plan::KernelOp)> codeOf,
                   const kernels::GpuArchitecture &architecture, bool takesCubins);
  llvm::Error run(unsigned variant);

  unsigned launches = 0;

private:
  uint32_t fact(StringRef key, int64_t missing) {
    auto value = program.getMetadata().getAs<IntegerAttr>(key);
    return static_cast<uint32_t>(value ? value.getInt() : missing);
  }
  void addArenas();
  void addKernel(plan::KernelOp kernel, const StepCode &code);
  const stoop_gpu_image *imagesOf(const codegen::CompiledCode &code);
  void addEntry(uint32_t variantKernel);
  stoop_slice sliceOf(FlatSymbolRefAttr arena, uint64_t offset, uint64_t size) const;
  stoop_slice sliceOf(std::optional<plan::SliceAttr> place) const;
  void fillInputs(const stoop_entry &entry);

  struct Place {
    uint32_t arena;
    uint64_t base;
  };
  plan::LaunchOp launch;
  plan::EntryOp entry;
  plan::ProgramOp program;
  llvm::DenseMap<StringAttr, Place> places;
  llvm::DenseMap<StringAttr, uint32_t> numbers; ///< of kernels
  std::vector<stoop_arena> arenas;
  std::vector<stoop_kernel> kernels;
  std::vector<stoop_gpu_kernel> gpuKernels;
  std::vector<stoop_entry> entries;
  std::deque<std::vector<uint8_t>> access;
  std::vector<uint8_t> startsEarly;
  std::deque<std::array<stoop_gpu_image, 2>> images;
  std::deque<std::vector<stoop_slice>> buffers;
  std::deque<std::vector<stoop_launch>> launchLists;
  stoop_level levels[2] = {};
  std::string levelNames[2];
  codegen::CompiledCode sampling;
  uint64_t scratch = 0;
  stoop_gpu_program gpu = {};
  stoop_program_desc desc = {};
  Pattern pattern;
  rt::Memory memory{nullptr};
  rt::CudaDevice device;
};

/// Caches lie behind the weights, so that they are uploaded with them.
void GpuStep::Program::addArenas() {
  uint64_t filled = 0;
  arenas.push_back({"weights and caches", 0, kArenaAlign, STOOP_CONSTANT});
  for (auto arena : program.getOps<plan::ArenaOp>()) {
    plan::Lifetime lifetime = arena.getLifetime();
    if (lifetime == plan::Lifetime::Constant || lifetime == plan::Lifetime::Persistent) {
      places[arena.getSymNameAttr()] = {0, filled};
      filled = llvm::alignTo(filled + arena.getSize(), kArenaAlign);
      continue;
    }
    places[arena.getSymNameAttr()] = {static_cast<uint32_t>(arenas.size()), 0};
    arenas.push_back({arena.getSymName().data(), arena.getSize(), static_cast<uint32_t>(arena.getAlign()),
                      static_cast<uint32_t>(lifetime)});
  }
  arenas.front().size = filled;
}

stoop_slice GpuStep::Program::sliceOf(FlatSymbolRefAttr arena, uint64_t offset, uint64_t size) const {
  Place place = places.lookup(arena.getAttr());
  return {place.arena, 0, place.base + offset, size};
}

stoop_slice GpuStep::Program::sliceOf(std::optional<plan::SliceAttr> place) const {
  return place ? sliceOf(place->getArena(), place->getOffset(), place->getSize()) : stoop_slice{};
}

/// PTX and machine code, as `levels` has them.
const stoop_gpu_image *GpuStep::Program::imagesOf(const codegen::CompiledCode &code) {
  images.push_back({stoop_gpu_image{code.ptx.c_str(), code.ptx.size() + 1}, {code.cubin.data(), code.cubin.size()}});
  return images.back().data();
}

void GpuStep::Program::addKernel(plan::KernelOp kernel, const StepCode &code) {
  access.push_back(codegen::operandAccess(kernel));
  ArrayRef<int64_t> grid = code.geometry.getGrid();
  auto number = [](int64_t value) { return static_cast<uint32_t>(value); };
  kernels.push_back({kernel.getSymName().data(), nullptr});
  gpuKernels.push_back({imagesOf(*code.code), access.back().data(), {number(grid[0]), number(grid[1]), number(grid[2])},
                        number(code.geometry.getThreads()), number(code.geometry.getShared()), number(access.back().size())});
  startsEarly.push_back(kernel->hasAttr(plan::kStartsEarlyAttrName));
  scratch = std::max<uint64_t>(scratch, code.geometry.getScratch());
}

/// The entry with kernel `variantKernel` in place of the one that is asked about. To the runtime it is one that scores: it
/// generates nothing, so there is one graph of it.
void GpuStep::Program::addEntry(uint32_t variantKernel) {
  launchLists.emplace_back();
  launches = 0;
  for (auto op : entry.getOps<plan::LaunchOp>()) {
    bool isAsked = op.getKernel() == launch.getKernel();
    launches += isAsked;
    buffers.emplace_back();
    for (ValueRange operands : {ValueRange(op.getReads()), ValueRange(op.getWrites())})
      for (Value operand : operands) {
        auto slice = operand.getDefiningOp<plan::SliceOp>();
        buffers.back().push_back(sliceOf(slice.getArenaAttr(), slice.getOffset(), slice.getSize()));
      }
    launchLists.back().push_back({isAsked ? variantKernel : numbers.lookup(op.getKernelAttr().getAttr()),
                                  static_cast<uint32_t>(buffers.back().size()), buffers.back().data(), "tune"});
  }
  entries.push_back({entry.getSymName().data(), STOOP_ENTRY_SCORE, static_cast<uint32_t>(entry.getRows()),
                     static_cast<uint32_t>(launchLists.back().size()), 0, launchLists.back().data(), sliceOf(entry.getTokens()),
                     sliceOf(entry.getPositions()), sliceOf(entry.getSlots()), sliceOf(entry.getLogits()),
                     sliceOf(entry.getMaxima())});
}

llvm::Error GpuStep::Program::load(ArrayRef<StepCode> variants, llvm::function_ref<StepCode(plan::KernelOp)> codeOf,
                                   const kernels::GpuArchitecture &architecture, bool takesCubins) {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc)
    return nvrtc.takeError();
  llvm::Expected<codegen::CompiledCode> around = (*nvrtc)->compileCached(codegen::samplingSource().str(), architecture);
  if (!around)
    return around.takeError();
  sampling = std::move(*around);
  addArenas();
  auto asked = program.lookupSymbol<plan::KernelOp>(launch.getKernel());
  for (auto op : entry.getOps<plan::LaunchOp>())
    if (auto kernel = program.lookupSymbol<plan::KernelOp>(op.getKernel());
        kernel != asked && numbers.try_emplace(kernel.getSymNameAttr(), kernels.size()).second)
      addKernel(kernel, codeOf(kernel));
  for (const StepCode &variant : variants) {
    addEntry(kernels.size());
    addKernel(asked, variant);
  }

  uint64_t required = architecture.capability | (architecture.exact ? STOOP_GPU_EXACT : 0) |
                      (architecture.overlapsLaunches() ? STOOP_GPU_WAITS : 0);
  levelNames[0] = architecture.name.str() + ".ptx";
  levelNames[1] = architecture.name.str();
  levels[0] = {levelNames[0].c_str(), required | STOOP_GPU_PTX};
  levels[1] = {levelNames[1].c_str(), required};
  gpu.kernels = gpuKernels.data();
  gpu.sampling = imagesOf(sampling);
  gpu.starts_early = startsEarly.data();
  desc.struct_size = sizeof desc;
  desc.abi_version = STOOP_ABI_VERSION;
  desc.magic = STOOP_MAGIC;
  desc.target = "cuda";
  desc.model.name = "tune";
  desc.model.vocab = desc.model.num_token_ids = fact("vocab", 0);
  desc.model.max_positions = fact("max_positions", 1);
  desc.model.max_batch = fact("max_batch", 1);
  desc.num_levels = 2;
  desc.num_arenas = arenas.size();
  desc.num_kernels = kernels.size();
  desc.num_entries = entries.size();
  desc.levels = levels;
  desc.arenas = arenas.data();
  desc.kernels = kernels.data();
  desc.entries = entries.data();
  desc.scratch_bytes =
      llvm::alignTo(scratch, 64) + stoop_gpu_launch_scratch_offset(desc.model.max_batch, desc.model.vocab);
  desc.gpu = &gpu;

  auto dtype = program.getMetadata().getAs<StringAttr>("dtype");
  if (!pattern.make(arenas.front().size, dtype && dtype.getValue() == "f16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat()))
    return llvm::createStringError("no memory for a pattern of weights");
  rt::Message message;
  if (device.load(memory, desc, levelNames[takesCubins].c_str(), pattern.data(), nullptr, nullptr, message) != STOOP_OK)
    return llvm::createStringError(message.text);
  return llvm::Error::success();
}

/// Rows that decode are the last of a sequence each, others the last of the first sequence.
void GpuStep::Program::fillInputs(const stoop_entry &of) {
  auto *tokens = reinterpret_cast<int32_t *>(device.staging() + of.tokens.offset);
  auto *positions = reinterpret_cast<int32_t *>(device.staging() + of.positions.offset);
  auto *slots = reinterpret_cast<int32_t *>(device.staging() + of.slots.offset);
  bool isDecode = entry.getKind() == plan::EntryKind::Decode;
  auto rows = static_cast<int32_t>(of.rows), end = static_cast<int32_t>(desc.model.max_positions);
  for (int32_t row = 0; row < rows; ++row) {
    tokens[row] = static_cast<int32_t>(row % desc.model.vocab);
    positions[row] = isDecode ? end - 1 : std::max(end - rows, 0) + row;
    slots[row] = isDecode ? row : 0;
  }
}

llvm::Error GpuStep::Program::run(unsigned variant) {
  fillInputs(entries[variant]);
  rt::Message message;
  if (device.run(variant, entries[variant].rows, message) != STOOP_OK)
    return llvm::createStringError(message.text);
  return llvm::Error::success();
}

GpuStep::GpuStep(std::unique_ptr<Program> program) : program(std::move(program)) {}
GpuStep::~GpuStep() = default;

llvm::Expected<std::unique_ptr<GpuStep>> GpuStep::load(plan::LaunchOp launch, ArrayRef<StepCode> variants,
                                                       llvm::function_ref<StepCode(plan::KernelOp)> codeOf,
                                                       const kernels::GpuArchitecture &architecture,
                                                       bool takesCubins) {
  auto program = std::make_unique<Program>(launch);
  if (llvm::Error failed = program->load(variants, codeOf, architecture, takesCubins))
    return failed;
  return std::unique_ptr<GpuStep>(new GpuStep(std::move(program)));
}

llvm::Error GpuStep::run(unsigned variant) { return program->run(variant); }
unsigned GpuStep::launches() const { return program->launches; }

} // namespace stoop::tune
