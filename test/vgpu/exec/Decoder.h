// Builds a Program from a parsed kernel: resolves names scope by scope, gives registers their place in the register file,
// inlines the functions it calls and turns each instruction into an Op.
#pragma once
#include "test/vgpu/exec/Memory.h"

namespace vgpu {
class Decoder {
public:
  Decoder(std::shared_ptr<const Module> module, const Function &entry, const SymbolTable &symbols);
  Program run();

private:
  struct Location {
    enum Kind { Narrow, Wide, Predicate, Memory } kind = Narrow;
    u32 offset = 0;                // register file offset or predicate slot
    Space space = Space::Global;   // Memory
    u64 address = 0;
  };
  /// One inlined copy of a function.
  struct Instance {
    const Function *function = nullptr;
    std::map<std::pair<int, std::string>, Location> locations;
    std::map<std::string, Location> params; // formal name to the caller's variable
    std::vector<u32> start;                 // first op of each instruction
    struct Fixup {
      size_t op;
      int instruction;
      size_t table = SIZE_MAX, entry = 0; // in Program::targets instead of an op
    };
    std::vector<Fixup> fixups;
  };

  // Layout (Decoder.cpp)
  void layoutParams();
  void layoutShared(const Function &function, std::vector<const Function *> &seen);
  void emitFunction(Instance &instance);
  void emitCall(const Instruction &inst);
  const Location *findVariable(const std::string &name);
  Location *findRegister(const std::string &name);
  u32 allocate(bool wide);
  u32 constant(u64 value, bool wide);
  u32 special(const std::string &name, bool wide);
  int label(const std::string &name);

  // Operands (Decoder.cpp). Width: 'w' or 'd'.
  u32 source(const Operand &operand, char width);
  u32 destination(const Operand &operand, char width, bool isSigned = false);
  u32 predicate(const Operand &operand);
  u32 predicateNamed(const std::string &name);
  void address(Op &op, const Operand &operand, Space space);
  u32 addressRegister(const Operand &operand, i64 &offset, bool wide);
  void emit(Op op);
  void flushResults();
  [[noreturn]] void fail(const std::string &what) const;

  // Instructions. Each returns false when the opcode is not its own.
  void emitInstruction(const Instruction &inst);
  bool emitControl();
  bool emitBarrier();
  bool emitMove();
  bool emitTable();
  bool emitLoadStore();     // DecodeMemory.cpp from here
  bool emitAtomic();
  bool emitFence();
  bool emitAddress();
  bool emitAsync();
  bool emitMbarrier();
  bool emitMatrix();
  bool emitCollective();
  bool emitHint();

  std::shared_ptr<const Module> module;
  const Function &entry;
  const SymbolTable &symbols;
  Program program;
  std::map<std::string, Location> sharedVariables;  // module scope and function scope, by scoped name
  std::map<std::pair<u64, bool>, u32> constants;
  std::map<std::pair<std::string, bool>, u32> specials;
  std::vector<Instance *> stack;
  const Instruction *inst = nullptr;
  std::vector<std::string> parts; // of the opcode
  struct Result { // a result whose register has another width than the instruction
    u32 from, to;
    bool toWide, isSigned;
  };
  std::vector<Result> results;
  u16 guard = noPredicate;
  bool guardNegated = false;

  bool has(const char *part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
  bool startsWith(const char *prefix) const { return inst->opcode.rfind(prefix, 0) == 0; }
  const Operand &operand(size_t i) const;
};
} // namespace vgpu
