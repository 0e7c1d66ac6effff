//===- ExecutableWriterTest.cpp - Linked programs in hostile places -------===//
//
// Links a stand-in runtime, adds a payload and runs the result after strip and
// objcopy, in a chroot with libc alone, as another user, damaged and cut off.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/ExecutableWriter.h"

#include "PackageTestSupport.h"
#include "codegen/package/Linker.h"
#include <gtest/gtest.h>
#include <unistd.h>

using namespace stoop::codegen;
using namespace stoop::test;

namespace {

class ExecutableWriterTest : public ::testing::Test {
protected:
  void SetUp() override {
    auto program = link({TOY_RUNTIME, {}, ""});
    ASSERT_TRUE(bool(program)) << llvm::toString(program.takeError());
    // 3 MiB of floats that add up to 786432: several checksum blocks.
    std::vector<float> ones(786432, 1.0f);
    writeFile(directory / "w.bin",
              std::string(reinterpret_cast<char *>(ones.data()), ones.size() * 4));
    WeightPack pack;
    pack.name = "ones";
    pack.kind = PackKind::Vector;
    pack.rows = 1;
    pack.cols = ones.size();
    pack.origin.sources = {{"ones", directory / "w.bin", 0, ElementType::F32, ones.size(), 1}};
    pack.bytes = pack.packedBytes();
    parts.program = *program;
    parts.weights = {pack};
    parts.weightsBytes = pack.bytes + 100;
    parts.tokenizer = "tokens";
    parts.manifest = [](const PackSummary &summary) {
      return "{\"tensors\":" + std::to_string(summary.tensors.size()) + "}";
    };
    model = directory / "model";
    llvm::Error unwritten = writeExecutable(parts, model);
    ASSERT_FALSE(bool(unwritten)) << llvm::toString(std::move(unwritten));
  }

  void expectRuns(const std::string &command) {
    CommandResult result = runCommand(command);
    EXPECT_EQ(result.code, 0) << command;
    EXPECT_EQ(result.output, "tokens 786432 {\"tensors\":1}\n") << command;
  }

  TestDirectory directory;
  ExecutableParts parts;
  std::string model;
};

TEST_F(ExecutableWriterTest, RunsAndNeedsLibcAlone) {
  expectRuns(model);
  std::string libraries =
      runCommand("ldd " + model + " | awk '{print $1}' | sort | tr '\\n' ' '").output;
  EXPECT_EQ(libraries, "/lib64/ld-linux-x86-64.so.2 libc.so.6 linux-vdso.so.1 ");
}

TEST_F(ExecutableWriterTest, SurvivesStripAndObjcopy) {
  for (std::string tool : {"strip", "objcopy", "/usr/lib/llvm-22/bin/llvm-strip"}) {
    if (runCommand("command -v " + tool + " >/dev/null").code != 0)
      continue;
    std::string output = directory / "stripped";
    std::string command = tool == "objcopy" ? "objcopy " + model + " " + output
                                            : tool + " -o " + output + " " + model;
    ASSERT_EQ(runCommand(command).code, 0) << command;
    expectRuns(output);
  }
}

TEST_F(ExecutableWriterTest, RunsInAChrootWithLibcAlone) {
  if (getuid() != 0)
    GTEST_SKIP() << "chroot needs root";
  auto libc = findLibc();
  ASSERT_TRUE(bool(libc));
  runCommand("cd " + directory.path +
             " && mkdir -p root/lib64 root/lib/x86_64-linux-gnu && cp -L "
             "/lib64/ld-linux-x86-64.so.2 root/lib64 && cp -L " +
             *libc + " root/lib/x86_64-linux-gnu && cp model root/moved");
  expectRuns("chroot " + (directory / "root") + " /moved");
}

TEST_F(ExecutableWriterTest, RunsUnreadableForAnotherUserFromAReadOnlyDirectory) {
  if (getuid() != 0)
    GTEST_SKIP() << "changing the user needs root";
  std::string prepare = "chmod 755 " + directory.path + " && mkdir " + (directory / "ro") +
                        " && mv " + model + " " + (directory / "ro/m") + " && chmod 111 " +
                        (directory / "ro/m") + " && chmod 555 " + (directory / "ro");
  ASSERT_EQ(runCommand(prepare).code, 0);
  expectRuns("cd / && setpriv --reuid=65534 --regid=65534 --clear-groups " + (directory / "ro/m"));
}

TEST_F(ExecutableWriterTest, ChecksumsCoverEveryPart) {
  std::string whole = readFile(model);
  size_t end = whole.size();
  for (size_t at : {end - 2, end - 4096 - 10, end - 8192 - 10, end - (1 << 20), end - (3 << 20)}) {
    std::string damaged = whole;
    damaged[at] ^= 0x40;
    writeFile(directory / "damaged", damaged);
    EXPECT_EQ(
        runCommand("chmod +x " + (directory / "damaged") + " && " + (directory / "damaged")).code,
        5)
        << at;
  }
}

TEST_F(ExecutableWriterTest, AFailureLeavesNoFileAndKeepsTheOldOne) {
  parts.weights[0].origin.sources[0].file = directory / "gone.bin";
  llvm::Error failed = writeExecutable(parts, directory / "other");
  ASSERT_TRUE(bool(failed));
  EXPECT_NE(llvm::toString(std::move(failed)).find("gone.bin"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory / "other"));
  std::string before = readFile(model);
  llvm::consumeError(writeExecutable(parts, model));
  EXPECT_EQ(readFile(model), before);
  EXPECT_EQ(directory.entries().find(".tmp"), std::string::npos);
}

TEST_F(ExecutableWriterTest, RefusesAProgramWithoutAPlaceForThePayload) {
  parts.program = readFile("/proc/self/exe");
  llvm::Error failed = writeExecutable(parts, directory / "other");
  ASSERT_TRUE(bool(failed));
  EXPECT_NE(llvm::toString(std::move(failed)).find(".note.stoop"), std::string::npos);
}

TEST(LinkerTest, NamesTheUndefinedSymbol) {
  TestDirectory directory;
  writeFile(directory / "a.s", ".section .text.keep,\"axR\"\n call missing_symbol\n");
  ASSERT_EQ(runCommand("as -o " + (directory / "a.o") + " " + (directory / "a.s")).code, 0);
  auto failed = link({TOY_RUNTIME, {{"a", readFile(directory / "a.o")}}, ""});
  ASSERT_FALSE(bool(failed));
  EXPECT_NE(llvm::toString(failed.takeError()).find("missing_symbol"), std::string::npos);
}

} // namespace
