//===- ProgramDescriptor.cpp - stoop_program_desc as an object ------------===//
//
// Every struct of abi.h is written field by field in declaration order, padding and reserved fields
// included; the size of each finished constant is compared with sizeof of the C struct, so a change
// of abi.h cannot go unnoticed.
//
//===----------------------------------------------------------------------===//
#include "codegen/ProgramDescriptor.h"
#include "codegen/TargetRegistry.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "stoop/abi.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace stoop;
using llvm::Constant;

namespace {
/// The module under construction and constants of C's types.
class ConstantWriter {
public:
  explicit ConstantWriter(llvm::Module &module)
      : module(module), context(module.getContext()),
        pointer(llvm::PointerType::getUnqual(context)) {}

  Constant *u32(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value);
  }
  Constant *u64(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value);
  }
  Constant *f32(double value) {
    return llvm::ConstantFP::get(llvm::Type::getFloatTy(context), value);
  }
  Constant *null() { return llvm::ConstantPointerNull::get(pointer); }
  Constant *zeros(unsigned count) {
    return llvm::ConstantAggregateZero::get(
        llvm::ArrayType::get(llvm::Type::getInt64Ty(context), count));
  }

  /// A C struct; T is the struct of abi.h that the fields spell.
  template <class T> Constant *record(ArrayRef<Constant *> fields) {
    Constant *value = llvm::ConstantStruct::getAnon(context, fields);
    assert(module.getDataLayout().getTypeAllocSize(value->getType()) == sizeof(T) &&
           "field list differs from abi.h");
    return value;
  }

  /// Address of a constant array; null for an empty one.
  Constant *array(ArrayRef<Constant *> elements, llvm::StringRef name) {
    if (elements.empty())
      return null();
    auto *type = llvm::ArrayType::get(elements.front()->getType(), elements.size());
    return global(llvm::ConstantArray::get(type, elements), name);
  }

  /// Address of a NUL-terminated string; equal texts share one.
  Constant *string(llvm::StringRef text) {
    Constant *&slot = strings[text];
    if (!slot)
      slot = global(llvm::ConstantDataArray::getString(context, text), "text");
    return slot;
  }

  /// Address of bytes, aligned to 64.
  Constant *bytes(ArrayRef<char> data, llvm::StringRef name) {
    llvm::StringRef text(data.data(), data.size());
    Constant *value = llvm::ConstantDataArray::getString(context, text, /*AddNull=*/false);
    auto *variable = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                              llvm::GlobalValue::PrivateLinkage, value, name);
    variable->setAlignment(llvm::Align(64));
    return variable;
  }
  Constant *u8(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt8Ty(context), value);
  }

  Constant *global(Constant *value, llvm::StringRef name) {
    auto *variable = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                              llvm::GlobalValue::PrivateLinkage, value, name);
    return variable;
  }

  /// Address of a kernel's function, defined elsewhere.
  Constant *function(llvm::StringRef symbol) {
    auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer}, false);
    auto *declared = cast<llvm::Function>(module.getOrInsertFunction(symbol, type).getCallee());
    declared->setVisibility(llvm::GlobalValue::HiddenVisibility);
    return declared;
  }

private:
  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::PointerType *pointer;
  llvm::StringMap<Constant *> strings;
};

/// Writes one program.
class DescriptorBuilder {
public:
  DescriptorBuilder(plan::ProgramOp program, const codegen::CodeTable &code,
                    bool hasTokenizer, llvm::Module &module)
      : program(program), code(code), hasTokenizer(hasTokenizer), out(module) {}

  /// The address of the finished stoop_program_desc.
  FailureOr<Constant *> build();

private:
  FailureOr<Constant *> modelInfo();
  Constant *levels();
  FailureOr<Constant *> arenas();
  Constant *kernels();
  Constant *gpuProgram();
  Constant *gpuImages(ArrayRef<plan::BinaryOp> binaries);
  FailureOr<Constant *> entries();
  FailureOr<Constant *> entry(plan::EntryOp entry);
  FailureOr<Constant *> launch(plan::LaunchOp launch);
  Constant *slice(FlatSymbolRefAttr arena, uint64_t offset, uint64_t size) {
    return out.record<stoop_slice>(
        {out.u32(arenaIndex.lookup(arena.getAttr())), out.u32(0), out.u64(offset), out.u64(size)});
  }
  FailureOr<Constant *> slice(std::optional<plan::SliceAttr> place, plan::EntryOp entry,
                              llvm::StringRef role);

