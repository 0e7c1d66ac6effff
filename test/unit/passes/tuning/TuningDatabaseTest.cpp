//===- TuningDatabaseTest.cpp - the file of measured schedules ------------===//
#include "passes/tuning/Fingerprint.h"
#include "passes/tuning/TuningDatabase.h"

#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>
#include <fstream>

using namespace stoop::tuning;

namespace {
/// A file of its own, removed afterwards.
struct Scratch {
  llvm::SmallString<128> path;
  Scratch() { EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("tuning", "txtpb", path)); }
  ~Scratch() { llvm::sys::fs::remove(path); }
  std::string name() const { return path.str().str(); }
  std::string text() const {
    return (*llvm::MemoryBuffer::getFile(path, /*IsText=*/true))->getBuffer().str();
  }
  void set(const std::string &text) const { std::ofstream(name()) << text; }
};

const Setting kHere{"some-cpu", 8, "x86-64-v3", "0123456789abcdef"};

Entry entry(int64_t rows, int64_t prefetch, Setting setting = kHere) {
  Entry e;
  e.setting = std::move(setting);
  e.kernelTemplate = "linear";
  e.region = "r";
  e.rows = rows;
  e.tunables = {{"prefetch", prefetch}};
  e.measured = {10, 9, 12, 15};
  e.heuristic = {11, 10, 13, 15};
  e.rejected = {{{{"prefetch", 7}}, Rejection::WrongResult, "it is \"wrong\""}};
  e.stoop = "0.1";
  e.date = "2026-01-02";
  e.summary = "linear";
  return e;
}

int64_t prefetchOf(const Entry *e) { return e ? e->tunables.front().second : -1; }

std::string errorOf(const std::string &path) {
  llvm::Expected<TuningDatabase> read = TuningDatabase::read(path);
  return read ? "" : llvm::toString(read.takeError());
}
} // namespace

TEST(TuningDatabase, ReadsWhatItWrote) {
  Scratch file;
  TuningDatabase database;
  database.add(entry(4, 512));
  database.add(entry(1, 1024));
  ASSERT_FALSE(bool(database.write(file.name())));
  llvm::Expected<TuningDatabase> read = TuningDatabase::read(file.name());
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  ASSERT_EQ(read->entries().size(), 2u);
  const Entry &first = read->entries().front(), want = entry(1, 1024);
  EXPECT_TRUE(first.setting == want.setting);
  EXPECT_EQ(first.tunables, want.tunables);
  EXPECT_EQ(first.measured.p90, want.measured.p90);
  EXPECT_EQ(first.heuristic.median, want.heuristic.median);
  ASSERT_EQ(first.rejected.size(), 1u);
  EXPECT_EQ(first.rejected[0].reason, Rejection::WrongResult);
  EXPECT_EQ(first.rejected[0].detail, want.rejected[0].detail);
  EXPECT_EQ(first.date, want.date);
}

TEST(TuningDatabase, PredictionsGiveWay) {
  Scratch file;
  Entry predicted = entry(1, 64);
  predicted.predicted = true;
  predicted.launches = 32;
  predicted.candidates = 9;
  TuningDatabase database;
  database.add(predicted);
  ASSERT_FALSE(bool(database.write(file.name())));
  llvm::Expected<TuningDatabase> read = TuningDatabase::read(file.name());
  ASSERT_TRUE(bool(read)) << llvm::toString(read.takeError());
  EXPECT_TRUE(read->entries().front().predicted);
  EXPECT_EQ(read->entries().front().launches, 32u);
  EXPECT_EQ(read->entries().front().candidates, 9u);

  // They hold for any machine of the level with these kernels, but those of the same machine go first.
  auto never = [](int64_t) { return false; };
  Setting elsewhere = kHere;
  elsewhere.device = "other-cpu";
  elsewhere.processors = 4;
  EXPECT_EQ(prefetchOf(database.find(elsewhere, "linear", "r", 1, never)), 64);
  Entry own = predicted;
  own.setting = elsewhere;
  own.tunables.front().second = 128;
  database.add(own);
  EXPECT_EQ(prefetchOf(database.find(elsewhere, "linear", "r", 1, never)), 128);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 1, never)), 64);
  for (auto damage : {&Setting::level, &Setting::library}) {
    Setting other = kHere;
    other.*damage = "another";
    EXPECT_EQ(database.find(other, "linear", "r", 1, never), nullptr);
  }
  // What is measured takes the place of what was predicted, never the other way, and goes before predictions for nearer rows.
  database.add(entry(1, 256));
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 1, never)), 256);
  database.add(predicted);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 1, never)), 256);
  Entry nearer = predicted;
  nearer.rows = 3;
  database.add(nearer);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 3, [](int64_t) { return true; })), 256);
}

TEST(TuningDatabase, OrderOfRecordsIsThatOfKeys) {
  Scratch one, other;
  TuningDatabase forward, backward;
  for (int64_t rows : {1, 2, 3, 512})
    forward.add(entry(rows, rows));
  for (int64_t rows : {512, 3, 2, 1})
    backward.add(entry(rows, rows));
  ASSERT_FALSE(bool(forward.write(one.name())));
  ASSERT_FALSE(bool(backward.write(other.name())));
  EXPECT_EQ(one.text(), other.text());
}

