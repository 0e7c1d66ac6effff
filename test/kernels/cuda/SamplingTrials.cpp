//===- SamplingTrials.cpp - generations that tell samplers apart ----------===//
//
// Tokens are all that a sampler shows. A wrong digit of a weight changes one in 2^44 tokens of random logits, so
// borders are looked for: candidates whose weights put top-p's share, or the draw, a few units beside the edge between
// two of them. Floats are too coarse to be solved for; among many, some lie near enough.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/SamplingTrials.h"
#include "stoop/abi.h"
#include "test/runtime/sampler/random_settings.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace stoop;
using namespace stoop::test;
using rt::pick;

constexpr uint32_t kNone = UINT32_MAX;
/// All terms of a weight's series count where its exponent changes, half a turn beside a power of two.
constexpr double kBesideHalf = 0.03;

SamplingTrial SamplingTrials::anyTrial(uint32_t vocab) {
  SamplingTrial trial;
  trial.numIds = random() % 2 ? vocab : 1 + random() % vocab;
  trial.settings = rt::random_settings(random);
  trial.prompt.resize(random() % 12);
  for (uint32_t &id : trial.prompt)
    id = random() % vocab;
  return trial;
}

/// Every other id counts for penalties, and many candidates weigh nearly the same: whichever is left out, the draw falls
/// on another one.
SamplingTrial SamplingTrials::crowdedTrial(uint32_t vocab, bool isZero) {
  SamplingTrial trial;
  trial.numIds = vocab - random() % (1 + vocab / 4);
  stoop_sampling &settings = trial.settings = rt::random_settings(random);
  settings.temperature = isZero ? pick<float>(random, {0, 1}) : pick<float>(random, {0, 1, 30, 1e6f});
  settings.top_k = random() % 2 ? 0 : 1 + random() % vocab;
  settings.repetition_penalty = pick<float>(random, {1, 1.3f, 0.8f});
  settings.presence_penalty = pick<float>(random, {0, 0.7f, -0.5f});
  settings.frequency_penalty = pick<float>(random, {0, 0.4f});
  for (uint32_t id = 0; id < vocab; ++id) {
    if (random() % 2)
      trial.prompt.push_back(id);
    if (random() % 3 == 0)
      trial.generated.insert(trial.generated.end(), 1 + random() % 3, id);
  }
  return trial;
}

std::vector<float> SamplingTrials::logits(uint32_t vocab, Kind kind) {
  std::normal_distribution<float> normal(0, kind == Crowded ? 0.5f : 3);
  std::vector<float> values(vocab);
  for (float &x : values) {
    x = kind == Zeros ? pick<float>(random, {0, -0.0f}) : normal(random);
    if (kind == Ties)
      x = std::round(x);
    if (kind == NoNumbers && random() % 4 == 0)
      x = pick<float>(random, {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, -0.0f, 0});
  }
  return values;
}

static float scaledOf(float logit, uint32_t history, const sampling::Settings &s) {
  return sampling::scaled(sampling::penalized(logit, history, s), s);
}

/// The logit that penalties and temperature make about `scaled` of, for an id with that history.
static float logitOf(double scaled, uint32_t history, const sampling::Settings &s) {
  double value = scaled * s.temperature;
  if (const uint32_t generated = history & ~sampling::kSeen)
    value += double(s.presence_penalty) + double(s.frequency_penalty) * generated;
  if (history & sampling::kSeen)
    value = value < 0 ? value / s.repetition_penalty : value * s.repetition_penalty;
  return static_cast<float>(value);
}

