// The parsed form of a PTX module: what the text says, with names unresolved. Names follow the PTX ISA manual.
// Invariant: every instruction keeps its PTX line and, where the text has .loc, its source line, so that any later
// message can name both.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace vgpu {
using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;

/// Thrown for text that is not PTX or uses what the virtual GPU does not execute; the message names the PTX line.
struct PtxError : std::runtime_error {
  PtxError(int line, const std::string &what)
      : std::runtime_error("ptx line " + std::to_string(line) + ": " + what), line(line) {}
  int line;
};

struct Operand {
  enum class Kind {
    Name,    // register, variable, label or special register; `second` is q of "p|q", `offset` of "name+4"
    Integer, // `bits`
    Float,   // `bits`, an IEEE pattern of 32 bits, or of 64 when `isDouble`
    Address, // [name+offset] or [bits+offset] when the name is empty
    Vector,  // {a, b, ...}
    List,    // (a, b, ...) of a call
    Sink     // _
  };
  Kind kind = Kind::Name;
  std::string name, second;
  u64 bits = 0;
  i64 offset = 0;
  bool isDouble = false;
  bool negated = false; // !p
  std::vector<Operand> elements;
};

/// From the last .loc: a place in the kernel's own source and, when code was inlined there, where that code is.
struct SourcePlace {
  int file = 0, line = 0; // 0: unknown
  int innerFile = 0, innerLine = 0;
};

struct Instruction {
  std::string opcode; // with its modifiers, e.g. "ld.global.v4.u32"
  std::vector<Operand> operands;
  std::string guard; // predicate register of @p, or empty
  bool guardNegated = false;
  int line = 0;
  SourcePlace source;
  int scope = 0;
  u64 usedBytes = ~0ull; // .pragma "used_bytes_mask": which bytes of a widened load matter
};

struct Variable {
  std::string name, space; // space: "global", "const", "shared", "local", "param"
  u64 size = 0, align = 1; // bytes; size 0: dynamic shared memory
  std::vector<u8> init;    // empty: uninitialised
  struct Address {
    u64 offset;
    std::string symbol;
    i64 addend;
  };
  std::vector<Address> addresses; // initialisers that are addresses of variables
};

/// A pair of braces in a function: declarations in it hide those outside.
struct Scope {
  int parent = -1;
  struct Register {
    std::string type;
    int count; // of "%r<count>"; -1: the plain name
  };
  std::map<std::string, Register> registers;
  std::map<std::string, Variable> variables;
  std::map<std::string, int> labels; // to instruction index
  std::map<std::string, std::vector<std::string>> branchTargets;
};

struct Function {
  std::string name;
  bool isEntry = false, hasBody = false;
  std::vector<Variable> params, results;
  std::vector<Scope> scopes;
  std::vector<Instruction> instructions;
  u32 maxThreads = 1024; // .maxntid or .reqntid
};

struct Module {
  std::string target; // e.g. "sm_90a"
  std::map<std::string, Function> functions;
  std::vector<Variable> variables; // module scope, in order
  std::map<int, std::string> files;
};

/// Parses `text`; throws PtxError.
Module parseModule(const std::string &text);

/// Splits "ld.global.v4.u32" at its dots.
std::vector<std::string> splitOpcode(const std::string &opcode);
} // namespace vgpu