TEST(TuningDatabase, LaterRecordOfAKeyCounts) {
  Scratch file;
  TuningDatabase database;
  database.add(entry(1, 256));
  ASSERT_FALSE(bool(database.write(file.name())));
  std::string text = file.text(), record = text.substr(text.find("record {"));
  size_t value = record.find("256");
  file.set(text + record.replace(value, 3, "512")); // as two branches leave it
  llvm::Expected<TuningDatabase> merged = TuningDatabase::read(file.name());
  ASSERT_TRUE(bool(merged));
  ASSERT_EQ(merged->entries().size(), 1u);
  EXPECT_EQ(prefetchOf(&merged->entries().front()), 512);
}

TEST(TuningDatabase, ExactRowsThenNearestOfTheSameKernel) {
  TuningDatabase database;
  for (int64_t rows : {1, 4, 32, 512})
    database.add(entry(rows, rows));
  auto many = [](int64_t rows) { return rows > 4; };
  auto none = [](int64_t) { return false; };
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 32, many)), 32);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 100, many)), 32);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 2048, many)), 512);
  EXPECT_EQ(prefetchOf(database.find(kHere, "linear", "r", 4, none)), 4);
  EXPECT_EQ(database.find(kHere, "linear", "r", 3, none), nullptr);
  EXPECT_EQ(database.find(kHere, "linear", "other", 4, many), nullptr);
  EXPECT_EQ(database.find(kHere, "norm", "r", 4, many), nullptr);
}

TEST(TuningDatabase, EveryPartOfTheSettingCounts) {
  TuningDatabase database;
  database.add(entry(1, 1));
  auto none = [](int64_t) { return false; };
  EXPECT_NE(database.find(kHere, "linear", "r", 1, none), nullptr);
  for (int part = 0; part < 4; ++part) {
    Setting other = kHere;
    part == 0   ? (void)(other.device += "x")
    : part == 1 ? (void)++other.processors
    : part == 2 ? (void)(other.level = "avx512")
                : (void)(other.library[0] = 'f');
    EXPECT_EQ(database.find(other, "linear", "r", 1, none), nullptr) << part;
  }
}

TEST(TuningDatabase, DamageIsNamed) {
  Scratch file;
  EXPECT_NE(errorOf(file.name() + ".missing").find(file.name() + ".missing"), std::string::npos);
  file.set("schema_version: 1\nrecord {\n  key { colour: 3 }\n}\n");
  EXPECT_NE(errorOf(file.name()).find("line 3"), std::string::npos) << errorOf(file.name());
  file.set(std::string("\0\1\2", 3));
  EXPECT_NE(errorOf(file.name()).find("is damaged"), std::string::npos);
  file.set("");
  EXPECT_NE(errorOf(file.name()).find("schema_version 0"), std::string::npos);
  file.set("schema_version: 9\n");
  EXPECT_NE(errorOf(file.name()).find("schema_version 9"), std::string::npos);
}

TEST(TuningDatabase, DeviceNamesAreOneWord) {
  EXPECT_EQ(deviceName("Intel(R) Xeon(R) CPU @ 2.00GHz "), "intel-r-xeon-r-cpu-2-00ghz");
}

namespace {
/// The fingerprint of a region of one linear with a bias.
std::string fingerprintOf(const std::string &rows, const std::string &layer, const std::string &n,
                          const std::string &type = "bf16", const std::string &activations = "") {
  static mlir::MLIRContext *context = [] {
    static mlir::MLIRContext made;
    made.loadDialect<stoop::lm::LmDialect>();
    return &made;
  }();
  std::string x = "tensor<" + rows + "x64xf32>", w = "tensor<" + n + "x64x" + type + ">",
              y = "tensor<" + rows + "x" + n + "xf32>", b = "tensor<" + n + "xf32>";
  std::string text = "\"builtin.module\"() ({\n^bb0(%x: " + x + ", %w: " + w + ", %b: " + b +
                     "):\n  %r = lm.linear %x, %w : (" + x + ", " + w + ") -> " + y +
                     " loc(\"layers." + layer + "\")\n  %s = lm.bias %r, %b : (" + y + ", " + b +
                     ") -> " + y + "\n  lm.yield %s : " + y + "\n}) : () -> ()";
  // A region outside of its op: the verifier would miss the parent.
  mlir::ParserConfig config(context, /*verifyAfterParse=*/false);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, config);
  EXPECT_TRUE(module) << text;
  mlir::NamedAttrList metadata;
  if (!activations.empty())
    metadata.set("activation_dtype", mlir::StringAttr::get(context, activations));
  return module ? fingerprint(module->getBodyRegion(), metadata.getDictionary(context)) : "";
}
} // namespace

TEST(Fingerprint, TellsWhatMattersFromWhatDoesNot) {
  std::string one = fingerprintOf("1", "0", "48");
  EXPECT_EQ(one.size(), 16u);
  EXPECT_EQ(one, fingerprintOf("512", "0", "48")) << "rows are part of the key, not of the region";
  EXPECT_EQ(one, fingerprintOf("1", "7", "48")) << "layers are alike";
  EXPECT_NE(one, fingerprintOf("1", "0", "64"));
  EXPECT_NE(one, fingerprintOf("1", "0", "48", "f16"));
  EXPECT_NE(one, fingerprintOf("1", "0", "48", "bf16", "f32"));
}
