//===- WeightReader.cpp - Rows of checkpoint tensors ----------------------===//
//
// Row order is a pure function (QkvLayout::storedRow, WeightOrigin::locate);
// reading joins rows that lie one after another in a file into one pread.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/WeightReader.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stoop::codegen {

uint64_t QkvLayout::storedRow(uint64_t row) const {
  uint64_t queryRows = groups * queries * headDim, keyRows = groups * headDim;
  uint64_t group, slot, part = row;
  if (row < queryRows) {
    group = row / headDim / queries;
    slot = row / headDim % queries;
  } else {
    part = (row - queryRows) % keyRows;
    group = part / headDim;
    slot = queries + (row - queryRows) / keyRows;
  }
  return (group * (queries + 2) + slot) * headDim + part % headDim;
}

uint64_t WeightOrigin::rows() const {
  uint64_t total = 0;
  for (const TensorSource &source : sources)
    total += source.rows;
  return total;
}

std::pair<const TensorSource *, uint64_t> WeightOrigin::locate(uint64_t row) const {
  uint64_t stored = layout ? layout->storedRow(row) : row;
  for (const TensorSource &source : sources) {
    if (stored < source.rows)
      return {&source, stored};
    stored -= source.rows;
  }
  return {nullptr, 0};
}

static llvm::Error fileError(const llvm::Twine &what, const std::string &path, int code) {
  return llvm::createStringError(std::error_code(code, std::generic_category()),
                                 what + " '" + path + "': " + std::strerror(code));
}

WeightReader::~WeightReader() {
  for (auto &[path, file] : files)
    ::close(file.descriptor);
}

llvm::Error WeightReader::open(const WeightOrigin &origin) {
  for (const TensorSource &source : origin.sources) {
    auto known = files.find(source.file);
    if (known == files.end()) {
      int descriptor = ::open(source.file.c_str(), O_RDONLY | O_CLOEXEC);
      if (descriptor < 0)
        return fileError("cannot open weights file", source.file, errno);
      struct stat status;
      if (::fstat(descriptor, &status) != 0) {
        int code = errno;
        ::close(descriptor);
        return fileError("cannot read weights file", source.file, code);
      }
      known = files.emplace(source.file, File{descriptor, uint64_t(status.st_size)}).first;
    }
    uint64_t end = source.offset + source.rows * source.cols * byteWidth(source.element);
    if (end > known->second.bytes)
      return llvm::createStringError("weights file '" + source.file + "' is cut off: tensor '" +
                                     source.key + "' ends at byte " + std::to_string(end) +
                                     ", the file has " + std::to_string(known->second.bytes));
  }
  return llvm::Error::success();
}

static llvm::Error readFully(int descriptor, const std::string &path, char *out, uint64_t size,
                             uint64_t offset) {
  while (size) {
    ssize_t got = ::pread(descriptor, out, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fileError("cannot read weights file", path, errno);
    if (got == 0)
      return llvm::createStringError("weights file '" + path + "' was cut off while it was read");
    out += got;
    size -= static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return llvm::Error::success();
}

llvm::Error WeightReader::map(const std::string &file) {
  std::unique_ptr<llvm::MemoryBuffer> &mapping = mappings[file];
  if (mapping)
    return llvm::Error::success();
  auto opened = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!opened)
    return llvm::createStringError("cannot read weights file '" + file +
                                   "': " + opened.getError().message());
  mapping = std::move(*opened);
  return llvm::Error::success();
}

const char *WeightReader::mapped(const std::string &file, uint64_t offset, uint64_t size) const {
  const llvm::MemoryBuffer &mapping = *mappings.at(file);
  bool inside = size <= mapping.getBufferSize() && offset <= mapping.getBufferSize() - size;
  return inside ? mapping.getBufferStart() + offset : nullptr;
}

llvm::Error WeightReader::readRows(const WeightOrigin &origin, uint64_t first, uint64_t count,
                                   void *out) const {
  char *bytes = static_cast<char *>(out);
  uint64_t rowBytes = origin.cols() * byteWidth(origin.element());
  for (uint64_t row = first, end = first + count; row < end;) {
    auto [source, storedRow] = origin.locate(row);
    uint64_t run = 1;
    for (; row + run < end; ++run) {
      auto [nextSource, nextRow] = origin.locate(row + run);
      if (nextSource != source || nextRow != storedRow + run)
        break;
    }
    if (llvm::Error failed = readFully(files.at(source->file).descriptor, source->file, bytes,
                                       run * rowBytes, source->offset + storedRow * rowBytes))
      return failed;
    bytes += run * rowBytes;
    row += run;
  }
  return llvm::Error::success();
}

} // namespace stoop::codegen
