//===- OutputFileTest.cpp - Output appears whole or not at all ------------===//

#include "codegen/package/OutputFile.h"

#include "PackageTestSupport.h"
#include <csignal>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace stoop::codegen;
using namespace stoop::test;

namespace {

TEST(OutputFileTest, AppearsOnlyAtCommitAndReplacesTheOldFile) {
  TestDirectory directory;
  writeFile(directory / "out", "old");
  auto file = OutputFile::create(directory / "out");
  ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
  ASSERT_FALSE(bool((*file)->write("new", 3, 5)));
  EXPECT_EQ(readFile(directory / "out"), "old");
  ASSERT_FALSE(bool((*file)->commit(0755)));
  EXPECT_EQ(readFile(directory / "out"), std::string("\0\0\0\0\0new", 8));
  struct stat status;
  stat((directory / "out").c_str(), &status);
  mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(status.st_mode & 07777, 0755 & ~mask);
  EXPECT_EQ(directory.entries(), "out");
}

TEST(OutputFileTest, DiscardedAndKilledWritersLeaveNothing) {
  TestDirectory directory;
  {
    auto file = OutputFile::create(directory / "out");
    ASSERT_TRUE(bool(file));
    ASSERT_FALSE(bool((*file)->write("half", 4, 0)));
  }
  EXPECT_EQ(directory.entries(), "");
  pid_t child = fork();
  if (child == 0) {
    auto file = OutputFile::create(directory / "out");
    llvm::consumeError((*file)->write("half", 4, 0));
    kill(getpid(), SIGKILL);
  }
  int status;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(std::filesystem::exists(directory / "out"));
}

TEST(OutputFileTest, SaysWhyItCannotWrite) {
  TestDirectory directory;
  auto missing = OutputFile::create(directory / "none/out");
  ASSERT_FALSE(bool(missing));
  std::string message = llvm::toString(missing.takeError());
  EXPECT_NE(message.find("none/out"), std::string::npos) << message;
  EXPECT_NE(message.find("No such file"), std::string::npos) << message;
  auto folder = OutputFile::create(directory.path);
  ASSERT_FALSE(bool(folder));
  EXPECT_NE(llvm::toString(folder.takeError()).find("a directory"), std::string::npos);
  auto device = OutputFile::create("/dev/null");
  ASSERT_FALSE(bool(device));
  EXPECT_NE(llvm::toString(device.takeError()).find("not a regular file"), std::string::npos);
}

TEST(OutputFileTest, AFullDiskIsAnErrorNotADeath) {
  TestDirectory directory;
  pid_t child = fork();
  if (child == 0) { // the limit on file sizes acts as a disk that is full after 64 KiB
    rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto file = OutputFile::create(directory / "out");
    if (!file)
      _exit(10);
    llvm::Error reserved = (*file)->reserve(1 << 20);
    bool refused = bool(reserved);
    llvm::consumeError(std::move(reserved));
    std::string data(1 << 20, 'x');
    llvm::Error written = (*file)->write(data.data(), data.size(), 0);
    bool failed = bool(written);
    llvm::consumeError(std::move(written));
    file->reset();
    _exit(refused && failed ? 0 : 11);
  }
  int status;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(directory.entries(), "");
}

} // namespace
