//===- Safetensors.cpp - One safetensors file, memory-mapped ---------------===//
//
// The checks follow the reference reader of the format: header length, UTF-8 JSON without duplicate
// keys, known dtypes, sizes that agree with shapes (overflow-checked), and byte ranges that are
// contiguous from 0 to the end of the file.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Safetensors.h"

#include "compiler/import/Json.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <optional>

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

static constexpr uint64_t maxHeaderBytes = 100'000'000;

unsigned bitsOfDtype(StringRef dtype) {
  return StringSwitch<unsigned>(dtype)
      .Case("F4", 4)
      .Cases({"F6_E2M3", "F6_E3M2"}, 6)
      .Cases({"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"}, 8)
      .Cases({"I16", "U16", "F16", "BF16"}, 16)
      .Cases({"I32", "U32", "F32"}, 32)
      .Cases({"C64", "F64", "I64", "U64"}, 64)
      .Default(0);
}

std::string shapeText(ArrayRef<uint64_t> shape) {
  std::string text = "[";
  for (uint64_t size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

static Error tensorError(StringRef file, StringRef tensor, const Twine &message) {
  return fileError(file, "tensor '" + tensor + "': " + message);
}

/// The header's JSON text, or why the file's frame is wrong.
static Expected<StringRef> headerText(StringRef bytes, StringRef file) {
  if (bytes.starts_with("version https://git-lfs"))
    return fileError(file, "is a Git LFS pointer, not the weights: fetch them with 'git lfs pull'");
  if (bytes.size() < 8)
    return fileError(file, "is " + Twine(bytes.size()) +
                               " bytes long; a safetensors file has at least 8");
  uint64_t length = support::endian::read64le(bytes.data());
  if (length > maxHeaderBytes)
    return fileError(file, "header length " + Twine(length) + " is over the format's limit of " +
                               Twine(maxHeaderBytes) +
                               " bytes: not a safetensors file, or damaged");
  if (length > bytes.size() - 8)
    return fileError(file, "header length " + Twine(length) + " exceeds the " +
                               Twine(bytes.size() - 8) + " bytes that follow it: truncated file?");
  StringRef text = bytes.substr(8, length);
  if (!text.starts_with("{"))
    return fileError(file, "header does not begin with '{': not a safetensors file, or damaged");
  return text;
}

/// A non-negative integer of 64 bits, or none.
static std::optional<uint64_t> toUnsigned(const json &value) {
  if (!value.is_number_unsigned())
    return std::nullopt;
  return value.get<uint64_t>();
}

static Error parseShape(const json &value, StringRef file, TensorInfo &tensor) {
  if (!value.is_array())
    return tensorError(file, tensor.name, "'shape' must be an array, found " + brief(value));
  for (const json &size : value) {
    std::optional<uint64_t> number = toUnsigned(size);
    if (!number)
      return tensorError(file, tensor.name,
                         "'shape' must hold non-negative integers, found " + brief(size));
    tensor.shape.push_back(*number);
  }
  return Error::success();
}

/// Bytes that the shape needs; none if the product overflows or is no whole number of bytes.
static Expected<uint64_t> bytesOfShape(StringRef file, const TensorInfo &tensor, unsigned bits) {
  std::optional<uint64_t> total = bits;
  for (uint64_t size : tensor.shape) {
    total = checkedMulUnsigned<uint64_t>(*total, size);
    if (!total)
      return tensorError(file, tensor.name,
                         "shape " + shapeText(tensor.shape) + " overflows 64 bits");
  }
  if (*total % 8 != 0)
    return tensorError(file, tensor.name,
                       "shape " + shapeText(tensor.shape) + " of " + tensor.dtype +
                           " does not fill whole bytes (" + Twine(*total) + " bits)");
  return *total / 8;
}

/// Checks one header entry; the offset it returns is still relative to the data buffer.
static Expected<TensorInfo> parseEntry(StringRef name, const json &entry, StringRef file) {
  TensorInfo tensor;
  tensor.name = name.str();
  if (!entry.is_object())
    return tensorError(file, name, "entry must be an object, found " + brief(entry));
  for (const char *key : {"dtype", "shape", "data_offsets"})
    if (!entry.contains(key))
      return tensorError(file, name, "'" + Twine(key) + "' is missing");

  const json &dtype = entry["dtype"];
  if (!dtype.is_string())
    return tensorError(file, name, "'dtype' must be a string, found " + brief(dtype));
  tensor.dtype = dtype.get<std::string>();
  unsigned bits = bitsOfDtype(tensor.dtype);
  if (bits == 0)
    return tensorError(file, name, "unknown dtype '" + tensor.dtype + "'");
  if (Error error = parseShape(entry["shape"], file, tensor))
    return error;

  const json &offsets = entry["data_offsets"];
  std::optional<uint64_t> begin, end;
  if (offsets.is_array() && offsets.size() == 2) {
    begin = toUnsigned(offsets[0]);
    end = toUnsigned(offsets[1]);
  }
  if (!begin || !end)
    return tensorError(file, name,
                       "'data_offsets' must be two non-negative integers, found " + brief(offsets));
  if (*begin > *end)
    return tensorError(file, name,
                       "'data_offsets' [" + Twine(*begin) + ", " + Twine(*end) + "] run backwards");

  Expected<uint64_t> needed = bytesOfShape(file, tensor, bits);
  if (!needed)
    return needed.takeError();
  tensor.offsetBytes = *begin;
  tensor.sizeBytes = *end - *begin;
  if (*needed != tensor.sizeBytes)
    return tensorError(file, name,
                       "shape " + shapeText(tensor.shape) + " of " + tensor.dtype + " needs " +
                           Twine(*needed) + " bytes, 'data_offsets' hold " +
                           Twine(tensor.sizeBytes));
  return tensor;
}

static Error checkMetadata(const json &metadata, StringRef file) {
  if (!metadata.is_object())
    return fileError(file, "'__metadata__' must be an object, found " + brief(metadata));
  for (const auto &[key, value] : metadata.items())
    if (!value.is_string())
      return fileError(file,
                       "'__metadata__' key '" + key + "' must be a string, found " + brief(value));
  return Error::success();
}

/// Sorts by range and demands that the ranges tile [0, dataBytes).
static Error checkTiling(std::vector<TensorInfo> &tensors, uint64_t dataBytes, StringRef file) {
  llvm::sort(tensors, [](const TensorInfo &a, const TensorInfo &b) {
    return std::make_tuple(a.offsetBytes, a.sizeBytes, StringRef(a.name)) <
           std::make_tuple(b.offsetBytes, b.sizeBytes, StringRef(b.name));
  });
  uint64_t position = 0;
  StringRef previous;
  for (const TensorInfo &tensor : tensors) {
    if (tensor.offsetBytes > position)
      return tensorError(file, tensor.name,
                         "bytes " + Twine(position) + " to " + Twine(tensor.offsetBytes) +
                             " of the data before it belong to no tensor");
    if (tensor.offsetBytes < position)
      return tensorError(file, tensor.name,
                         "overlaps tensor '" + previous + "': begins at " +
                             Twine(tensor.offsetBytes) + ", that one ends at " + Twine(position));
    position = tensor.offsetBytes + tensor.sizeBytes;
    if (position > dataBytes)
      return tensorError(file, tensor.name,
                         "ends at byte " + Twine(position) + " of " + Twine(dataBytes) +
                             " bytes of data: truncated file?");
    previous = tensor.name;
  }
  if (position != dataBytes)
    return fileError(file, Twine(dataBytes - position) + " bytes follow the last tensor's data (" +
                               Twine(position) + " of " + Twine(dataBytes) +
                               " bytes are described)");
  return Error::success();
}

Expected<std::vector<TensorInfo>> parseSafetensors(StringRef bytes, StringRef file) {
  Expected<StringRef> text = headerText(bytes, file);
  if (!text)
    return text.takeError();
  Expected<json> header = parseJsonObject(*text, (file + ": header").str());
  if (!header)
    return header.takeError();

  std::vector<TensorInfo> tensors;
  for (const auto &[name, entry] : header->items()) {
    if (name == "__metadata__") {
      if (Error error = checkMetadata(entry, file))
        return error;
      continue;
    }
    Expected<TensorInfo> tensor = parseEntry(name, entry, file);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }

  uint64_t dataStart = 8 + text->size();
  if (Error error = checkTiling(tensors, bytes.size() - dataStart, file))
    return error;
  for (TensorInfo &tensor : tensors)
    tensor.offsetBytes += dataStart;
  return tensors;
}

Expected<SafetensorsFile> SafetensorsFile::open(StringRef path) {
  SafetensorsFile file;
  file.filePath = path.str();
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(path, size))
    return fileError(path, "cannot be read: " + code.message());
  if (!sys::fs::is_regular_file(path))
    return fileError(path, "is not a regular file");
  StringRef bytes;
  if (size > 0) { // an empty file cannot be mapped; the parser names the problem
    Expected<sys::fs::file_t> handle = sys::fs::openNativeFileForRead(path);
    if (!handle)
      return fileError(path, "cannot be opened: " + toString(handle.takeError()));
    std::error_code code;
    file.region = std::make_unique<sys::fs::mapped_file_region>(
        *handle, sys::fs::mapped_file_region::readonly, size, 0, code);
    sys::fs::closeFile(*handle);
    if (code)
      return fileError(path, "cannot be mapped: " + code.message());
    bytes = StringRef(file.region->const_data(), size);
  }
  Expected<std::vector<TensorInfo>> tensors = parseSafetensors(bytes, path);
  if (!tensors)
    return tensors.takeError();
  file.setTensors(std::move(*tensors));
  return file;
}

SafetensorsFile SafetensorsFile::described(StringRef path, std::vector<TensorInfo> tensors) {
  SafetensorsFile file;
  file.filePath = path.str();
  file.setTensors(std::move(tensors));
  return file;
}

void SafetensorsFile::setTensors(std::vector<TensorInfo> tensors) {
  infos = std::move(tensors);
  for (size_t i = 0; i < infos.size(); ++i)
    indexOf[infos[i].name] = i;
}

const TensorInfo *SafetensorsFile::find(StringRef name) const {
  auto found = indexOf.find(name);
  return found == indexOf.end() ? nullptr : &infos[found->second];
}

StringRef SafetensorsFile::bytes(const TensorInfo &tensor) const {
  assert((region || tensor.sizeBytes == 0) && "a described file has no bytes");
  if (tensor.sizeBytes == 0)
    return {};
  return StringRef(region->const_data() + tensor.offsetBytes, tensor.sizeBytes);
}

void SafetensorsFile::releasePages() const {
  if (region)
    region->dontNeed();
}

} // namespace stoop::importer
