//===- ArenaProblemTest.cpp - every solver against the independent checker -===//
//
// Random problems from fixed seeds x all solvers of Solvers.def, plus hand-made placements that the
// checker must refuse.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/Liveness.h"
#include "passes/planning/arena/Portfolio.h"

#include "llvm/ADT/ArrayRef.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace stoop::arena;

static std::string message(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "";
}

static Problem randomProblem(uint32_t seed) {
  std::mt19937 random(seed);
  auto below = [&](uint32_t limit) { return uint32_t(random() % limit); };
  uint32_t numSteps = 1 + below(60);
  Problem problem;
  for (uint32_t i = 0, count = 1 + below(80); i < count; ++i) {
    uint32_t first = below(numSteps), last = std::min(numSteps - 1, first + below(8));
    problem.buffers.push_back(
        {1 + below(below(4) ? 300 : 100000), uint64_t(1) << below(8), first, last});
  }
  return problem;
}

class AllSolvers : public testing::TestWithParam<SolverInfo> {};

TEST_P(AllSolvers, SolvesRandomProblems) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    Problem problem = randomProblem(seed);
    ASSERT_EQ(message(problem.check()), "") << "seed " << seed;
    Placement placement = GetParam().solve(problem);
    EXPECT_EQ(message(problem.verify(placement)), "") << "seed " << seed;
    EXPECT_GE(placement.size, livenessLowerBound(problem)) << "seed " << seed;
  }
}

TEST_P(AllSolvers, SizeDoesNotDependOnBufferOrder) {
  std::mt19937 random(7);
  for (uint32_t seed = 300; seed < 340; ++seed) {
    Problem problem = randomProblem(seed);
    uint64_t size = GetParam().solve(problem).size;
    EXPECT_EQ(GetParam().solve(problem).size, size) << "not deterministic, seed " << seed;
    std::shuffle(problem.buffers.begin(), problem.buffers.end(), random);
    EXPECT_EQ(GetParam().solve(problem).size, size) << "seed " << seed;
  }
}

// In a chain (each step reads the last result and writes the next) two buffers' room is enough.
TEST_P(AllSolvers, ReachesTheLowerBoundOnAChain) {
  Problem problem;
  for (uint32_t i = 0; i < 50; ++i)
    problem.buffers.push_back({4096, 64, i, i + 1});
  EXPECT_EQ(livenessLowerBound(problem), 8192u);
  EXPECT_EQ(GetParam().solve(problem).size, 8192u);
}

TEST_P(AllSolvers, EmptyProblemNeedsNothing) { EXPECT_EQ(GetParam().solve(Problem{}).size, 0u); }

INSTANTIATE_TEST_SUITE_P(Solvers, AllSolvers,
                         testing::ValuesIn(allSolvers().begin(), allSolvers().end()),
                         [](const testing::TestParamInfo<SolverInfo> &info) {
                           std::string name = info.param.name.str();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

//===----------------------------------------------------------------------===//
// All solvers together
//===----------------------------------------------------------------------===//

/// Shapes of problems: short lives, lives of any length, mostly short with some long ones, chains
/// with a residual stream; sizes flat or spread over four decades; alignments mixed or equal.
static Problem shapedProblem(uint32_t seed, uint32_t count) {
  std::mt19937 random(seed);
  auto below = [&](uint32_t limit) { return uint32_t(random() % limit); };
  uint32_t shape = seed % 4, numSteps = shape == 0 ? 60 : 1 + below(count);
  bool isFlat = below(2), isAligned = below(2);
  Problem problem;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t first = below(numSteps), length = below(20);
    if (shape == 1)
      length = below(numSteps);
    else if (shape == 2 && below(5) == 0)
      length = below(200);
    else if (shape == 3)
      length = i % 8 == 0 ? 8 : 1;
    uint64_t size = isFlat ? 1 + below(100000) : 1 + below(1u << (4 + below(14)));
    problem.buffers.push_back({size, isAligned ? 64u : uint64_t(1) << below(8), first,
                               std::min(numSteps - 1, first + length)});
  }
  return problem;
}

TEST(Portfolio, KeepsTheSmallestAndReportsAll) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    Problem problem = shapedProblem(seed, 60);
    llvm::Expected<Choice> choice = solveWithAll(problem);
    ASSERT_TRUE(bool(choice)) << message(choice.takeError());
    EXPECT_EQ(message(problem.verify(choice->placement)), "");
    EXPECT_EQ(choice->lowerBound, livenessLowerBound(problem));
    ASSERT_EQ(choice->attempts.size(), allSolvers().size());
    for (size_t i = 0; i < allSolvers().size(); ++i) {
      const Attempt &attempt = choice->attempts[i];
      EXPECT_EQ(attempt.solver, allSolvers()[i].name);
      EXPECT_EQ(attempt.peak, allSolvers()[i].solve(problem).size);
      EXPECT_GE(attempt.peak, choice->peak());
      if (attempt.solver == choice->kept) {
        EXPECT_EQ(attempt.peak, choice->peak());
      }
    }
  }
}

