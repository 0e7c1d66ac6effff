//===- Ledger.cpp - What became of every input -----------------------------===//
//
// See Ledger.h. Messages list all offenders of all sections at once, so that one run shows them
// all.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Ledger.h"

#include "llvm/Support/ErrorHandling.h"

using namespace llvm;

namespace stoop::importer {

StringRef fateName(Ledger::Fate fate) {
  switch (fate) {
  case Ledger::Fate::Found:
    return "unaccounted";
  case Ledger::Fate::Used:
    return "used";
  case Ledger::Fate::Defaulted:
    return "defaulted";
  case Ledger::Fate::Ignored:
    return "ignored_by_spec";
  }
  llvm_unreachable("all fates are named");
}

std::string listNames(const std::vector<std::string> &names, size_t limit) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < limit; ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > limit)
    text += " and " + std::to_string(names.size() - limit) + " more";
  return text;
}

void Ledger::open(StringRef section, StringRef file) { table[section.str()].file = file.str(); }

void Ledger::set(StringRef section, StringRef key, Fate fate, StringRef note) {
  table[section.str()].entries[key.str()] = Entry{fate, note.str()};
}

void Ledger::found(StringRef section, StringRef key) { set(section, key, Fate::Found, ""); }
void Ledger::used(StringRef section, StringRef key) { set(section, key, Fate::Used, ""); }
void Ledger::defaulted(StringRef section, StringRef key, StringRef value) {
  set(section, key, Fate::Defaulted, value);
}
void Ledger::ignored(StringRef section, StringRef key, StringRef reason) {
  set(section, key, Fate::Ignored, reason);
}

void Ledger::warn(const Twine &message) {
  std::string text = message.str();
  // The same remark for each of 80 layers helps nobody.
  if (std::find(messages.begin(), messages.end(), text) == messages.end())
    messages.push_back(std::move(text));
}

Error Ledger::close(bool allowExtra) {
  std::vector<std::string> problems;
  for (auto &[name, section] : table) {
    std::vector<std::string> extra;
    for (auto &[key, entry] : section.entries) {
      if (entry.fate != Fate::Found)
        continue;
      extra.push_back("'" + key + "'");
      if (allowExtra)
        entry = Entry{Fate::Ignored, "--allow-extra"};
    }
    if (extra.empty())
      continue;
    std::string what = name == "tensors" ? "tensor" : "key";
    if (extra.size() > 1)
      what += "s";
    problems.push_back(section.file + ": " + std::to_string(extra.size()) + " " + what +
                       " that this model does not use: " + listNames(extra));
  }
  if (allowExtra) {
    for (const std::string &problem : problems)
      warn(problem + " (ignored, --allow-extra)");
    return Error::success();
  }
  if (problems.empty())
    return Error::success();
  std::string text;
  for (const std::string &problem : problems)
    text += problem + "\n";
  return createStringError(Twine(text) + "--allow-extra ignores them with a warning");
}

} // namespace stoop::importer
