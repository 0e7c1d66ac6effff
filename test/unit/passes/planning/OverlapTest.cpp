//===- OverlapTest.cpp - do two blocks fit a multiprocessor? --------------===//
//
// At the limits of compute capability 9.0 and one step behind each of them.
//
//===----------------------------------------------------------------------===//
#include "ir/plan/Overlap.h"
#include <gtest/gtest.h>

using namespace stoop::plan;

TEST(Overlap, Threads) {
  EXPECT_EQ(whyNotTogether({1024, 0, 0}, {1024, 0, 0}), "");
  EXPECT_NE(whyNotTogether({1024, 0, 0}, {1025, 0, 0}).find("2049 threads"), std::string::npos);
}

TEST(Overlap, SharedMemory) {
  EXPECT_EQ(whyNotTogether({32, 227 << 10, 0}, {32, 0, 0}), "");
  EXPECT_NE(whyNotTogether({32, 227 << 10, 0}, {32, 1, 0}).find("232449 bytes of shared memory"), std::string::npos);
}

TEST(Overlap, RegistersAreGivenInEights) {
  EXPECT_EQ(whyNotTogether({256, 0, 121}, {256, 0, 128}), "");
  EXPECT_NE(whyNotTogether({256, 0, 121}, {256, 0, 129}).find("67584 registers, and a multiprocessor of compute capability 9.0 has 65536"),
            std::string::npos);
  EXPECT_EQ(whyNotTogether({256, 0, 0}, {512, 0, 128}), "") << "not known: none";
}
