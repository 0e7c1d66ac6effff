// Names, registers, constants, control flow and calls of the Decoder; DecodeMemory.cpp has the instructions on memory
// and across lanes.
#include "test/vgpu/exec/Decoder.h"
#include "test/vgpu/check/Counters.h"

namespace vgpu {
namespace {
template <class From, class To> void widen(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  forLanes<To>(warp, op.d, mask, [&](int l) { return static_cast<To>(getLane<From>(a, l)); });
}
std::string scopedName(const Function &function, int scope, const std::string &name) {
  return function.name + "#" + std::to_string(scope) + "#" + name;
}
const char *const knownSpecials[] = {
    "%tid", "%ntid", "%ctaid", "%nctaid", "%laneid", "%warpid", "%nwarpid", "%smid", "%nsmid", "%gridid", "%lanemask_eq",
    "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge", "%dynamic_smem_size", "%total_smem_size", "%clock", "%clock64",
    "%globaltimer", "%globaltimer_lo", "%cluster_ctaid", "%cluster_nctaid", "%cluster_ctarank", "%clusterid", "%nclusterid"};
} // namespace

std::string Program::where(const Instruction &inst) const {
  std::string text = "ptx line " + std::to_string(inst.line);
  auto place = [&](int file, int line) {
    auto it = module->files.find(file);
    return (it == module->files.end() ? "file " + std::to_string(file) : it->second) + ":" + std::to_string(line);
  };
  const SourcePlace &s = inst.source;
  if (s.line)
    text += " (" + place(s.file, s.line) +
            (s.innerFile != s.file || s.innerLine != s.line ? ", inlined " + place(s.innerFile, s.innerLine) : "") + ")";
  return text;
}

Program decode(std::shared_ptr<const Module> module, const Function &entry, const SymbolTable &symbols) {
  return Decoder(std::move(module), entry, symbols).run();
}

Decoder::Decoder(std::shared_ptr<const Module> module, const Function &entry, const SymbolTable &symbols)
    : module(std::move(module)), entry(entry), symbols(symbols) {}

void Decoder::fail(const std::string &what) const {
  throw PtxError(inst ? inst->line : 0, what + (inst ? " in '" + inst->opcode + "'" : "") + " of " + entry.name);
}

const Operand &Decoder::operand(size_t i) const {
  if (i >= inst->operands.size())
    fail("operand " + std::to_string(i + 1) + " is missing");
  return inst->operands[i];
}

// ---- layout
void Decoder::layoutParams() {
  u64 top = 0;
  for (const Variable &v : entry.params) {
    top = (top + v.align - 1) / v.align * v.align;
    program.paramOffsets.push_back(static_cast<u32>(top));
    top += v.size;
  }
  program.params = entry.params;
  program.paramBytes = static_cast<u32>(top);
}

/// Static shared memory of the function and all it calls, then of the module; dynamic shared memory follows.
void Decoder::layoutShared(const Function &function, std::vector<const Function *> &seen) {
  if (std::find(seen.begin(), seen.end(), &function) != seen.end())
    return;
  seen.push_back(&function);
  auto place = [&](const std::string &key, const Variable &v) {
    u64 at = (program.staticShared + v.align - 1) / v.align * v.align;
    sharedVariables[key] = {Location::Memory, 0, Space::Shared, at};
    program.staticShared = static_cast<u32>(at + v.size);
  };
  for (size_t s = 0; s < function.scopes.size(); ++s)
    for (const auto &[name, v] : function.scopes[s].variables)
      if (v.space == "shared" && v.size)
        place(scopedName(function, static_cast<int>(s), name), v);
  auto used = [&](const std::string &name) {
    for (const Instruction &i : function.instructions)
      for (const Operand &o : i.operands) {
        if (o.name == name)
          return true;
        for (const Operand &e : o.elements)
          if (e.name == name)
            return true;
      }
    return false;
  };
  for (const Variable &v : module->variables)
    if (v.space == "shared" && v.size && !sharedVariables.count(v.name) && used(v.name))
      place(v.name, v);
  for (const auto &[name, callee] : module->functions)
    if (callee.hasBody && !callee.isEntry && used(name))
      layoutShared(callee, seen);
}

Program Decoder::run() {
  program.name = entry.name;
  program.module = module;
  program.maxThreads = entry.maxThreads;
  layoutParams();
  std::vector<const Function *> seen;
  layoutShared(entry, seen);
  u64 align = 16;
  for (const Variable &v : module->variables)
    if (v.space == "shared" && !v.size)
      align = std::max(align, v.align);
  program.dynamicShared = static_cast<u32>((program.staticShared + align - 1) / align * align);
  for (const Variable &v : module->variables)
    if (v.space == "shared" && !v.size)
      sharedVariables[v.name] = {Location::Memory, 0, Space::Shared, program.dynamicShared};
  program.numPredicates = 0;
  Instance instance;
  instance.function = &entry;
  for (size_t i = 0; i < entry.params.size(); ++i)
    instance.params[entry.params[i].name] = {Location::Memory, 0, Space::Param, program.paramOffsets[i]};
  emitFunction(instance);
  program.numPredicates = std::max(program.numPredicates, 1u);
  findGridControl(program);
  program.counts = Counters::get().add(program);
  return std::move(program);
}

void Decoder::emitFunction(Instance &instance) {
  if (stack.size() > 16)
    fail("recursion is not supported");
  stack.push_back(&instance);
  const Function &function = *instance.function;
  for (const Instruction &i : function.instructions) {
    instance.start.push_back(static_cast<u32>(program.ops.size()));
    emitInstruction(i);
  }
  instance.start.push_back(static_cast<u32>(program.ops.size()));
  inst = function.instructions.empty() ? nullptr : &function.instructions.back();
  if (!inst)
    fail("function " + function.name + " is empty");
  Op end; // the end of an entry is an exit; the end of an inlined function a place to branch to
  end.source = inst;
  if (stack.size() == 1)
    end.control = Control::Exit;
  else
    end.handler = [](Warp &, const Op &, u32) {};
  program.ops.push_back(end);
  for (const Instance::Fixup &f : instance.fixups) {
    u32 target = instance.start[static_cast<size_t>(f.instruction)];
    if (f.table == SIZE_MAX)
      program.ops[f.op].target = target;
    else
      program.targets[f.table][f.entry] = target;
  }
  stack.pop_back();
}

void Decoder::emitCall(const Instruction &call) {
  size_t i = 0;
  const Operand *resultList = operand(0).kind == Operand::Kind::List ? &operand(i++) : nullptr;
  const std::string name = operand(i++).name;
  const Operand *arguments = i < call.operands.size() ? &operand(i) : nullptr;
  auto it = module->functions.find(name);
  if (it == module->functions.end())
    fail("indirect call or unknown function '" + name + "'");
  const Function &callee = it->second;
  std::vector<Location> actual;
  for (size_t a = 0; arguments && a < arguments->elements.size(); ++a) {
    const Location *v = findVariable(arguments->elements[a].name);
    if (!v)
      fail("argument " + std::to_string(a + 1) + " is not a .param variable");
    actual.push_back(*v);
  }
  const Location *result = resultList && !resultList->elements.empty() ? findVariable(resultList->elements[0].name) : nullptr;
  if (name == "vprintf" || name == "__assertfail") {
    Op op;
    op.handler = name == "vprintf" ? printCall : assertCall;
    for (size_t a = 0; a < actual.size(); ++a)
      op.v[a] = static_cast<u32>(actual[a].address);
    op.e = result ? static_cast<u32>(result->address) + 1 : 0;
    emit(op);
    if (name == "__assertfail") {
      Op stop;
      stop.control = Control::Exit;
      emit(stop);
    }
    return;
  }
  if (!callee.hasBody)
    fail("function '" + name + "' has no body");
  if (callee.params.size() != actual.size())
    fail("wrong number of arguments");
  size_t skip = SIZE_MAX;
  if (guard != noPredicate) {
    Op over;
    over.control = Control::Branch;
    guardNegated = !guardNegated;
    skip = program.ops.size();
    emit(over);
    guard = noPredicate;
  }
  Instance instance;
  instance.function = &callee;
  for (size_t a = 0; a < actual.size(); ++a)
    instance.params[callee.params[a].name] = actual[a];
  if (result && !callee.results.empty())
    instance.params[callee.results[0].name] = *result;
  emitFunction(instance);
  inst = &call;
  if (skip != SIZE_MAX)
    program.ops[skip].target = static_cast<u32>(program.ops.size());
}

// ---- names
Decoder::Location *Decoder::findRegister(const std::string &name) {
  Instance &instance = *stack.back();
  const std::vector<Scope> &scopes = instance.function->scopes;
  size_t digits = name.find_last_not_of("0123456789") + 1;
  for (int s = inst->scope; s >= 0; s = scopes[static_cast<size_t>(s)].parent) {
    const auto &registers = scopes[static_cast<size_t>(s)].registers;
    auto it = registers.find(name);
    if (it == registers.end() && digits < name.size()) {
      it = registers.find(name.substr(0, digits));
      if (it != registers.end() && it->second.count <= std::stoi(name.substr(digits)))
        it = registers.end();
    }
    if (it == registers.end())
      continue;
    auto [at, isNew] = instance.locations.emplace(std::pair(s, name), Location{});
    if (isNew) {
      const std::string &type = it->second.type;
      if (type == "pred")
        at->second = {Location::Predicate, program.numPredicates++};
      else if (type == "b128")
        fail("128-bit registers are not supported");
      else {
        bool wide = type.find("64") != std::string::npos;
        at->second = {wide ? Location::Wide : Location::Narrow, allocate(wide)};
      }
    }
    return &at->second;
  }
  return nullptr;
}

const Decoder::Location *Decoder::findVariable(const std::string &name) {
  Instance &instance = *stack.back();
  const std::vector<Scope> &scopes = instance.function->scopes;
  for (int s = inst->scope; s >= 0; s = scopes[static_cast<size_t>(s)].parent) {
    auto it = scopes[static_cast<size_t>(s)].variables.find(name);
    if (it == scopes[static_cast<size_t>(s)].variables.end())
      continue;
    if (it->second.space == "shared") {
      auto found = sharedVariables.find(it->second.size ? scopedName(*instance.function, s, name) : name);
      if (found == sharedVariables.end())
        fail("shared variable '" + name + "' has no place");
      return &found->second;
    }
    auto [at, isNew] = instance.locations.emplace(std::pair(s, name), Location{});
    if (isNew) { // .local, and .param of a call, are bytes of the thread's local memory
      u64 align = std::max<u64>(it->second.align, 8);
      u64 offset = (program.localBytes + align - 1) / align * align;
      at->second = {Location::Memory, 0, Space::Local, offset};
      program.localBytes = static_cast<u32>((offset + it->second.size + 15) / 16 * 16);
    }
    return &at->second;
  }
  if (auto it = instance.params.find(name); it != instance.params.end())
    return &it->second;
  if (auto it = sharedVariables.find(name); it != sharedVariables.end())
    return &it->second;
  if (auto it = symbols.find(name); it != symbols.end()) {
    auto [at, isNew] = instance.locations.emplace(std::pair(-1, name), Location{Location::Memory, 0, Space::Global, it->second});
    return &at->second;
  }
  return nullptr;
}

int Decoder::label(const std::string &name) {
  const std::vector<Scope> &scopes = stack.back()->function->scopes;
  for (int s = inst->scope; s >= 0; s = scopes[static_cast<size_t>(s)].parent) {
    auto it = scopes[static_cast<size_t>(s)].labels.find(name);
    if (it != scopes[static_cast<size_t>(s)].labels.end())
      return it->second;
  }
  fail("unknown label '" + name + "'");
}

u32 Decoder::allocate(bool wide) {
  u32 offset = program.fileBytes;
  program.fileBytes += wide ? 256 : 128;
  return offset;
}

u32 Decoder::constant(u64 value, bool wide) {
  if (!wide)
    value &= 0xffffffff;
  auto [it, isNew] = constants.emplace(std::pair(value, wide), 0);
  if (isNew) {
    it->second = allocate(wide);
    program.constants.push_back({it->second, wide, value});
  }
  return it->second;
}

u32 Decoder::special(const std::string &name, bool wide) {
  std::string base = name.substr(0, name.find('.'));
  if (std::find(std::begin(knownSpecials), std::end(knownSpecials), base) == std::end(knownSpecials))
    fail("unknown name '" + name + "'");
  auto [it, isNew] = specials.emplace(std::pair(name, wide), 0);
  if (isNew) {
    it->second = allocate(wide);
    program.specials.push_back({it->second, wide, name});
  }
  return it->second;
}

// ---- operands
u32 Decoder::source(const Operand &o, char width) {
  const bool wide = width == 'd';
  if (o.kind == Operand::Kind::Integer)
    return constant(o.bits, wide);
  if (o.kind == Operand::Kind::Float) {
    if (wide && !o.isDouble)
      fail("f32 constant where 64 bits are expected");
    return constant(!wide && o.isDouble ? std::bit_cast<u32>(static_cast<float>(std::bit_cast<double>(o.bits))) : o.bits, wide);
  }
  if (o.kind != Operand::Kind::Name)
    fail("operand is not a value");
  if (o.name == "WARP_SZ")
    return constant(32, wide);
  const Location *location = findRegister(o.name);
  if (!location) {
    if (const Location *v = findVariable(o.name))
      return constant(v->address + static_cast<u64>(o.offset), wide);
    return special(o.name, wide);
  }
  if (location->kind == Location::Predicate)
    fail("predicate '" + o.name + "' where a value is expected");
  if ((location->kind == Location::Wide) == wide)
    return location->offset;
  Op adapt; // e.g. st.u32 of a 64-bit register
  adapt.source = inst;
  adapt.a = location->offset;
  adapt.d = allocate(wide);
  adapt.handler = wide ? widen<u32, u64> : widen<u64, u32>;
  program.ops.push_back(adapt);
  return adapt.d;
}

u32 Decoder::destination(const Operand &o, char width, bool isSigned) {
  const bool wide = width == 'd';
  if (o.kind == Operand::Kind::Sink)
    return allocate(wide);
  const Location *location = o.kind == Operand::Kind::Name ? findRegister(o.name) : nullptr;
  if (!location || location->kind == Location::Predicate)
    fail("destination '" + o.name + "' is not a register");
  if ((location->kind == Location::Wide) == wide)
    return location->offset;
  u32 temporary = allocate(wide);
  results.push_back({temporary, location->offset, location->kind == Location::Wide, isSigned});
  return temporary;
}

u32 Decoder::predicateNamed(const std::string &name) {
  if (name == "_")
    return program.numPredicates++;
  const Location *location = findRegister(name);
  if (!location || location->kind != Location::Predicate)
    fail("'" + name + "' is not a predicate");
  return location->offset;
}
u32 Decoder::predicate(const Operand &o) { return predicateNamed(o.kind == Operand::Kind::Sink ? "_" : o.name); }

u32 Decoder::addressRegister(const Operand &o, i64 &offset, bool wide) {
  if (o.kind != Operand::Kind::Address)
    fail("expected an address in brackets");
  offset = o.offset;
  if (o.name.empty())
    return constant(o.bits, wide);
  if (findRegister(o.name)) {
    Operand plain = o;
    plain.kind = Operand::Kind::Name;
    return source(plain, wide ? 'd' : 'w');
  }
  const Location *v = findVariable(o.name);
  if (!v)
    fail("unknown variable '" + o.name + "'");
  return constant(v->address, wide);
}

void Decoder::address(Op &op, const Operand &o, Space space) {
  op.space = space;
  bool wide = space == Space::Global || space == Space::Generic;
  if (const Location *r = o.name.empty() ? nullptr : findRegister(o.name))
    wide = r->kind == Location::Wide;
  else if (const Location *v = o.name.empty() ? nullptr : findVariable(o.name))
    op.space = v->space; // ld.param of a call's parameter lies in local memory
  if (op.space != Space::Global && op.space != Space::Generic && !findRegister(o.name))
    wide = false;
  if (wide)
    op.flags |= memWide;
  op.a = addressRegister(o, op.imm, wide);
}

void Decoder::emit(Op op) {
  op.source = inst;
  op.guard = guard;
  op.guardNegated = guardNegated;
  program.ops.push_back(op);
}

void Decoder::flushResults() {
  for (const Result &r : results) {
    Op op;
    op.a = r.from;
    op.d = r.to;
    op.handler = r.toWide ? (r.isSigned ? Handler(widen<i32, i64>) : Handler(widen<u32, u64>)) : Handler(widen<u64, u32>);
    emit(op);
  }
  results.clear();
}

// ---- instructions
void Decoder::emitInstruction(const Instruction &instruction) {
  inst = &instruction;
  parts = splitOpcode(inst->opcode);
  guard = noPredicate;
  guardNegated = inst->guardNegated;
  if (!inst->guard.empty())
    guard = static_cast<u16>(predicateNamed(inst->guard));
  bool known = emitControl() || emitBarrier() || emitMove() || emitLoadStore() || emitAtomic() || emitFence() || emitAddress() ||
               emitAsync() || emitMbarrier() || emitMatrix() || emitCollective() || emitHint() || emitTable();
  if (!known)
    fail("unknown instruction");
  inst = &instruction;
  flushResults();
}

bool Decoder::emitControl() {
  Op op;
  if (inst->opcode == "bra" || inst->opcode == "bra.uni") {
    op.control = Control::Branch;
    stack.back()->fixups.push_back({program.ops.size(), label(operand(0).name)});
  } else if (parts[0] == "brx") {
    op.control = Control::IndexBranch;
    op.a = source(operand(0), 'w');
    op.imm = static_cast<i64>(program.targets.size());
    const auto &scopes = stack.back()->function->scopes;
    const std::vector<std::string> *names = nullptr;
    for (int s = inst->scope; s >= 0 && !names; s = scopes[static_cast<size_t>(s)].parent)
      if (auto it = scopes[static_cast<size_t>(s)].branchTargets.find(operand(1).name); it != scopes[static_cast<size_t>(s)].branchTargets.end())
        names = &it->second;
    if (!names)
      fail("unknown branch targets '" + operand(1).name + "'");
    program.targets.emplace_back(names->size());
    for (size_t i = 0; i < names->size(); ++i)
      stack.back()->fixups.push_back({0, label((*names)[i]), program.targets.size() - 1, i});
  } else if (parts[0] == "ret" && stack.size() > 1) {
    op.control = Control::Branch;
    stack.back()->fixups.push_back({program.ops.size(), static_cast<int>(stack.back()->function->instructions.size())});
  } else if (parts[0] == "ret" || parts[0] == "exit") {
    op.control = Control::Exit;
  } else if (parts[0] == "trap") {
    op.control = Control::Trap;
  } else if (parts[0] == "call") {
    emitCall(*inst);
    return true;
  } else if (inst->opcode == "griddepcontrol.wait") {
    op.control = Control::GridWait;
  } else if (inst->opcode == "griddepcontrol.launch_dependents") {
    op.control = Control::GridLaunch;
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitBarrier() {
  Op op;
  if (inst->opcode == "bar.warp.sync") {
    op.control = Control::WarpSync;
    op.e = source(operand(0), 'w');
    emit(op);
    return true;
  }
  if (parts[0] != "bar" && parts[0] != "barrier")
    return false;
  if (has("cluster"))
    fail("cluster barriers are not supported");
  op.control = Control::Barrier;
  if (parts[0] == "barrier" && !has("aligned"))
    op.flags |= opUnaligned;
  size_t next = 0;
  if (has("red")) {
    op.flags |= has("popc") ? opReduceCount : has("and") ? opReduceAnd : opReduceOr;
    op.d = has("popc") ? destination(operand(next), 'w') : predicate(operand(next));
    ++next;
    const Operand &p = inst->operands.back();
    op.c = predicate(p);
    op.flags |= p.negated ? opNegated : 0;
  } else if (has("arrive"))
    op.flags |= opArriveOnly;
  else if (!has("sync"))
    return false;
  op.a = source(operand(next++), 'w');
  if (inst->operands.size() > next + (has("red") ? 1 : 0)) {
    op.flags |= opHasCount;
    op.b = source(operand(next), 'w');
  }
  emit(op);
  return true;
}

bool Decoder::emitMove() {
  if (parts[0] != "mov" || inst->operands.size() != 2)
    return false;
  Op op;
  const Operand &to = operand(0), &from = operand(1);
  const u32 bytes = parts[1].find("64") != std::string::npos ? 8 : 4;
  auto vector = [&](const Operand &o) {
    op.count = static_cast<u8>(o.elements.size());
    op.size = static_cast<u8>(bytes / std::max<u32>(1, op.count));
    if (!op.count || op.count > 4)
      fail("vector of " + std::to_string(op.count));
  };
  if (parts[1] == "pred" && from.kind == Operand::Kind::Integer) {
    op.handler = setPredicateConstant;
    op.d = predicate(to);
    op.imm = from.bits != 0;
  } else if (to.kind == Operand::Kind::Vector) {
    vector(to);
    op.a = source(from, bytes == 8 ? 'd' : 'w');
    for (u32 i = 0; i < op.count; ++i)
      op.v[i] = to.elements[i].kind == Operand::Kind::Sink ? noRegister : destination(to.elements[i], 'w');
    op.handler = unpackVector;
  } else if (from.kind == Operand::Kind::Vector) {
    vector(from);
    for (u32 i = 0; i < op.count; ++i)
      op.v[i] = source(from.elements[i], 'w');
    op.d = destination(to, bytes == 8 ? 'd' : 'w');
    op.handler = packVector;
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitTable() {
  const TableEntry *entry = HandlerTable::get().find(inst->opcode);
  if (!entry)
    return false;
  if (entry->signature.size() != inst->operands.size())
    fail("expected " + std::to_string(entry->signature.size()) + " operands, found " + std::to_string(inst->operands.size()));
  Op op;
  op.handler = entry->handler;
  op.e = parts[0] == "setp" ? noPredicate : 0u;
  u32 *slots[] = {&op.d, &op.a, &op.b, &op.c, &op.e};
  for (size_t i = 1; i < entry->signature.size(); ++i) {
    const Operand &o = operand(i);
    *slots[i] = entry->signature[i] == 'p' ? predicate(o) : source(o, entry->signature[i]);
    if (o.negated) {
      if (parts[0] != "setp")
        fail("negated operand");
      op.flags |= 1;
    }
  }
  const Operand &result = operand(0);
  if (entry->signature[0] != 'p') {
    op.d = destination(result, entry->signature[0], parts.back()[0] == 's');
  } else {
    op.d = predicate(result);
    if (!result.second.empty())
      op.e = predicateNamed(result.second);
  }
  emit(op);
  return true;
}
} // namespace vgpu
