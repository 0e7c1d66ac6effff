//===- Manifest.h - the report that a program carries -----------*- C++ -*-===//
//
// The manifest is the program's report plus its provenance, as JSON in the
// payload. Keys are only ever added; schema_version grows when one changes its
// meaning.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_MANIFEST_H
#define STOOP_CODEGEN_PACKAGE_MANIFEST_H

#include "codegen/package/WeightPacker.h"
#include "llvm/Support/JSON.h"

namespace stoop::codegen {

/// Where a program comes from. Nothing in it depends on the time or the machine's name: equal
/// inputs give equal programs.
struct Provenance {
  std::string stoopVersion;
  std::string configHash;    ///< SHA-256 of config.json in hex; empty: not known
  std::string tokenizerHash; ///< of the tokenizer as the program carries it; empty: it has none
};

/// SHA-256 of bytes in hex.
std::string hashBytes(llvm::StringRef bytes);

/// The report with section `provenance`: versions, hashes of the config and of every tensor.
llvm::json::Object makeManifest(llvm::json::Object report, const Provenance &provenance,
                                const PackSummary &summary);

/// Reads the manifest back from a program, also after strip or objcopy; the JSON text. Errors: no
/// ELF file, no payload, a manifest outside of the file or one that its checksums do not fit.
llvm::Expected<std::string> readManifest(const std::string &path);

} // namespace stoop::codegen

#endif
