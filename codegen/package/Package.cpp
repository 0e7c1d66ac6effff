//===- Package.cpp - a compiled program to an executable file -------------===//
//
// Warnings about weights (NaN, overflow) are known only when they have been
// read, so the manifest is made after packing.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Package.h"

#include "codegen/TargetRegistry.h"
#include "codegen/package/CodeSize.h"
#include "codegen/package/ExecutableWriter.h"
#include "codegen/package/PlannedWeights.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <set>

using namespace mlir;

namespace stoop::codegen {

char CodeTooLarge::ID;

/// The bytes of a binary's data, dense or a resource.
static llvm::Expected<std::string> binaryBytes(plan::BinaryOp binary) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(binary.getData()))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return std::string(blob->getData().data(), blob->getData().size());
  if (auto dense = dyn_cast<DenseElementsAttr>(binary.getData()); dense && !dense.isSplat())
    return std::string(dense.getRawData().data(), dense.getRawData().size());
  return llvm::createStringError("binary @" + binary.getSymName() + " has no data");
}

static llvm::Error saveTemp(const std::string &folder, const llvm::Twine &name,
                            const std::string &bytes) {
  llvm::SmallString<128> path(folder);
  std::error_code code = llvm::sys::fs::create_directories(path);
  llvm::sys::path::append(path, name);
  if (!code) {
    llvm::raw_fd_ostream file(path, code);
    if (!code)
      file << bytes;
  }
  if (code)
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  return llvm::Error::success();
}

/// The image of a GPU and the source that it was compiled from.
static llvm::Error saveImage(plan::ProgramOp program, plan::BinaryOp binary,
                             const std::string &folder) {
  if (folder.empty())
    return llvm::Error::success();
  llvm::Expected<std::string> bytes = binaryBytes(binary);
  if (!bytes)
    return bytes.takeError();
  FailureOr<const TargetBackend *> backend = targetOf(program);
  if (failed(backend))
    return llvm::createStringError("no target '" + program.getTarget() + "'");
  llvm::StringRef name = binary.getSymName();
  if (llvm::Error failed = saveTemp(folder, name + "." + binary.getFormat(), *bytes))
    return failed;
  std::string source = (*backend)->sourceOf(binary);
  return source.empty() ? llvm::Error::success() : saveTemp(folder, name + ".cu", source);
}

static llvm::Expected<LinkJob> makeLinkJob(plan::ProgramOp program, PackageJob &job) {
  LinkJob link;
  link.objects.emplace_back("descriptor", std::move(job.descriptor));
  link.runtimeObject = job.runtimeObject;
  if (!llvm::sys::fs::exists(link.runtimeObject))
    return llvm::createStringError("runtime object '" + link.runtimeObject +
                                   "' not found; it belongs to the installation of stoop");
  bool hasImages = false; // they are data of the descriptor
  for (auto binary : program.getBody().getOps<plan::BinaryOp>()) {
    if (binary.getFormat() == "cubin" || binary.getFormat() == "ptx") {
      hasImages = true;
      if (llvm::Error failed = saveImage(program, binary, job.saveTemps))
        return failed;
      continue;
    }
    if (binary.getFormat() != "elf-object")
      return llvm::createStringError("binary @" + binary.getSymName() + " has format '" +
                                     binary.getFormat() + "', expected elf-object");
    llvm::Expected<std::string> bytes = binaryBytes(binary);
    if (!bytes)
      return bytes.takeError();
    std::string name = binary.getSymName().str();
    link.objects.emplace_back(name, std::move(*bytes));
  }
  if (link.objects.size() == 1 && !hasImages)
    return llvm::createStringError("the program has no binaries; run it through phase binaries");
  for (const auto &[name, bytes] : link.objects)
    if (!job.saveTemps.empty())
      if (llvm::Error failed = saveTemp(job.saveTemps, name + ".o", bytes))
        return failed;
  return link;
}

/// One warning per stored tensor, in order.
static std::vector<std::string> weightWarnings(const PackSummary &summary) {
  std::vector<std::string> warnings;
  std::set<std::string> seen;
  for (const TensorSummary &tensor : summary.tensors) {
    if (!tensor.notFinite && !tensor.overflowed)
      continue;
    if (!seen.insert(tensor.key).second)
      continue;
    warnings.push_back(
        tensor.file + ": tensor '" + tensor.key + "' " +
        (tensor.notFinite ? "holds NaN or infinity"
                          : "has values too large for the type of --dtype; they became infinite"));
  }
  return warnings;
}

/// The manifest as JSON text, with the warnings of packing added.
static std::string finishManifest(PackageJob &job, const PackSummary &summary,
                                  llvm::json::Object &manifest) {
  llvm::json::Array all;
  if (llvm::json::Array *known = job.report.getArray("warnings"))
    all = std::move(*known);
  for (const std::string &warning : weightWarnings(summary)) {
    if (job.warn)
      job.warn(warning);
    all.push_back(warning);
  }
  job.report["warnings"] = std::move(all);
  manifest = makeManifest(std::move(job.report), job.provenance, summary);
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(llvm::json::Object(manifest));
  return text;
}

static llvm::Expected<std::string> linkProgram(plan::ProgramOp program, PackageJob &job) {
  llvm::Expected<LinkJob> linkJob = makeLinkJob(program, job);
  return linkJob ? link(*linkJob) : linkJob.takeError();
}

llvm::Expected<uint64_t> linkedCodeBytes(plan::ProgramOp program, std::string descriptor,
                                         std::string runtimeObject) {
  PackageJob job;
  job.descriptor = std::move(descriptor);
  job.runtimeObject = std::move(runtimeObject);
  llvm::Expected<std::string> linked = linkProgram(program, job);
  return linked ? loadedBytes(*linked) : linked.takeError();
}

llvm::Expected<llvm::json::Object> packageProgram(plan::ProgramOp program, PackageJob job,
                                                  const std::string &output) {
  FailureOr<PlannedWeights> weights = readPlannedWeights(program, job.weightsFolder);
  if (failed(weights))
    return llvm::createStringError("the program's weights cannot be read");
  llvm::Expected<std::string> linked = linkProgram(program, job);
  if (!linked)
    return linked.takeError();
  llvm::Expected<uint64_t> codeBytes = loadedBytes(*linked);
  if (!codeBytes)
    return codeBytes.takeError();
  if (job.mostCodeBytes && *codeBytes > *job.mostCodeBytes)
    return llvm::make_error<CodeTooLarge>(*codeBytes);
  setCodeBytes(job.report, *codeBytes);

  llvm::json::Object manifest;
  ExecutableParts parts;
  parts.program = std::move(*linked);
  parts.weights = std::move(weights->packs);
  parts.weightsBytes = weights->arenaBytes;
  parts.tokenizer = job.tokenizer;
  parts.numThreads = job.numThreads;
  parts.progress = job.progress;
  parts.manifest = [&](const PackSummary &summary) {
    return finishManifest(job, summary, manifest);
  };
  if (llvm::Error failed = writeExecutable(std::move(parts), output))
    return failed;
  return manifest;
}

} // namespace stoop::codegen