/// `size` candidates with random penalties. The first one weighs most; the others have no logit yet.
SamplingTrials::Contest SamplingTrials::anyContest(uint32_t vocab, uint32_t size) {
  Contest contest;
  sampling::Settings &s = contest.settings;
  while (contest.ids.size() < size)
    if (const uint32_t id = random() % vocab; !llvm::is_contained(contest.ids, id))
      contest.ids.push_back(id);
  for (uint32_t id : contest.ids) {
    uint32_t &history = contest.histories.emplace_back(0);
    for (uint32_t n = random() % 4; n > 0; --n) {
      contest.generated.push_back(id);
      history = sampling::noted(history);
    }
  }
  s.draws = contest.generated.size();
  s.temperature = pick<float>(random, {1, 1, 0.7f});
  s.top_p = s.repetition_penalty = 1;
  if (random() % 2) {
    s.repetition_penalty = pick<float>(random, {1, 1.3f, 0.8f});
    s.presence_penalty = pick<float>(random, {0, 0.7f, -0.5f});
    s.frequency_penalty = pick<float>(random, {0, 0.4f});
  }
  contest.logits.assign(size, pick<float>(random, {0, 0.6f, -0.7f}));
  contest.weights.assign(size, sampling::kLargestWeight);
  return contest;
}

/// Gives a candidate about 2^turns of the largest weight.
void SamplingTrials::place(Contest &contest, uint32_t candidate, double turns) {
  const sampling::Settings &s = contest.settings;
  const float top = scaledOf(contest.logits[0], contest.histories[0], s);
  float &logit = contest.logits[candidate];
  logit = logitOf(top + turns * 0.6931471805599453, contest.histories[candidate], s);
  contest.weights[candidate] = sampling::weight(scaledOf(logit, contest.histories[candidate], s), top);
}

/// One more try for a border of top-p behind the second of three candidates. Returns how far the sum that is wanted lies
/// behind it, in units of a weight (positive: the third one is let in, and drawn); NaN: the draw falls on another one.
double SamplingTrials::tryTopP(Contest &contest) {
  sampling::Settings &s = contest.settings;
  std::uniform_real_distribution<double> besideHalf(-kBesideHalf, kBesideHalf);
  const double turns = besideHalf(random) - 0.5 - random() % 2;
  place(contest, 1, turns);
  place(contest, 2, turns - 1 - random() % 2);
  const uint64_t first = contest.weights[0] + contest.weights[1], total = first + contest.weights[2];
  s.seed = random();
  s.top_p = static_cast<float>(double(first) / double(total));
  uint64_t below = 0; // weights of lower ids
  for (int i : {0, 1})
    below += contest.ids[i] < contest.ids[2] ? contest.weights[i] : 0;
  const uint64_t drawn = sampling::draw(s.seed, s.draws, total);
  const bool isThird = drawn >= below && drawn - below < contest.weights[2];
  return isThird ? double(sampling::top_p_weight(s.top_p, total)) - double(first) : NAN;
}

/// One more try for a border of the draw, between two candidates. Returns how far it lies behind the first one in order
/// of ids, in units of a weight (positive: the other one is drawn); NaN: no logit leads there.
double SamplingTrials::tryDraw(Contest &contest) {
  sampling::Settings &s = contest.settings;
  s.seed = random();
  const bool isLargeFirst = contest.ids[0] < contest.ids[1];
  // The share of the first one, drawn of as many as there can be, leaves that for the other one.
  double turns = std::log2(0x1p64 / double(sampling::draw(s.seed, s.draws, UINT64_MAX)) - 1);
  turns = isLargeFirst ? turns : -turns;
  if (!(turns < 0 && turns > -4 && std::fabs(turns - std::floor(turns) - 0.5) < kBesideHalf))
    return NAN;
  place(contest, 1, turns);
  const uint64_t first = contest.weights[isLargeFirst ? 0 : 1];
  return double(sampling::draw(s.seed, s.draws, contest.weights[0] + contest.weights[1])) + 1 - double(first);
}

