// exp and log against libm on random arguments, and log_sum_exp against its definition.
#include "runtime/core/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace stoop::rt {
namespace {

// Distance in units of the last place of `expected`.
double ulps(double actual, double expected) {
  double unit = std::nextafter(std::fabs(expected), INFINITY) - std::fabs(expected);
  return std::fabs(actual - expected) / unit;
}

TEST(Math, ExpWithinTwoUlps) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> wide(-708, 709), narrow(-2, 2);
  for (int i = 0; i < 200000; ++i) {
    double x = i % 2 ? wide(random) : narrow(random);
    ASSERT_LE(ulps(rt::exp(x), std::exp(x)), 2.0) << x;
  }
}

TEST(Math, LogWithinTwoUlps) {
  std::mt19937_64 random(12);
  std::uniform_real_distribution<double> exponent(-300, 300), near(0.5, 2);
  for (int i = 0; i < 200000; ++i) {
    double x = i % 2 ? std::pow(10.0, exponent(random)) : near(random);
    ASSERT_LE(ulps(rt::log(x), std::log(x)), 2.0) << x;
  }
}

TEST(Math, Limits) {
  EXPECT_EQ(rt::exp(0), 1);
  EXPECT_EQ(rt::exp(-INFINITY), 0);
  EXPECT_EQ(rt::exp(INFINITY), INFINITY);
  EXPECT_EQ(rt::exp(1000), INFINITY);
  EXPECT_TRUE(std::isnan(rt::exp(NAN)));
  EXPECT_EQ(rt::log(1), 0);
  EXPECT_EQ(rt::log(0), -INFINITY);
  EXPECT_EQ(rt::log(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(rt::log(-1)));
  EXPECT_TRUE(std::isnan(rt::log(NAN)));
  EXPECT_NEAR(rt::log(5e-324), std::log(5e-324), 1e-12);
}

TEST(Math, LogSumExpSkipsWhatIsNoNumber) {
  std::mt19937 random(13);
  std::normal_distribution<float> normal(0, 20);
  std::vector<float> logits(1000);
  long double sum = 0;
  for (float& x : logits) sum += std::exp(static_cast<long double>(x = normal(random)));
  EXPECT_NEAR(log_sum_exp(logits.data(), logits.size()), static_cast<double>(std::log(sum)), 1e-12);
  logits.push_back(NAN);
  logits.push_back(-INFINITY);
  EXPECT_NEAR(log_sum_exp(logits.data(), logits.size()), static_cast<double>(std::log(sum)), 1e-12);
  float nothing[] = {NAN, -INFINITY};
  EXPECT_EQ(log_sum_exp(nothing, 2), -INFINITY);
}

}  // namespace
}  // namespace stoop::rt
