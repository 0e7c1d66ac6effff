//===- Json.h - Strict JSON with duplicate-key detection --------*- C++ -*-===//
//
// Every JSON file of a checkpoint is read through here. Invariant: what is returned holds each key
// of each object once, is valid UTF-8 and nests at most 64 deep, so callers may recurse freely.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_JSON_H
#define STOOP_COMPILER_IMPORT_JSON_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <nlohmann/json.hpp>

namespace stoop::importer {

/// An error "FILE: MESSAGE"; the form of every message of this library.
llvm::Error fileError(llvm::StringRef file, const llvm::Twine &message);

/// Parses the whole of `text`. Errors (with `file` and where it happened): bad syntax, invalid
/// UTF-8, a key that occurs twice in one object, nesting beyond 64, a number outside of double.
llvm::Expected<nlohmann::json> parseJson(llvm::StringRef text, llvm::StringRef file);

/// As parseJson, and the document must be an object.
llvm::Expected<nlohmann::json> parseJsonObject(llvm::StringRef text, llvm::StringRef file);

/// The whole content of a text file of at most `maxBytes`.
llvm::Expected<std::string> readTextFile(llvm::StringRef path, uint64_t maxBytes = 64u << 20);

/// The value's JSON text, cut to about 80 characters: for messages.
std::string brief(const nlohmann::json &value);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_JSON_H
