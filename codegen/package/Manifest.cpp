//===- Manifest.cpp - the report that a program carries -------------------===//
//
// The reader finds the payload by its section, because tools that rewrite ELF
// files move it within the file.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Manifest.h"

#include "codegen/package/Crc32c.h"
#include "stoop/abi.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <cstring>
#include <set>

namespace stoop::codegen {

std::string hashBytes(llvm::StringRef bytes) {
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(bytes)), /*LowerCase=*/true);
}

llvm::json::Object makeManifest(llvm::json::Object report, const Provenance &provenance,
                                const PackSummary &summary) {
  llvm::json::Array tensors;
  std::set<std::string> seen; // a tensor that two weights share is named once
  for (const TensorSummary &tensor : summary.tensors) {
    if (!seen.insert(tensor.key).second)
      continue;
    tensors.push_back(
        llvm::json::Object{{"key", tensor.key},
                           {"file", llvm::sys::path::filename(tensor.file).str()},
                           {"dtype", tensor.storedType.empty() ? elementName(tensor.element)
                                                               : tensor.storedType.c_str()},
                           {"elements", static_cast<int64_t>(tensor.rows * tensor.cols)},
                           {"hash", llvm::formatv("{0:x-16}", tensor.hash).str()}});
  }
  llvm::json::Object origin{{"stoop_version", provenance.stoopVersion},
                            {"llvm_version", LLVM_VERSION_STRING},
                            {"abi_version", static_cast<int64_t>(STOOP_ABI_VERSION)},
                            {"tensors", std::move(tensors)}};
  if (!provenance.configHash.empty())
    origin["config_sha256"] = provenance.configHash;
  if (!provenance.tokenizerHash.empty())
    origin["tokenizer_sha256"] = provenance.tokenizerHash;
  report["provenance"] = std::move(origin);
  return report;
}

static llvm::Error noProgram(const std::string &path, const llvm::Twine &why) {
  return llvm::createStringError("'" + path + "' is no program made by stoop: " + why);
}

/// Compares the blocks of the payload that hold the manifest with their checksums.
static llvm::Error verifyManifest(const std::string &path, const stoop_payload &layout,
                                  llvm::StringRef payload) {
  auto damaged = [&](const llvm::Twine &what) {
    return llvm::createStringError("'" + path + "' is damaged: " + what +
                                   " of its payload differs from its checksum");
  };
  const stoop_extent &checksums = layout.checksums, &manifest = layout.manifest;
  uint64_t block = layout.checksum_block_bytes, covered = checksums.offset;
  uint64_t blocks = block ? llvm::divideCeil(covered, block) : 0;
  bool fits = covered <= payload.size() && manifest.offset + manifest.size <= covered &&
              checksums.size <= payload.size() - covered &&
              blocks == checksums.size / sizeof(uint32_t);
  if (!fits || crc32c(payload.data() + covered, checksums.size) != layout.checksums_crc)
    return damaged("the table of checksums");
  for (uint64_t i = manifest.offset / block; i * block < manifest.offset + manifest.size; ++i) {
    uint32_t expected;
    std::memcpy(&expected, payload.data() + covered + i * sizeof expected, sizeof expected);
    llvm::StringRef bytes = payload.slice(i * block, std::min((i + 1) * block, covered));
    if (crc32c(bytes.data(), bytes.size()) != expected)
      return damaged("block " + llvm::Twine(i) + " (" + llvm::Twine(block) +
                     " bytes each), which holds the manifest,");
  }
  return llvm::Error::success();
}

llvm::Expected<std::string> readManifest(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return llvm::createStringError(file.getError(),
                                   "cannot read '" + path + "': " + file.getError().message());
  auto elf = llvm::object::ObjectFile::createELFObjectFile((*file)->getMemBufferRef());
  if (!elf) {
    std::string why = llvm::toString(elf.takeError());
    if (!(*file)->getBuffer().starts_with(llvm::ELF::ElfMagic))
      return noProgram(path, "not an ELF file");
    return llvm::createStringError("'" + path + "' is an ELF file that is damaged or cut off: " + why);
  }
  stoop_payload payload = {};
  uint64_t payloadOffset = 0;
  for (const llvm::object::SectionRef &section : (*elf)->sections()) {
    llvm::Expected<llvm::StringRef> name = section.getName();
    if (!name) {
      llvm::consumeError(name.takeError());
      return noProgram(path, "its section names are damaged");
    }
    uint64_t offset = llvm::object::ELFSectionRef(section).getOffset();
    if (*name == ".stoop.weights")
      payloadOffset = offset;
    if (*name == ".stoop" && offset + sizeof payload <= (*file)->getBufferSize())
      std::memcpy(&payload, (*file)->getBufferStart() + offset, sizeof payload);
  }
  if (payload.magic != STOOP_MAGIC || payloadOffset == 0)
    return noProgram(path, "it carries no payload");
  uint64_t size = (*file)->getBufferSize(), begin = payloadOffset + payload.manifest.offset;
  if (payload.manifest.offset > payload.bytes || payload.bytes > size || begin > size ||
      payload.manifest.size > size - begin)
    return llvm::createStringError("'" + path + "' is cut off: it has " + std::to_string(size) +
                                   " bytes and needs " +
                                   std::to_string(payloadOffset + payload.bytes));
  if (llvm::Error error =
          verifyManifest(path, payload, (*file)->getBuffer().substr(payloadOffset, payload.bytes)))
    return error;
  return std::string((*file)->getBufferStart() + begin, payload.manifest.size);
}

} // namespace stoop::codegen