  FailureOr<int64_t> required(llvm::StringRef key);
  FailureOr<uint64_t> planned(llvm::StringRef attribute, uint64_t needed);
  int64_t integer(llvm::StringRef key, int64_t missing);
  double number(llvm::StringRef key, double missing);

  plan::ProgramOp program;
  const codegen::CodeTable &code;
  bool hasTokenizer;
  ConstantWriter out;
  DenseMap<StringAttr, unsigned> arenaIndex, kernelIndex;
  std::optional<unsigned> weightsArena;
  /// Images of kernels, by the binary of the first level: equal code is stored once.
  DenseMap<Operation *, Constant *> images;
  unsigned numEntries = 0;
};
} // namespace

int64_t DescriptorBuilder::integer(llvm::StringRef key, int64_t missing) {
  auto value = program.getMetadata().getAs<IntegerAttr>(key);
  return value ? value.getInt() : missing;
}

double DescriptorBuilder::number(llvm::StringRef key, double missing) {
  auto value = program.getMetadata().getAs<FloatAttr>(key);
  return value ? value.getValueAsDouble() : missing;
}

FailureOr<int64_t> DescriptorBuilder::required(llvm::StringRef key) {
  auto value = program.getMetadata().getAs<IntegerAttr>(key);
  if (!value)
    return program.emitOpError() << "metadata lacks the integer '" << key
                                 << "', which the runtime needs";
  return value.getInt();
}

FailureOr<Constant *> DescriptorBuilder::modelInfo() {
  FailureOr<int64_t> vocab = required("vocab"), positions = required("max_positions"),
                     batch = required("max_batch");
  if (failed(vocab) || failed(positions) || failed(batch))
    return failure();
  SmallVector<Constant *> eos;
  if (auto list = program.getMetadata().getAs<ArrayAttr>("eos"))
    for (auto id : list.getAsRange<IntegerAttr>())
      eos.push_back(out.u32(id.getInt()));
  auto name = program.getMetadata().getAs<StringAttr>("name");
  return out.record<stoop_model_info>(
      {out.string(name ? name.getValue() : program.getSymName()), out.u32(*vocab),
       out.u32(*positions), out.u32(*batch), out.u32(eos.size()), out.array(eos, "eos"),
       out.u64(integer("bos", -1)), out.u32(integer("num_token_ids", *vocab)),
       out.u32(hasTokenizer), out.f32(number("temperature", 0)),
       out.f32(number("top_p", 1)), out.f32(number("min_p", 0)),
       out.f32(number("repetition_penalty", 1)), out.u32(integer("top_k", 0)), out.u32(0)});
}

Constant *DescriptorBuilder::levels() {
  SmallVector<Constant *> list;
  for (const codegen::CodeTable::Level &level : code.levels)
    list.push_back(out.record<stoop_level>({out.string(level.name), out.u64(level.required)}));
  return out.array(list, "levels");
}

FailureOr<Constant *> DescriptorBuilder::arenas() {
  SmallVector<Constant *> list;
  for (auto arena : program.getOps<plan::ArenaOp>()) {
    if (arena.getLifetime() == plan::Lifetime::Constant) {
      if (weightsArena)
        return arena.emitOpError("is a second constant arena; the payload holds one");
      weightsArena = list.size();
    }
    arenaIndex[arena.getSymNameAttr()] = list.size();
    list.push_back(out.record<stoop_arena>({out.string(arena.getSymName()),
                                            out.u64(arena.getSize()), out.u32(arena.getAlign()),
                                            out.u32(static_cast<uint32_t>(arena.getLifetime()))}));
  }
  if (!weightsArena)
    return program.emitOpError("has no constant arena for the weights");
  return out.array(list, "arenas");
}

Constant *DescriptorBuilder::kernels() {
  SmallVector<Constant *> list;
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    SmallVector<Constant *> functions;
    for (const std::string &symbol : code.functions[list.size()])
      functions.push_back(out.function(symbol));
    kernelIndex[kernel.getSymNameAttr()] = list.size();
    std::string name = (kernel.getSymName() + "_" + kernel.getSchedule().getTemplateName()).str();
    list.push_back(out.record<stoop_kernel>({out.string(name), out.array(functions, "functions")}));
  }
  return out.array(list, "kernels");
}

