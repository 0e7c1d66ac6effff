//===- Safetensors.h - One safetensors file, memory-mapped ------*- C++ -*-===//
//
// Reads the header of a safetensors file and hands out views of the mapped data; tensor data is
// never copied. Invariant: after parsing, the tensors' byte ranges lie in the file, do not overlap
// and cover the data buffer without holes, and each range has exactly the bytes of its shape.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_SAFETENSORS_H
#define STOOP_COMPILER_IMPORT_SAFETENSORS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include <memory>
#include <string>
#include <vector>

namespace stoop::importer {

/// One tensor as the header describes it.
struct TensorInfo {
  std::string name;
  std::string dtype; ///< as written: "BF16", "F32", …
  llvm::SmallVector<uint64_t, 2> shape;
  uint64_t offsetBytes = 0; ///< from the file's first byte, not from the data buffer
  uint64_t sizeBytes = 0;
};

/// Bits of one element of a safetensors dtype; 0 for an unknown name.
unsigned bitsOfDtype(llvm::StringRef dtype);

/// "[4096, 256]": for messages.
std::string shapeText(llvm::ArrayRef<uint64_t> shape);

/// Parses and checks the header of the safetensors file whose bytes are `bytes` (all of them);
/// `file` is used in messages only. The result is ordered by offset.
llvm::Expected<std::vector<TensorInfo>> parseSafetensors(llvm::StringRef bytes,
                                                         llvm::StringRef file);

/// A mapped safetensors file. Views stay valid as long as this object.
class SafetensorsFile {
public:
  static llvm::Expected<SafetensorsFile> open(llvm::StringRef path);
  /// A file that does not exist, with these tensors; there are no bytes to ask for.
  static SafetensorsFile described(llvm::StringRef path, std::vector<TensorInfo> tensors);

  llvm::StringRef path() const { return filePath; }
  /// False for a described file.
  bool hasBytes() const { return region != nullptr; }
  llvm::ArrayRef<TensorInfo> tensors() const { return infos; }
  /// The tensor of that name, or null.
  const TensorInfo *find(llvm::StringRef name) const;
  /// The stored bytes, little-endian, in C order; not necessarily aligned to the element.
  llvm::StringRef bytes(const TensorInfo &tensor) const;
  /// Lets the kernel drop the pages read so far; they come back from the file when read again.
  void releasePages() const;

private:
  void setTensors(std::vector<TensorInfo> tensors);

  std::string filePath;
  std::unique_ptr<llvm::sys::fs::mapped_file_region> region;
  std::vector<TensorInfo> infos;
  llvm::StringMap<size_t> indexOf;
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_SAFETENSORS_H
