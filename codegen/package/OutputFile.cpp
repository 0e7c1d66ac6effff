//===- OutputFile.cpp - A file that appears whole or not at all -----------===//
//
// The final name is only ever the target of one rename(2). Unnamed files
// (O_TMPFILE) need /proc to be linked; without either a named temporary file is
// used, which LLVM's signal handlers remove.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/OutputFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stoop::codegen {

static llvm::Error systemError(const llvm::Twine &what, int code) {
  return llvm::createStringError(std::error_code(code, std::generic_category()),
                                 what + ": " + std::strerror(code));
}

static std::string temporaryName(const std::string &path) {
  static unsigned counter = 0;
  return path + ".stoop-" + std::to_string(getpid()) + "-" + std::to_string(counter++) + ".tmp";
}

static std::string descriptorPath(int descriptor) {
  return "/proc/self/fd/" + std::to_string(descriptor);
}

llvm::Expected<std::unique_ptr<OutputFile>> OutputFile::create(const std::string &path) {
  // A write beyond the process's file size limit shall be an error, not the signal's death.
  std::signal(SIGXFSZ, SIG_IGN);
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return llvm::createStringError(
        "output '" + path + "' exists and is " +
        (S_ISDIR(status.st_mode) ? "a directory" : "not a regular file") + "; name a file with -o");

  llvm::StringRef parent = llvm::sys::path::parent_path(path);
  std::string directory = parent.empty() ? std::string(1, '.') : parent.str();
  int descriptor = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 && ::access(descriptorPath(descriptor).c_str(), F_OK) == 0)
    return std::unique_ptr<OutputFile>(new OutputFile(path, descriptor, ""));
  if (descriptor >= 0)
    ::close(descriptor);

  std::string temporary = temporaryName(path);
  descriptor = ::open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return systemError("cannot write output '" + path + "'", errno);
  llvm::sys::RemoveFileOnSignal(temporary);
  return std::unique_ptr<OutputFile>(new OutputFile(path, descriptor, temporary));
}

OutputFile::OutputFile(std::string finalPath, int descriptor, std::string temporaryPath)
    : finalPath(std::move(finalPath)), temporaryPath(std::move(temporaryPath)),
      descriptor(descriptor) {}

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (temporaryPath.empty())
    return;
  ::unlink(temporaryPath.c_str());
  llvm::sys::DontRemoveFileOnSignal(temporaryPath);
}

llvm::Error OutputFile::error(const char *action, int code) const {
  return systemError(llvm::Twine("cannot ") + action + " output '" + finalPath + "'", code);
}

llvm::Error OutputFile::reserve(uint64_t bytes) {
  if (::fallocate(descriptor, 0, 0, static_cast<off_t>(bytes)) == 0 || errno == EOPNOTSUPP ||
      errno == ENOSYS)
    return llvm::Error::success();
  int code = errno;
  return systemError("cannot take " + std::to_string(bytes) + " bytes of disk space for output '" +
                         finalPath + "'",
                     code);
}

llvm::Error OutputFile::extend(uint64_t bytes) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return error("examine", errno);
  if (uint64_t(status.st_size) < bytes && ::ftruncate(descriptor, off_t(bytes)) != 0)
    return error("extend", errno);
  return llvm::Error::success();
}

llvm::Error OutputFile::write(const void *data, uint64_t size, uint64_t offset) {
  const char *bytes = static_cast<const char *>(data);
  while (size) {
    ssize_t written = ::pwrite(descriptor, bytes, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return error("write", written ? errno : EIO);
    bytes += written;
    size -= static_cast<uint64_t>(written);
    offset += static_cast<uint64_t>(written);
  }
  return llvm::Error::success();
}

llvm::Error OutputFile::read(void *data, uint64_t size, uint64_t offset) const {
  char *bytes = static_cast<char *>(data);
  while (size) {
    ssize_t got = ::pread(descriptor, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return error("read back", got ? errno : EIO);
    bytes += got;
    size -= static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return llvm::Error::success();
}

llvm::Error OutputFile::commit(unsigned mode) {
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(descriptor, mode & ~mask) != 0)
    return error("set the mode of", errno);
  if (::fsync(descriptor) != 0)
    return error("flush", errno);
  if (temporaryPath.empty()) {
    std::string name = temporaryName(finalPath);
    llvm::sys::RemoveFileOnSignal(name);
    if (::linkat(AT_FDCWD, descriptorPath(descriptor).c_str(), AT_FDCWD, name.c_str(),
                 AT_SYMLINK_FOLLOW) != 0)
      return error("name", errno);
    temporaryPath = name;
  }
  if (::rename(temporaryPath.c_str(), finalPath.c_str()) != 0)
    return error("rename", errno);
  llvm::sys::DontRemoveFileOnSignal(temporaryPath);
  temporaryPath.clear();
  ::close(descriptor); // a file open for writing cannot be executed
  descriptor = -1;
  return llvm::Error::success();
}

} // namespace stoop::codegen
