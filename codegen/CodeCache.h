//===- CodeCache.h - compiled kernels, found again by content ----*- C++ -*-===//
//
// A folder of files named by a hash of everything that made them, so that no entry is ever wrong and
// none has to be cleared; the oldest go when the folder grows.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CODECACHE_H
#define STOOP_CODEGEN_CODECACHE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/SHA256.h"
#include <functional>
#include <string>

namespace stoop::codegen {

/// A hash over parts whose boundaries count.
class CodeKey {
public:
  CodeKey &add(llvm::StringRef part);
  /// Lower-case hexadecimal digits.
  std::string text();

private:
  llvm::SHA256 hash;
};

/// What tells this build of the compiler and of LLVM from others: their linkers' build ids. Empty if
/// one has none; then its code must not be kept.
const std::string &buildIdentity();

/// The bytes kept under `key`, or what `compile` gives, which is kept. The folder is STOOP_CACHE_DIR,
/// else XDG_CACHE_HOME/stoop, else HOME/.cache/stoop; STOOP_CACHE_DIR= (empty) keeps nothing, and so
/// does a folder that cannot be written. Damaged entries are made again. Any thread may call this.
llvm::Expected<std::string>
cachedCode(const std::string &key, const std::function<llvm::Expected<std::string>()> &compile);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CODECACHE_H
