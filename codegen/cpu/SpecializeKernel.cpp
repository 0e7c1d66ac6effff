//===- SpecializeKernel.cpp - from a kernel template to an object ---------===//
//
// The generated function calls the port with pointers to constant globals; after inlining LLVM
// folds every field, so the kernel sees constant shapes. Two things make that work: all string
// attributes of the library's functions are copied to the generated ones (a caller without
// "no-builtins" and the same target features would not inline), and everything but the entry is
// always_inline and internal.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/SpecializeKernel.h"
#include "codegen/CodeCache.h"
#include "codegen/cpu/ObjectGates.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include "llvm/Transforms/Scalar/SCCP.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;
using namespace stoop;

namespace {
/// Target attributes of the library, taken from one of its functions.
struct LibraryTarget {
  AttrBuilder attributes;
  std::string cpu, features;
  Triple triple;
};
} // namespace

static Error problem(const codegen::KernelSpec &spec, const Twine &what) {
  return createStringError("kernel port '" + spec.port + "': " + what.str());
}

/// Marks a generated function with the library's target attributes; unwind tables let debuggers and
/// profilers through.
static void adoptAttributes(Function &function, const LibraryTarget &target) {
  function.addFnAttrs(target.attributes);
  function.addFnAttr(Attribute::NoUnwind);
  function.addFnAttr(Attribute::getWithUWTableKind(function.getContext(), UWTableKind::Async));
}

/// Adds `bytes` as a private constant.
static GlobalVariable *addConstant(Module &module, StringRef bytes, StringRef name) {
  Constant *data = ConstantDataArray::getString(module.getContext(), bytes, /*AddNull=*/false);
  auto *global = new GlobalVariable(module, data->getType(), /*isConstant=*/true,
                                    GlobalValue::PrivateLinkage, data, name);
  global->setAlignment(Align(8));
  return global;
}

/// The entry: calls the port with this launch's arguments and the constants.
static Function *addEntry(Module &module, const codegen::KernelSpec &spec, StringRef symbol) {
  LLVMContext &context = module.getContext();
  Type *pointer = PointerType::getUnqual(context);
  SmallVector<Type *> types(spec.table.empty() ? 2 : 3, pointer);
  FunctionCallee port = module.getOrInsertFunction(
      spec.port, FunctionType::get(Type::getVoidTy(context), types, false));
  auto *type = FunctionType::get(Type::getVoidTy(context), {pointer}, false);
  auto *entry = Function::Create(type, GlobalValue::ExternalLinkage, symbol, module);
  IRBuilder<> builder(BasicBlock::Create(context, "", entry));
  SmallVector<Value *> arguments = {entry->getArg(0), addConstant(module, spec.params, "params")};
  if (!spec.table.empty())
    arguments.push_back(addConstant(module,
                                    StringRef(reinterpret_cast<const char *>(spec.table.data()),
                                              spec.table.size() * sizeof(float)),
                                    "table"));
  builder.CreateCall(port, arguments);
  builder.CreateRetVoid();
  return entry;
}

/// Reads the library lazily and takes the target's attributes from the port.
static Expected<std::unique_ptr<Module>> loadLibrary(const codegen::KernelSpec &spec,
                                                     const kernels::KernelLevel &level,
                                                     LLVMContext &context, LibraryTarget &target) {
  Expected<std::unique_ptr<Module>> library = getLazyBitcodeModule(
      MemoryBufferRef(level.bitcode, level.name), context, /*ShouldLazyLoadMetadata=*/true);
  if (!library)
    return library.takeError();
  const Function *port = (*library)->getFunction(spec.port);
  if (!port)
    return problem(spec, "not in the kernel library of level " + level.name);
  for (Attribute attribute : port->getAttributes().getFnAttrs())
    if (attribute.isStringAttribute())
      target.attributes.addAttribute(attribute);
  target.cpu = port->getFnAttribute("target-cpu").getValueAsString().str();
  target.features = port->getFnAttribute("target-features").getValueAsString().str();
  target.triple = Triple((*library)->getTargetTriple());
  return library;
}

