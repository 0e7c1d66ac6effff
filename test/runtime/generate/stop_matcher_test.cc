// Stop strings against a search in the whole text, for every way of cutting it into pieces.
#include "runtime/generate/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace stoop::rt {
namespace {

struct Outcome {
  std::string shown;
  bool matched;
  uint32_t index;
};

// Where a reader of the whole text would stop: what is complete first wins; among those that a piece
// completes, the earliest start, then the lower index.
Outcome feed_all(const std::vector<std::string>& pieces, const std::vector<const char*>& stops,
                 std::vector<std::string>* partial) {
  Memory memory(nullptr);
  Message message;
  StopMatcher matcher;
  EXPECT_EQ(matcher.create(memory, stops.data(), static_cast<uint32_t>(stops.size()), 64, message),
            STOOP_OK);
  std::string shown;
  for (const std::string& piece : pieces) {
    bool matched = matcher.feed(piece.data(), piece.size());
    shown.append(matcher.released(), matcher.released_bytes());
    if (partial) partial->push_back(shown);
    if (matched) return {shown, true, matcher.matched()};
  }
  matcher.finish();
  shown.append(matcher.released(), matcher.released_bytes());
  return {shown, false, 0};
}

TEST(StopMatcher, AnyCutOfTheTextGivesTheSame) {
  std::mt19937 random(41);
  int matches = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    // Two letters make near misses and overlaps frequent. One stop string: the place is unambiguous.
    auto word = [&](size_t most) {
      std::string text(1 + random() % most, 'a');
      for (char& c : text) c = "ab"[random() % 2];
      return text;
    };
    std::string text = word(40), stop = word(6);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      size_t length = random() % 4;
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    std::vector<std::string> partial;
    Outcome outcome = feed_all(pieces, {stop.c_str()}, &partial);
    size_t place = text.find(stop);
    ASSERT_EQ(outcome.matched, place != std::string::npos) << text << " / " << stop;
    ASSERT_EQ(outcome.shown, text.substr(0, place)) << text << " / " << stop;
    for (const std::string& shown : partial)
      ASSERT_EQ(text.compare(0, shown.size(), shown), 0) << "shown text is never taken back";
    matches += outcome.matched;
  }
  EXPECT_GT(matches, 1000);
  EXPECT_LT(matches, 4900);
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  std::vector<std::string> partial;
  Outcome outcome = feed_all({"one <", "|e", "nd", "x <|", "end|> two"}, {"<|end|>"}, &partial);
  EXPECT_EQ(partial, (std::vector<std::string>{"one ", "one ", "one ", "one <|endx ", "one <|endx "}));
  EXPECT_TRUE(outcome.matched);
  EXPECT_EQ(outcome.shown, "one <|endx ");
}

TEST(StopMatcher, EarliestStartThenLowestIndex) {
  Outcome outcome = feed_all({"xabcd"}, {"cd", "bcd", "b"}, nullptr);
  EXPECT_EQ(outcome.shown, "xa");
  EXPECT_EQ(outcome.index, 1u);
}

TEST(StopMatcher, WithoutStopsEverythingPasses) {
  std::vector<std::string> partial;
  feed_all({"a", "", "bc"}, {}, &partial);
  EXPECT_EQ(partial, (std::vector<std::string>{"a", "a", "abc"}));
}

TEST(StopMatcher, EmptyStopIsRefused) {
  Memory memory(nullptr);
  Message message;
  StopMatcher matcher;
  const char* stops[] = {"x", ""};
  EXPECT_EQ(matcher.create(memory, stops, 2, 8, message), STOOP_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace stoop::rt
