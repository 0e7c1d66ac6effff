//===- Mutator.cpp - Seeded mutations of text and binary inputs --------------===//
#include "Mutator.h"

#include <cctype>
#include <cstdlib>

namespace stoop::test {

static const char *const extremeNumbers[] = {"0",
                                             "1",
                                             "-1",
                                             "2",
                                             "3",
                                             "255",
                                             "65536",
                                             "16777217",
                                             "2147483647",
                                             "2147483648",
                                             "4294967296",
                                             "1e5",
                                             "1e-5",
                                             "1e308",
                                             "0.5",
                                             "-0.0",
                                             "9223372036854775807",
                                             "9223372036854775808",
                                             "18446744073709551615",
                                             "18446744073709551616"};

Mutator::Mutator(uint64_t seed, std::vector<std::string> words)
    : random(seed), dictionary(std::move(words)) {}

size_t Mutator::below(size_t bound) { return bound == 0 ? 0 : random() % bound; }

std::string Mutator::mutate(const std::vector<std::string> &seeds) {
  std::string text = seeds[below(seeds.size())];
  for (size_t count = 1 + below(1 + below(8)); count > 0; --count)
    mutateOnce(text, seeds);
  return text;
}

void Mutator::replaceNumber(std::string &text) {
  size_t start = below(text.size());
  while (start < text.size() && !std::isdigit(static_cast<unsigned char>(text[start])))
    ++start;
  size_t end = start;
  while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])))
    ++end;
  text.replace(start, end - start, extremeNumbers[below(std::size(extremeNumbers))]);
}

void Mutator::mutateOnce(std::string &text, const std::vector<std::string> &seeds) {
  size_t at = below(text.size() + 1), length = below(1 + below(64));
  switch (below(9)) {
  case 0: // flip a bit
    if (at < text.size())
      text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
    break;
  case 1: // any byte
    if (at < text.size())
      text[at] = static_cast<char>(below(256));
    break;
  case 2: // remove
    text.erase(at, length);
    break;
  case 3: // repeat a range elsewhere
    text.insert(below(text.size() + 1), text.substr(at, length));
    break;
  case 4: // truncate
    if (below(4) == 0)
      text.resize(at);
    break;
  case 5: { // splice
    const std::string &other = seeds[below(seeds.size())];
    text.insert(at, other.substr(below(other.size()), length));
    break;
  }
  case 6:
  case 7:
    replaceNumber(text);
    break;
  case 8: // a word of the format over what is there
    if (!dictionary.empty()) {
      const std::string &word = dictionary[below(dictionary.size())];
      text.replace(at, below(2) ? word.size() : 0, word);
    }
    break;
  }
}

size_t fuzzCount(size_t fallback) {
  const char *text = std::getenv("STOOP_FUZZ_COUNT");
  return text ? std::strtoull(text, nullptr, 10) : fallback;
}

uint64_t fuzzSeed() {
  const char *text = std::getenv("STOOP_FUZZ_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

} // namespace stoop::test