/// Entry, hooks and the needed part of the library in one module; only the entry is visible.
static Expected<std::unique_ptr<Module>> assemble(const codegen::KernelSpec &spec,
                                                  const kernels::KernelLevel &level,
                                                  ArrayRef<std::string> symbols,
                                                  LLVMContext &context, LibraryTarget &target) {
  Expected<std::unique_ptr<Module>> library = loadLibrary(spec, level, context, target);
  if (!library)
    return library.takeError();
  std::unique_ptr<Module> module;
  if (spec.hooks.empty()) {
    module = std::make_unique<Module>("kernel", context);
  } else {
    Expected<std::unique_ptr<Module>> hooks =
        parseBitcodeFile(MemoryBufferRef(spec.hooks, "hooks"), context);
    if (!hooks)
      return hooks.takeError();
    module = std::move(*hooks);
  }
  module->setModuleIdentifier(symbols.front());
  module->setSourceFileName(symbols.front());
  module->setTargetTriple(target.triple);
  module->setDataLayout((*library)->getDataLayout());
  Function *entry = addEntry(*module, spec, symbols.front());
  for (Function &function : *module)
    adoptAttributes(function, target);
  if (Linker::linkModules(*module, std::move(*library), Linker::LinkOnlyNeeded))
    return problem(spec, "could not be linked");
  entry = module->getFunction(symbols.front());
  entry->setVisibility(GlobalValue::HiddenVisibility);
  internalizeModule(*module, [&](const GlobalValue &value) { return &value == entry; });
  for (Function &function : *module)
    if (&function != entry && !function.isDeclaration()) {
      function.removeFnAttr(Attribute::NoInline);
      function.addFnAttr(Attribute::AlwaysInline);
    }
  for (const std::string &symbol : symbols.drop_front())
    GlobalAlias::create(symbol, entry)->setVisibility(GlobalValue::HiddenVisibility);
  return module;
}

/// Inlines the port and drops what its parameters rule out, most of it, before the costly passes
/// look at it.
static void foldParameters(Module &module, ModuleAnalysisManager &analyses) {
  ModulePassManager passes;
  passes.addPass(AlwaysInlinerPass());
  passes.addPass(createModuleToFunctionPassAdaptor(SCCPPass()));
  passes.addPass(createModuleToFunctionPassAdaptor(SimplifyCFGPass()));
  passes.run(module, analyses);
}

static void optimize(Module &module, TargetMachine &machine) {
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = true;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  foldParameters(module, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, modules);
}

Expected<SmallVector<char, 0>> codegen::specializeKernel(const KernelSpec &spec,
                                                         const kernels::KernelLevel &level,
                                                         ArrayRef<std::string> symbols) {
  initializeX86Target();
  LLVMContext context;
  LibraryTarget library{AttrBuilder(context), {}, {}, {}};
  Expected<std::unique_ptr<Module>> module = assemble(spec, level, symbols, context, library);
  if (!module)
    return module.takeError();
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(library.triple, error);
  if (!target)
    return problem(spec, error);
  TargetOptions options;
  options.FunctionSections = true;
  std::unique_ptr<TargetMachine> machine(
      target->createTargetMachine(library.triple, library.cpu, library.features, options,
                                  Reloc::PIC_, std::nullopt, CodeGenOptLevel::Aggressive));
  optimize(**module, *machine);
  std::string diagnosis;
  raw_string_ostream diagnosisStream(diagnosis);
  if (verifyModule(**module, &diagnosisStream))
    return problem(spec, "invalid code: " + diagnosis);
  unsigned tileStores = countTileStores(**module);

  SmallVector<char, 0> object;
  raw_svector_ostream stream(object);
  legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::ObjectFile))
    return problem(spec, "level " + level.name + " cannot emit objects");
  passes.run(**module);
  if (Error broken = checkObject(object, symbols, tileStores))
    return problem(spec, "level " + level.name + ": " + toString(std::move(broken)));
  return object;
}

Expected<std::string> codegen::specializeCached(const KernelSpec &spec,
                                                const kernels::KernelLevel &level,
                                                ArrayRef<std::string> symbols) {
  auto compile = [&]() -> Expected<std::string> {
    Expected<SmallVector<char, 0>> object = specializeKernel(spec, level, symbols);
    if (!object)
      return object.takeError();
    return std::string(object->begin(), object->end());
  };
  if (buildIdentity().empty())
    return compile();
  CodeKey key;
  key.add(buildIdentity()).add(level.name).add(spec.port).add(spec.params).add(spec.hooks);
  key.add(StringRef(reinterpret_cast<const char *>(spec.table.data()),
                    spec.table.size() * sizeof(float)));
  key.add(std::to_string(spec.scratchBytes));
  for (const std::string &symbol : symbols)
    key.add(symbol);
  return cachedCode(key.text(), compile);
}