/// The images of one kernel for all levels.
Constant *DescriptorBuilder::gpuImages(ArrayRef<plan::BinaryOp> binaries) {
  Constant *&known = images[binaries.front()];
  if (known)
    return known;
  SmallVector<Constant *> list;
  for (plan::BinaryOp binary : binaries) {
    auto data = cast<DenseResourceElementsAttr>(binary.getData());
    ArrayRef<char> bytes = data.getRawHandle().getBlob()->getData();
    list.push_back(
        out.record<stoop_gpu_image>({out.bytes(bytes, "image"), out.u64(bytes.size())}));
  }
  return known = out.array(list, "images");
}

Constant *DescriptorBuilder::gpuProgram() {
  if (!code.gpu)
    return out.null();
  SmallVector<Constant *> list, early;
  for (const codegen::CodeTable::GpuKernel &kernel : code.gpu->kernels) {
    early.push_back(out.u8(kernel.startsEarly));
    SmallVector<Constant *> access;
    for (uint8_t kind : kernel.access)
      access.push_back(out.u8(kind));
    list.push_back(out.record<stoop_gpu_kernel>(
        {gpuImages(kernel.images), out.array(access, "access"), out.u32(kernel.grid[0]),
         out.u32(kernel.grid[1]), out.u32(kernel.grid[2]), out.u32(kernel.threads),
         out.u32(kernel.sharedBytes), out.u32(kernel.access.size())}));
  }
  bool anyEarly = llvm::any_of(code.gpu->kernels, [](const auto &kernel) { return kernel.startsEarly; });
  return out.global(out.record<stoop_gpu_program>(
                        {out.array(list, "gpu_kernels"), gpuImages(code.gpu->sampling), out.u32(code.gpu->cudaVersion), out.u32(0),
                         out.u64(code.gpu->modulesBytes), out.u64(code.gpu->graphsBytes),
                         anyEarly ? out.array(early, "starts_early") : out.null(),
                         out.zeros(sizeof(stoop_gpu_program::reserved) / sizeof(uint64_t))}),
                    "gpu");
}

/// The model path that a location names; empty when it names none.
static std::string modelPath(Location location) {
  std::string path;
  location->walk([&](Location inner) {
    auto name = dyn_cast<NameLoc>(inner);
    if (!name)
      return WalkResult::advance();
    path = name.getName().str();
    return WalkResult::interrupt();
  });
  return path;
}

FailureOr<Constant *> DescriptorBuilder::launch(plan::LaunchOp launch) {
  SmallVector<Constant *> buffers;
  for (ValueRange operands : {ValueRange(launch.getReads()), ValueRange(launch.getWrites())})
    for (Value operand : operands) {
      auto place = operand.getDefiningOp<plan::SliceOp>();
      if (!place)
        return launch.emitOpError("uses a buffer without a place; run plan-assign-offsets");
      buffers.push_back(slice(place.getArenaAttr(), place.getOffset(), place.getSize()));
    }
  return out.record<stoop_launch>({out.u32(kernelIndex.lookup(launch.getKernelAttr().getAttr())),
                                   out.u32(buffers.size()), out.array(buffers, "buffers"),
                                   out.string(modelPath(launch.getLoc()))});
}

FailureOr<Constant *> DescriptorBuilder::slice(std::optional<plan::SliceAttr> place,
                                               plan::EntryOp entry, llvm::StringRef role) {
  if (!place)
    return entry.emitOpError() << "has no place for its " << role << "; run plan-assign-offsets";
  return slice(place->getArena(), place->getOffset(), place->getSize());
}

FailureOr<Constant *> DescriptorBuilder::entry(plan::EntryOp entry) {
  SmallVector<Constant *> launches;
  for (auto op : entry.getOps<plan::LaunchOp>()) {
    FailureOr<Constant *> written = launch(op);
    if (failed(written))
      return failure();
    launches.push_back(*written);
  }
  FailureOr<Constant *> tokens = slice(entry.getTokens(), entry, "tokens"),
                        positions = slice(entry.getPositions(), entry, "positions"),
                        slots = slice(entry.getSlots(), entry, "slots"),
                        logits = slice(entry.getLogits(), entry, "logits");
  if (failed(tokens) || failed(positions) || failed(slots) || failed(logits))
    return failure();
  std::optional<plan::SliceAttr> place = entry.getMaxima();
  Constant *maxima = place ? slice(place->getArena(), place->getOffset(), place->getSize())
                           : out.record<stoop_slice>({out.u32(0), out.u32(0), out.u64(0), out.u64(0)});
  return out.record<stoop_entry>(
      {out.string(entry.getSymName()), out.u32(static_cast<uint32_t>(entry.getKind())),
       out.u32(entry.getRows()), out.u32(launches.size()), out.u32(0),
       out.array(launches, "launches"), *tokens, *positions, *slots, *logits, maxima});
}

