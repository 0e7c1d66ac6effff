//===- ConfigReader.cpp - Typed access to a JSON config ---------------------===//
//
// See ConfigReader.h. A key that is read counts as used even when its value is wrong: the problem
// list, not the ledger, reports it then.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/ConfigReader.h"

#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

static const json nullValue = nullptr;

static std::string numberText(double value) {
  std::string text = json(value).dump();
  return StringRef(text).ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

ConfigReader::ConfigReader(const json &object, StringRef file, StringRef section, Ledger &ledger,
                           StringRef prefix)
    : root(object), fileName(file), sectionName(section), keyPrefix(prefix), book(ledger) {
  for (const auto &[key, value] : root.items())
    book.found(sectionName, fullKey(key));
}

bool ConfigReader::has(StringRef key) const { return root.contains(key.str()); }
bool ConfigReader::hasValue(StringRef key) const { return !peek(key).is_null(); }

const json &ConfigReader::peek(StringRef key) const {
  auto found = root.find(key.str());
  return found == root.end() ? nullValue : *found;
}

void ConfigReader::use(StringRef key) {
  if (has(key))
    book.used(sectionName, fullKey(key));
}
void ConfigReader::ignore(StringRef key, StringRef reason) {
  if (has(key))
    book.ignored(sectionName, fullKey(key), reason);
}
void ConfigReader::defaulted(StringRef key, StringRef value) {
  book.defaulted(sectionName, fullKey(key), value);
}
void ConfigReader::warn(const Twine &message) { book.warn(fileName + ": " + message); }
void ConfigReader::fail(const Twine &message) { problems.push_back(message.str()); }
void ConfigReader::failKey(StringRef key, const Twine &message) {
  fail("key '" + fullKey(key) + "': " + message);
}

Error ConfigReader::takeError() {
  if (problems.empty())
    return Error::success();
  std::vector<std::string> taken = std::move(problems);
  problems.clear();
  if (taken.size() == 1)
    return fileError(fileName, taken.front());
  std::string text = std::to_string(taken.size()) + " problems:";
  for (const std::string &problem : taken)
    text += "\n  " + problem;
  return fileError(fileName, text);
}

std::optional<int64_t> ConfigReader::toInteger(StringRef key, const json &value, Limits limits) {
  if (!value.is_number_integer()) {
    failKey(key, "expects an integer, found " + brief(value));
    return std::nullopt;
  }
  // An unsigned value beyond int64 is over every limit, too.
  bool huge = value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX;
  int64_t number = huge ? INT64_MAX : value.get<int64_t>();
  if (huge || number < limits.least || number > limits.most) {
    failKey(key, "expects an integer from " + Twine(limits.least) + " to " + Twine(limits.most) +
                     ", found " + brief(value));
    return std::nullopt;
  }
  return number;
}

std::optional<double> ConfigReader::toNumber(StringRef key, const json &value, double least,
                                             double most) {
  double number = value.is_number() ? value.get<double>() : NAN;
  if (number >= least && number <= most)
    return number;
  failKey(key, "expects a number from " + numberText(least) + " to " + numberText(most) +
                   ", found " + brief(value));
  return std::nullopt;
}

int64_t ConfigReader::integer(StringRef key, int64_t fallback, Limits limits) {
  use(key);
  if (has(key))
    return toInteger(key, peek(key), limits).value_or(fallback);
  defaulted(key, std::to_string(fallback));
  return fallback;
}

int64_t ConfigReader::requiredInteger(StringRef key, Limits limits) {
  use(key);
  if (has(key))
    return toInteger(key, peek(key), limits).value_or(limits.least);
  fail("key '" + fullKey(key) + "' is missing");
  return limits.least;
}

double ConfigReader::number(StringRef key, double fallback, double least, double most) {
  use(key);
  if (has(key))
    return toNumber(key, peek(key), least, most).value_or(fallback);
  defaulted(key, numberText(fallback));
  return fallback;
}

bool ConfigReader::boolean(StringRef key, bool fallback) {
  if (!has(key)) {
    defaulted(key, fallback ? "true" : "false");
    return fallback;
  }
  if (peek(key).is_null()) {
    use(key);
    failKey(key, "expects true or false, found null");
    return fallback;
  }
  return optionalBoolean(key).value_or(fallback);
}

std::string ConfigReader::string(StringRef key, StringRef fallback) {
  use(key);
  if (!has(key)) {
    defaulted(key, fallback);
    return fallback.str();
  }
  if (peek(key).is_string())
    return peek(key).get<std::string>();
  failKey(key, "expects a string, found " + brief(peek(key)));
  return fallback.str();
}

std::optional<int64_t> ConfigReader::optionalInteger(StringRef key, Limits limits) {
  use(key);
  return hasValue(key) ? toInteger(key, peek(key), limits) : std::nullopt;
}

std::optional<double> ConfigReader::optionalNumber(StringRef key, double least, double most) {
  use(key);
  return hasValue(key) ? toNumber(key, peek(key), least, most) : std::nullopt;
}

std::optional<bool> ConfigReader::optionalBoolean(StringRef key) {
  use(key);
  if (!hasValue(key))
    return std::nullopt;
  if (peek(key).is_boolean())
    return peek(key).get<bool>();
  failKey(key, "expects true or false, found " + brief(peek(key)));
  return std::nullopt;
}

std::optional<std::vector<int64_t>> ConfigReader::optionalIntegers(StringRef key, Limits limits) {
  use(key);
  if (!hasValue(key))
    return std::nullopt;
  const json &value = peek(key);
  std::vector<int64_t> numbers;
  if (!value.is_array()) {
    if (std::optional<int64_t> number = toInteger(key, value, limits))
      numbers.push_back(*number);
    return numbers;
  }
  for (const json &element : value)
    if (std::optional<int64_t> number = toInteger(key, element, limits))
      numbers.push_back(*number);
  return numbers;
}

} // namespace stoop::importer
