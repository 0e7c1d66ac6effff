//===- CodeCacheTest.cpp - kernels found again, or made again -------------===//
#include "codegen/CodeCache.h"
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

using namespace stoop::codegen;
namespace fs = std::filesystem;

namespace {
class CodeCacheTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "stoop-cache.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    setenv("STOOP_CACHE_DIR", (folder / "deep" / "er").c_str(), 1);
  }
  void TearDown() override { fs::remove_all(folder); }

  /// What the cache gives for `key`, where a compilation gives `code`.
  std::string get(const std::string &key, const std::string &code) {
    llvm::Expected<std::string> found = cachedCode(key, [&]() -> llvm::Expected<std::string> {
      ++compilations;
      return code;
    });
    return found ? *found : llvm::toString(found.takeError());
  }

  fs::path onlyEntry() const {
    fs::path found;
    int files = 0;
    for (const auto &entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && entry.path().extension() != ".timestamp")
        ++files, found = entry.path();
    EXPECT_EQ(files, 1);
    return found;
  }

  fs::path folder;
  int compilations = 0;
};

TEST_F(CodeCacheTest, FindsWhatItKept) {
  EXPECT_EQ(get("k", "code"), "code");
  EXPECT_EQ(get("k", "other"), "code");
  EXPECT_EQ(compilations, 1);
  EXPECT_EQ(get("l", "other"), "other");
}

TEST_F(CodeCacheTest, MakesDamagedEntriesAgain) {
  get("k", "code");
  std::fstream(onlyEntry(), std::ios::in | std::ios::out | std::ios::binary) << "x";
  EXPECT_EQ(get("k", "again"), "again");
  EXPECT_EQ(get("k", "third"), "again");
  for (uintmax_t size : {20, 0}) {
    fs::resize_file(onlyEntry(), size);
    EXPECT_EQ(get("k", "cut"), "cut");
  }
  EXPECT_EQ(compilations, 4);
}

TEST_F(CodeCacheTest, KeepsNoErrors) {
  auto failing = []() -> llvm::Expected<std::string> {
    return llvm::createStringError("no code");
  };
  llvm::Expected<std::string> failed = cachedCode("k", failing);
  ASSERT_FALSE(bool(failed));
  EXPECT_EQ(llvm::toString(failed.takeError()), "no code");
  EXPECT_EQ(get("k", "code"), "code");
}

TEST_F(CodeCacheTest, DoesWithoutAFolder) {
  for (const char *place : {"", "/dev/null/nowhere"}) {
    setenv("STOOP_CACHE_DIR", place, 1);
    EXPECT_EQ(get("k", "code"), "code");
    EXPECT_EQ(get("k", "other"), "other");
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(CodeKeyTest, BoundariesCount) {
  EXPECT_EQ(CodeKey().add("ab").add("c").text(), CodeKey().add("ab").add("c").text());
  EXPECT_NE(CodeKey().add("ab").add("c").text(), CodeKey().add("a").add("bc").text());
  EXPECT_NE(CodeKey().add("ab").text(), CodeKey().add("ab").add("").text());
}

TEST(BuildIdentityTest, NamesProgramAndLlvm) {
  constexpr size_t kSha1 = 20;
  EXPECT_GE(buildIdentity().size(), 2 * kSha1);
}
} // namespace
