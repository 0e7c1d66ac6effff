//===- LedgerTest.cpp - Nothing in a checkpoint goes unnoticed ----------------===//
#include "compiler/import/Ledger.h"
#include <gtest/gtest.h>

using namespace stoop::importer;

namespace {

Ledger filled() {
  Ledger ledger;
  ledger.open("config", "c.json");
  ledger.open("tensors", "m.safetensors");
  for (const char *key : {"a", "b", "c"})
    ledger.found("config", key);
  ledger.found("tensors", "t");
  return ledger;
}

TEST(Ledger, NamesEverythingWithoutFate) {
  Ledger ledger = filled();
  ledger.used("config", "b");
  EXPECT_EQ(
      llvm::toString(ledger.close(false)),
      "c.json: 2 keys that this model does not use: 'a', 'c'\nm.safetensors: 1 tensor that this "
      "model does not use: 't'\n--allow-extra ignores them with a warning");
}

TEST(Ledger, ClosesWhenAllHaveAFate) {
  Ledger ledger = filled();
  ledger.used("config", "a");
  ledger.ignored("config", "b", "why");
  ledger.used("config", "c");
  ledger.defaulted("config", "d", "7");
  ledger.used("tensors", "t");
  EXPECT_EQ(llvm::toString(ledger.close(false)), llvm::toString(llvm::Error::success()));
  const auto &entries = ledger.sections().at("config").entries;
  EXPECT_EQ(entries.at("a").fate, Ledger::Fate::Used);
  EXPECT_EQ(entries.at("b").fate, Ledger::Fate::Ignored);
  EXPECT_EQ(entries.at("b").note, "why");
  EXPECT_EQ(entries.at("d").fate, Ledger::Fate::Defaulted);
  EXPECT_EQ(entries.at("d").note, "7");
  EXPECT_TRUE(ledger.warnings().empty());
}

TEST(Ledger, AllowExtraWarnsOncePerFile) {
  Ledger ledger = filled();
  EXPECT_FALSE(bool(ledger.close(true)));
  EXPECT_EQ(
      ledger.warnings(),
      (std::vector<std::string>{
          "c.json: 3 keys that this model does not use: 'a', 'b', 'c' (ignored, --allow-extra)",
          "m.safetensors: 1 tensor that this model does not use: 't' (ignored, --allow-extra)"}));
  EXPECT_EQ(ledger.sections().at("tensors").entries.at("t").fate, Ledger::Fate::Ignored);
  EXPECT_FALSE(bool(ledger.close(false))) << "every entry has a fate now";
}

TEST(Ledger, LongListsAreCut) {
  std::vector<std::string> names(25, "x");
  EXPECT_EQ(listNames(names, 3), "x, x, x and 22 more");
  EXPECT_EQ(listNames({"x", "y"}, 3), "x, y");
}

TEST(Ledger, EqualWarningsAppearOnce) {
  Ledger ledger;
  ledger.warn("same");
  ledger.warn("same");
  EXPECT_EQ(ledger.warnings().size(), 1u);
}

} // namespace