TEST(Portfolio, NamesASolverThatIsWrong) {
  SolverInfo wrong{"overlapping", [](const Problem &problem) {
                     return Placement{std::vector<uint64_t>(problem.buffers.size()), 16};
                   }};
  Problem problem{{{16, 1, 0, 1}, {16, 1, 1, 2}}};
  llvm::Expected<Choice> choice = solveWithAll(problem, {wrong});
  ASSERT_FALSE(bool(choice));
  EXPECT_EQ(message(choice.takeError()), "solver 'overlapping' is wrong: buffers 0 and 1 overlap "
                                         "at offsets 0 and 0 while both are live");
}

TEST(Portfolio, RefusesAProblemWithoutSense) {
  EXPECT_EQ(message(solveWithAll(Problem{{{0, 1, 0, 0}}}).takeError()), "buffer 0 is empty");
}

// What the plan promises: on average at most 2 % above what no placement can go below.
TEST(Portfolio, StaysNearTheLowerBound) {
  for (uint32_t count : {20u, 200u, 2000u}) {
    uint32_t numProblems = count == 2000 ? 8 : 24;
    double sum = 0;
    for (uint32_t seed = 0; seed < numProblems; ++seed) {
      Problem problem = shapedProblem(1000 + seed, count);
      llvm::Expected<Choice> choice = solveWithAll(problem);
      ASSERT_TRUE(bool(choice)) << message(choice.takeError());
      sum += double(choice->peak()) / double(choice->lowerBound);
    }
    RecordProperty("mean_over_bound_" + std::to_string(count), std::to_string(sum / numProblems));
    EXPECT_LE(sum / numProblems, 1.02) << count << " buffers";
  }
}

// The checker is what everything rests on: random damage to a right solution never passes as right
// unless a slow byte map agrees.
TEST(ArenaProblem, VerifyAgreesWithAByteMap) {
  std::mt19937 random(11);
  unsigned numRefused = 0, numAccepted = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Problem problem;
    for (uint32_t i = 0; i < 12; ++i) {
      uint32_t first = uint32_t(random() % 6);
      problem.buffers.push_back({1 + random() % 20, 1, first, first + uint32_t(random() % 3)});
    }
    Placement placement = solveFirstFit(problem);
    placement.offsets[random() % 12] += random() % 12;
    bool isRight = true;
    for (uint32_t step = 0; step < 10; ++step) {
      std::vector<bool> taken(placement.size);
      for (size_t i = 0; i < 12; ++i) {
        if (step < problem.buffers[i].firstUse || step > problem.buffers[i].lastUse)
          continue;
        for (uint64_t byte = 0; byte < problem.buffers[i].size; ++byte) {
          uint64_t at = placement.offsets[i] + byte;
          isRight = isRight && at < placement.size && !taken[at];
          if (at < placement.size)
            taken[at] = true;
        }
      }
    }
    EXPECT_EQ(message(problem.verify(placement)).empty(), isRight) << "seed " << seed;
    ++(isRight ? numAccepted : numRefused);
  }
  EXPECT_GT(numRefused, 20u);
  EXPECT_GT(numAccepted, 20u);
}