/// What decides, the share of top-p or the draw, misses the edge between two candidates by a few units of a weight, `above`
/// it or not.
SamplingTrial SamplingTrials::border(uint32_t vocab, bool isTopP, bool above) {
  Contest contest = anyContest(vocab, isTopP ? 3 : 2), best;
  double least = INFINITY;
  for (int i = 0; i < tries || least == INFINITY; ++i) {
    const double past = isTopP ? tryTopP(contest) : tryDraw(contest);
    if (past == past && (past > 0) == above && std::fabs(past) < least)
      least = std::fabs(past), best = contest;
  }
  SamplingTrial trial;
  stoop_sampling &settings = trial.settings;
  settings.struct_size = sizeof settings;
  settings.seed = best.settings.seed;
  settings.temperature = best.settings.temperature;
  settings.top_p = best.settings.top_p;
  settings.repetition_penalty = best.settings.repetition_penalty;
  settings.presence_penalty = best.settings.presence_penalty;
  settings.frequency_penalty = best.settings.frequency_penalty;
  trial.numIds = vocab;
  trial.generated = best.generated;
  std::vector<float> &values = trial.logits.emplace_back(vocab, -INFINITY);
  for (auto [id, logit] : llvm::zip_equal(best.ids, best.logits))
    values[id] = logit;
  return trial;
}

SamplingTrial SamplingTrials::next(uint32_t vocab, Kind kind) {
  SamplingTrial trial;
  if (kind > Crowded && vocab >= 3) {
    trial = border(vocab, /*isTopP=*/kind <= TopPAbove, /*above=*/kind == TopPAbove || kind == DrawAbove);
  } else {
    trial = kind == Zeros || kind == Crowded ? crowdedTrial(vocab, kind == Zeros) : anyTrial(vocab);
    for (int step = 0; step < 4; ++step)
      trial.logits.push_back(logits(vocab, kind));
  }
  place(trial);
  return trial;
}

SamplingTrial SamplingTrials::negative(uint32_t vocab) {
  std::normal_distribution<float> normal(-9, 1);
  SamplingTrial trial = crowdedTrial(vocab, /*isZero=*/false);
  stoop_sampling &settings = trial.settings;
  settings.temperature = pick<float>(random, {0, 0, 0, 1});
  if (settings.temperature == 0 && random() % 4 != 0) {
    settings.repetition_penalty = 1;
    settings.presence_penalty = settings.frequency_penalty = 0;
  }
  for (int step = 0; step < 4; ++step)
    for (float &x : trial.logits.emplace_back(vocab))
      x = random() % 256 == 0 ? pick<float>(random, {NAN, -INFINITY}) : std::round(normal(random) * 4) / 4;
  place(trial);
  return trial;
}

void SamplingTrials::place(SamplingTrial &trial) {
  trial.row = random() % 2;
  trial.order = random();
}

std::string SamplingTrial::run(DeviceSampler &device) const {
  const uint32_t vocab = logits[0].size();
  rt::Memory memory(nullptr);
  rt::Message message;
  rt::Sampler host;
  if (host.create(memory, vocab, numIds, settings, message) != STOOP_OK)
    return message.text;
  host.begin(prompt.data(), prompt.size());
  for (uint32_t id : generated)
    host.note(id);
  std::vector<uint32_t> history(vocab);
  if (host.history())
    history.assign(host.history(), host.history() + vocab);
  device.begin(host, history, row);
  for (const std::vector<float> &values : logits) {
    uint32_t expected = kNone;
    if (host.sample(values.data(), nullptr, &expected, message) != STOOP_OK)
      expected = kNone;
    const uint64_t seed = order + (&values - logits.data());
    const uint32_t actual = device.sample(values, numIds, seed, /*hasMaxima=*/seed % 2);
    if (device.failure.empty() && actual != expected)
      return llvm::formatv("{0} instead of {1} of {2} ids, step {3}: temperature {4} top-k {5} top-p {6} min-p {7}", actual,
                           expected, numIds, &values - logits.data(), settings.temperature, settings.top_k, settings.top_p,
                           settings.min_p);
    if (!device.failure.empty() || expected == kNone)
      return device.failure;
  }
  return "";
}
