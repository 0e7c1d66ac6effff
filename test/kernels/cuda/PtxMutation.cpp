//===- PtxMutation.cpp - broken variants of a kernel's PTX ----------------===//
//
// Works on lines: the compiler writes one instruction a line, inline assembly in braces.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/PtxMutation.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <random>

using namespace stoop::test;
using llvm::StringRef;

std::string Mutant::apply(const std::string &ptx) const {
  std::string result;
  StringRef rest = ptx;
  for (size_t number = 0; !rest.empty(); ++number) {
    auto [text, behind] = rest.split('\n');
    result += number == line ? after : text.str();
    result += '\n';
    rest = behind;
  }
  return result;
}

namespace {
struct Line {
  size_t number;
  StringRef text; ///< the instruction
};
} // namespace

static std::vector<Line> instructionsOf(StringRef ptx, const ExecutedLines &executed) {
  std::vector<Line> lines;
  for (size_t number = 0; !ptx.empty(); ++number) {
    auto [text, behind] = ptx.split('\n');
    ptx = behind;
    StringRef instruction = text.trim();
    instruction.consume_front("{");
    instruction = instruction.trim();
    if (executed.count(number))
      lines.push_back({number, instruction});
  }
  return lines;
}

/// Removes the guard: "@%p1 bra" is "bra".
static StringRef opcodeOf(StringRef instruction) {
  if (instruction.starts_with("@"))
    instruction = instruction.split(' ').second.trim();
  return instruction.take_until([](char c) { return c == ' ' || c == '\t' || c == ';'; });
}

std::vector<Mutant> stoop::test::missingSynchronisation(const std::string &ptx, const ExecutedLines &lines) {
  std::vector<Mutant> mutants;
  for (const Line &line : instructionsOf(ptx, lines))
    for (StringRef opcode : {"bar.", "barrier.", "membar", "fence", "cp.async.wait", "cp.async.commit"})
      if (opcodeOf(line.text).starts_with(opcode))
        mutants.push_back({line.number, line.text.str(), ""});
  return mutants;
}

std::vector<Mutant> stoop::test::withoutInstruction(const std::string &ptx, const std::string &opcode) {
  std::vector<Mutant> mutants;
  StringRef rest = ptx;
  for (size_t number = 0; !rest.empty(); ++number) {
    auto [text, behind] = rest.split('\n');
    rest = behind;
    if (opcodeOf(text.trim()) == opcode)
      mutants.push_back({number, text.trim().str(), ""});
  }
  return mutants;
}

/// `text` with the first `from` replaced; empty: there is none.
static std::string replaced(StringRef text, StringRef from, StringRef to) {
  size_t at = text.find(from);
  return at == StringRef::npos ? "" : (llvm::Twine(text.take_front(at)) + to + text.drop_front(at + from.size())).str();
}

/// The opposite of an instruction; empty: none is known.
static std::string opposite(StringRef text) {
  if (text.starts_with("@"))
    return text.starts_with("@!") ? replaced(text, "@!", "@") : replaced(text, "@", "@!");
  static constexpr std::pair<const char *, const char *> pairs[] = {
      {"add.", "sub."}, {"max.", "min."}, {".lt.", ".ge."}, {".gt.", ".le."}, {".eq.", ".ne."},
  };
  StringRef opcode = opcodeOf(text);
  if (opcode.starts_with("add.") || opcode.starts_with("sub.") || opcode.starts_with("max.") || opcode.starts_with("min.") ||
      opcode.starts_with("setp."))
    for (auto [a, b] : pairs)
      for (auto [from, to] : {std::pair(a, b), std::pair(b, a)})
        if (opcode.contains(from))
          return replaced(text, from, to);
  if (opcode.starts_with("mul.f32") || opcode.starts_with("mul.rn.f32"))
    return replaced(text, "mul.", "add.");
  if (opcode.starts_with("shfl.sync.bfly"))
    return replaced(text, ", 31, ", ", 0, ");
  if (opcode.starts_with("ldmatrix"))
    return opcode.contains(".trans") ? replaced(text, ".trans", "") : replaced(text, ".shared", ".trans.shared");
  return "";
}

std::vector<Mutant> stoop::test::wrongOperations(const std::string &ptx, const ExecutedLines &lines, size_t count, uint64_t seed) {
  std::vector<Mutant> all;
  for (const Line &line : instructionsOf(ptx, lines))
    if (std::string after = opposite(line.text); !after.empty())
      all.push_back({line.number, line.text.str(), after});
  std::mt19937_64 random(seed);
  std::shuffle(all.begin(), all.end(), random);
  all.resize(std::min(count, all.size()));
  return all;
}

std::pair<std::string, unsigned> stoop::test::sourceLineOf(const std::string &ptx, size_t line) {
  unsigned file = 0, at = 0;
  StringRef rest = ptx;
  for (size_t number = 0; number <= line && !rest.empty(); ++number) {
    auto [text, behind] = rest.split('\n');
    rest = behind;
    text = text.trim();
    if (text.consume_front(".loc"))
      text = text.ltrim(), text.consumeInteger(10, file), text = text.ltrim(), text.consumeInteger(10, at);
  }
  for (rest = ptx; !rest.empty();) {
    auto [text, behind] = rest.split('\n');
    rest = behind;
    text = text.trim();
    unsigned number = 0;
    if (!text.consume_front(".file"))
      continue;
    text = text.ltrim();
    if (!text.consumeInteger(10, number) && number == file)
      return {text.split('"').second.split('"').first.str(), at};
  }
  return {"", 0};
}