TEST(ArenaSolvers, AreFoundByName) {
  for (const SolverInfo &info : allSolvers()) {
    ASSERT_EQ(findSolvers(info.name).size(), 1u);
    EXPECT_EQ(findSolvers(info.name).front().name, info.name);
  }
  EXPECT_EQ(findSolvers("all").size(), allSolvers().size());
  EXPECT_TRUE(findSolvers("no-such-solver").empty());
}

TEST(ArenaProblem, CheckRefusesNonsense) {
  EXPECT_EQ(message(Problem{{{0, 1, 0, 0}}}.check()), "buffer 0 is empty");
  EXPECT_EQ(message(Problem{{{8, 48, 0, 0}}}.check()), "buffer 0: alignment 48 is no power of two");
  EXPECT_EQ(message(Problem{{{8, 8, 0, 0}, {8, 8, 3, 2}}}.check()),
            "buffer 1 is last used in step 2, before its first use in step 3");
}

TEST(ArenaProblem, VerifyRefusesBadPlacements) {
  Problem problem{{{100, 64, 0, 1}, {100, 64, 1, 2}, {100, 64, 2, 3}}};
  // Buffers 0 and 2 never meet: they may share.
  EXPECT_EQ(message(problem.verify({{0, 128, 0}, 228})), "");
  EXPECT_EQ(message(problem.verify({{0, 128}, 228})), "2 offsets for 3 buffers");
  EXPECT_EQ(message(problem.verify({{0, 100, 0}, 228})),
            "buffer 1: offset 100 is not aligned to 64");
  EXPECT_EQ(message(problem.verify({{0, 128, 0}, 227})),
            "buffer 1: [128, +100) ends outside of the arena's 227 bytes");
  EXPECT_EQ(message(problem.verify({{0, 64, 0}, 228})),
            "buffers 0 and 1 overlap at offsets 0 and 64 while both are live");
  EXPECT_EQ(message(problem.verify({{~uint64_t(63), 128, 0}, 228})),
            "buffer 0: [18446744073709551552, +100) ends outside of the arena's 228 bytes");
}

// The checker sees every single overlap: shift one buffer of a tight solution onto its neighbour.
TEST(ArenaProblem, VerifySeesAnyOverlap) {
  Problem problem;
  for (uint32_t i = 0; i < 20; ++i)
    problem.buffers.push_back({16, 1, 0, 5});
  Placement placement = solveFirstFit(problem);
  ASSERT_EQ(message(problem.verify(placement)), "");
  for (uint64_t &offset : placement.offsets) {
    if (offset == 0)
      continue;
    offset -= 1;
    EXPECT_NE(message(problem.verify(placement)), "");
    offset += 1;
  }
}

TEST(ArenaProblem, LowerBoundIsThePeakOfLiveBytes) {
  EXPECT_EQ(livenessLowerBound(Problem{{{10, 1, 0, 4}, {20, 1, 4, 9}, {40, 1, 5, 5}}}), 60u);
  EXPECT_EQ(livenessLowerBound(Problem{{{10, 1, 0, 4}, {20, 1, 5, 9}}}), 20u);
}

TEST(Liveness, CoversAllUsesInAnyOrder) {
  Liveness liveness(2);
  liveness.addUse(0, 5);
  liveness.addUse(0, 2);
  liveness.addUse(0, 3);
  ASSERT_TRUE(liveness.of(0).has_value());
  EXPECT_EQ(liveness.of(0)->first, 2u);
  EXPECT_EQ(liveness.of(0)->last, 5u);
  EXPECT_FALSE(liveness.of(1).has_value());
}