FailureOr<Constant *> DescriptorBuilder::entries() {
  SmallVector<Constant *> list;
  for (auto op : program.getOps<plan::EntryOp>()) {
    FailureOr<Constant *> written = entry(op);
    if (failed(written))
      return failure();
    list.push_back(*written);
  }
  numEntries = list.size();
  return out.array(list, "entries");
}

/// What the plan says a thread gets, which must be what the code needs. A program that was planned
/// without plan-size-threads gets just that.
FailureOr<uint64_t> DescriptorBuilder::planned(llvm::StringRef attribute, uint64_t needed) {
  needed = llvm::alignTo(needed, 64);
  auto size = program->getAttrOfType<IntegerAttr>(attribute);
  if (size && uint64_t(size.getInt()) != needed)
    return program.emitOpError() << "has " << attribute << " " << size.getInt()
                                 << ", but its kernels need " << needed
                                 << "; run plan-size-threads again";
  return needed;
}

FailureOr<Constant *> DescriptorBuilder::build() {
  // Arenas and kernels first: they number what slices and launches refer to.
  FailureOr<Constant *> arenaList = arenas();
  if (failed(arenaList))
    return failure();
  Constant *kernelList = kernels();
  FailureOr<Constant *> entryList = entries(), model = modelInfo();
  if (failed(entryList) || failed(model))
    return failure();
  FailureOr<uint64_t> workspace = planned(plan::kWorkspaceAttrName, code.scratchBytes),
                      stack = planned(plan::kStackAttrName, code.stackBytes);
  if (failed(workspace) || failed(stack))
    return failure();
  auto limit = program->getAttrOfType<IntegerAttr>(plan::kMaxThreadsAttrName);
  uint64_t maxThreads = limit ? limit.getInt() : STOOP_MOST_THREADS;
  Constant *description = out.record<stoop_program_desc>(
      {out.u32(sizeof(stoop_program_desc)), out.u32(STOOP_ABI_VERSION), out.u64(STOOP_MAGIC),
       out.string(program.getTarget()), *model, out.u32(code.levels.size()),
       out.u32(arenaIndex.size()), out.u32(kernelIndex.size()), out.u32(numEntries), levels(),
       *arenaList, kernelList, *entryList, out.u64(*workspace), out.u32(maxThreads),
       out.u32(*weightsArena), gpuProgram(), out.u64(*stack), out.zeros(sizeof(stoop_program_desc::reserved) / sizeof(uint64_t))});
  return out.global(description, "program");
}

/// stoop_program_query: the descriptor, or null for a caller that is too old.
static void addQuery(llvm::Module &module, Constant *description) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *type = llvm::FunctionType::get(pointer, {llvm::Type::getInt32Ty(context)}, false);
  auto *query = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                       "stoop_program_query", module);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", query));
  llvm::Value *tooOld =
      builder.CreateICmpULT(query->getArg(0), builder.getInt32(STOOP_ABI_VERSION));
  builder.CreateRet(
      builder.CreateSelect(tooOld, llvm::ConstantPointerNull::get(pointer), description));
}

FailureOr<SmallVector<char, 0>> codegen::emitProgramDescriptor(plan::ProgramOp program,
                                                               bool hasTokenizer) {
  FailureOr<const TargetBackend *> backend = targetOf(program);
  if (failed(backend))
    return failure();
  FailureOr<CodeTable> code = (*backend)->codeTable(program);
  if (failed(code))
    return failure();

  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return program.emitOpError() << "cannot emit the program descriptor: " << error;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, "x86-64", "", llvm::TargetOptions(), llvm::Reloc::PIC_));
  llvm::LLVMContext context;
  llvm::Module module("program", context);
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  FailureOr<Constant *> description = DescriptorBuilder(program, *code, hasTokenizer, module).build();
  if (failed(description))
    return failure();
  addQuery(module, *description);

  SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return program.emitOpError("cannot emit the program descriptor: no object emitter");
  passes.run(module);
  return object;
}
