//===- Linker.cpp - Objects to a position-independent executable ----------===//
//
// One call of lld's ELF driver behind a mutex. Sections are collected, but
// .stoop, .stoop.weights and the spare note survive (the runtime marks them
// `retain`): ExecutableWriter turns them into the payload's segment.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Linker.h"

#include "codegen/package/MemoryFile.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <link.h>
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace stoop::codegen {

llvm::Expected<std::string> findLibc() {
  std::string path;
  auto visit = [](dl_phdr_info *info, size_t, void *result) {
    const char *base = std::strrchr(info->dlpi_name, '/');
    if (!base || std::strcmp(base, "/libc.so.6") != 0)
      return 0;
    *static_cast<std::string *>(result) = info->dlpi_name;
    return 1;
  };
  dl_iterate_phdr(visit, &path);
  if (path.empty())
    return llvm::createStringError(
        "libc.so.6 of this machine not found: stoop itself does not use it");
  return path;
}

namespace {

/// The linker's output: a temporary file that goes away with the object or on a signal.
struct TemporaryOutput {
  TemporaryOutput() {
    failed = llvm::sys::fs::createTemporaryFile("stoop", "elf", path, llvm::sys::fs::OF_None);
  }
  ~TemporaryOutput() {
    llvm::sys::fs::remove(path);
    llvm::sys::DontRemoveFileOnSignal(path);
  }
  llvm::SmallString<64> path;
  std::error_code failed;
};

} // namespace

/// Runs lld on `arguments`; its messages become the error.
static llvm::Error runLinker(llvm::ArrayRef<const char *> arguments) {
  static std::mutex oneAtATime;
  std::lock_guard<std::mutex> lock(oneAtATime);
  std::string log;
  llvm::raw_string_ostream stream(log);
  lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0 && result.canRunAgain)
    return llvm::Error::success();
  return llvm::createStringError("linking failed: " + log);
}

llvm::Expected<std::string> link(const LinkJob &job) {
  std::string libc = job.libc;
  if (libc.empty()) {
    llvm::Expected<std::string> found = findLibc();
    if (!found)
      return found.takeError();
    libc = *found;
  }
  TemporaryOutput output;
  if (output.failed)
    return llvm::createStringError(output.failed,
                                   "cannot make a temporary file: " + output.failed.message() +
                                       " (TMPDIR names the folder)");
  llvm::sys::RemoveFileOnSignal(output.path);

  std::vector<const char *> arguments = {"ld.lld",
                                         "-pie",
                                         "--gc-sections",
                                         "--hash-style=gnu",
                                         "--build-id",
                                         "-z",
                                         "now",
                                         "-z",
                                         "relro",
                                         "-z",
                                         "noexecstack",
                                         "--eh-frame-hdr",
                                         "--no-undefined",
                                         "-dynamic-linker",
                                         "/lib64/ld-linux-x86-64.so.2",
                                         "-o",
                                         output.path.c_str(),
                                         job.runtimeObject.c_str()};
  std::vector<MemoryFile> files;
  std::vector<std::string> paths;
  paths.reserve(job.objects.size());
  for (const auto &[name, bytes] : job.objects) {
    llvm::Expected<MemoryFile> file = MemoryFile::create(name, bytes);
    if (!file)
      return file.takeError();
    paths.push_back(file->path());
    arguments.push_back(paths.back().c_str());
    files.push_back(std::move(*file));
  }
  arguments.push_back(libc.c_str());
  if (llvm::Error failed = runLinker(arguments))
    return failed;

  auto program =
      llvm::MemoryBuffer::getFile(output.path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!program)
    return llvm::createStringError(program.getError(), "cannot read the linked program: " +
                                                           program.getError().message());
  return (*program)->getBuffer().str();
}

} // namespace stoop::codegen
