// Decoding of the instructions on memory and across lanes. Modifiers that only hint at speed are accepted and ignored;
// any other unknown modifier makes the instruction unknown.
#include "test/vgpu/exec/Decoder.h"
#include <set>

namespace vgpu {
namespace {
bool isHint(const std::string &part) {
  static const std::set<std::string> hints = {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "weak", "unified"};
  return hints.count(part) || part.rfind("L1::", 0) == 0 || part.rfind("L2::", 0) == 0;
}
bool isScope(const std::string &part) { return part == "cta" || part == "cluster" || part == "gpu" || part == "sys"; }

/// "shared::cta" -> Shared; false when the part names no space.
bool parseSpace(const std::string &part, Space &space) {
  static const std::map<std::string, Space> spaces = {{"global", Space::Global}, {"const", Space::Global}, {"shared", Space::Shared},
                                                      {"local", Space::Local},   {"param", Space::Param}};
  auto it = spaces.find(part.substr(0, part.find("::")));
  if (it == spaces.end())
    return false;
  space = it->second;
  return true;
}

u32 typeBytes(const std::string &type) {
  size_t digits = type.find_first_of("0123456789");
  u32 bits = digits == std::string::npos ? 0 : static_cast<u32>(std::atoi(type.c_str() + digits));
  if (type.size() > 2 && type.compare(type.size() - 2, 2, "x2") == 0)
    bits *= 2;
  return bits / 8;
}

u8 orderFlags(const std::string &part) {
  if (part == "volatile" || part == "relaxed")
    return memStrong;
  if (part == "acquire")
    return memStrong | memAcquire;
  if (part == "release")
    return memStrong | memRelease;
  if (part == "acq_rel")
    return memStrong | memAcquire | memRelease;
  return 0;
}
} // namespace

bool Decoder::emitLoadStore() {
  const bool isStore = parts[0] == "st";
  if (!isStore && parts[0] != "ld" && parts[0] != "ldu")
    return false;
  Op op;
  Space space = Space::Generic;
  bool blockScope = false;
  const std::string &type = parts.back();
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string &part = parts[i];
    if (part == "v2" || part == "v4" || part == "v8")
      op.count = static_cast<u8>(part[1] - '0');
    else if (u8 flags = orderFlags(part))
      op.flags |= flags;
    else if (isScope(part))
      blockScope = part == "cta";
    else if (part == "nc" && !isStore)
      op.flags |= memReadOnly;
    else if (!parseSpace(part, space) && !isHint(part))
      return false;
  }
  if (blockScope)
    op.flags &= static_cast<u8>(~(memAcquire | memRelease));
  op.size = static_cast<u8>(typeBytes(type));
  if (!op.size || op.size > 8)
    return false;
  op.isSigned = type[0] == 's';
  const Operand &value = operand(isStore ? 1 : 0);
  address(op, operand(isStore ? 0 : 1), space);
  std::vector<Operand> elements = value.kind == Operand::Kind::Vector ? value.elements : std::vector<Operand>{value};
  if (elements.size() != op.count)
    fail("vector has " + std::to_string(elements.size()) + " elements");
  const char width = op.size == 8 ? 'd' : 'w';
  for (size_t i = 0; i < elements.size(); ++i)
    if (isStore)
      op.v[i] = source(elements[i], width);
    else
      op.v[i] = elements[i].kind == Operand::Kind::Sink ? noRegister : destination(elements[i], width, op.isSigned);
  op.handler = isStore ? store : load;
  emit(op);
  return true;
}

bool Decoder::emitAtomic() {
  if (parts[0] != "atom" && parts[0] != "red")
    return false;
  const bool noResult = parts[0] == "red";
  Op op;
  op.flags = memStrong | (noResult ? memNoResult : 0);
  Space space = Space::Generic;
  bool blockScope = false;
  std::string operation;
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string &part = parts[i];
    if (u8 flags = orderFlags(part))
      op.flags |= flags;
    else if (isScope(part))
      blockScope = part == "cta";
    else if (!parseSpace(part, space) && !isHint(part))
      operation += (operation.empty() ? "" : ".") + part;
  }
  if (blockScope)
    op.flags &= static_cast<u8>(~(memAcquire | memRelease));
  op.handler = atomicHandler(operation, parts.back());
  if (!op.handler)
    return false;
  const char width = typeBytes(parts.back()) == 8 ? 'd' : 'w';
  size_t next = noResult ? 0 : 1;
  address(op, operand(next), space);
  op.b = source(operand(next + 1), width);
  if (operation == "cas")
    op.c = source(operand(next + 2), width);
  if (!noResult) {
    if (operand(0).kind == Operand::Kind::Sink)
      op.flags |= memNoResult;
    else
      op.d = destination(operand(0), width);
  }
  emit(op);
  return true;
}

bool Decoder::emitFence() {
  Op op;
  if (parts[0] == "membar")
    op.imm = has("gl") || has("sys");
  else if (startsWith("fence.proxy.async") || startsWith("fence.mbarrier_init"))
    op.handler = fenceProxyAsync;
  else if (startsWith("fence.acq_rel") || startsWith("fence.sc"))
    op.imm = !has("cta");
  else
    return false;
  if (!op.handler)
    op.handler = fence;
  emit(op);
  return true;
}

bool Decoder::emitAddress() {
  Op op;
  Space space = Space::Global;
  for (const std::string &part : parts)
    parseSpace(part, space);
  const u64 window = space == Space::Shared ? sharedWindow : space == Space::Local ? localWindow : space == Space::Param ? paramWindow : 0;
  if (parts[0] == "cvta") {
    op.handler = toSharedWindow;
    op.imm = static_cast<i64>(has("to") ? 0 - window : window);
    op.a = source(operand(1), 'd');
    op.d = destination(operand(0), 'd');
  } else if (parts[0] == "isspacep") {
    op.handler = isInSpace;
    op.space = space;
    op.a = source(operand(1), 'd');
    op.d = predicate(operand(0));
  } else if (parts[0] == "prefetch" || parts[0] == "prefetchu" || startsWith("cp.async.bulk.prefetch.L2")) {
    op.handler = prefetch;
    address(op, operand(0), Space::Generic);
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitAsync() {
  if (!startsWith("cp.async."))
    return false;
  Op op;
  i64 sourceOffset = 0;
  if (inst->opcode == "cp.async.commit_group") {
    op.handler = asyncCommit;
  } else if (inst->opcode == "cp.async.wait_group" || inst->opcode == "cp.async.wait_all") {
    op.handler = asyncWait;
    op.imm = has("wait_all") ? -1 : static_cast<i64>(operand(0).bits);
  } else if (startsWith("cp.async.ca.shared") || startsWith("cp.async.cg.shared")) {
    op.handler = asyncCopy;
    op.a = addressRegister(operand(0), op.imm, false);
    op.b = addressRegister(operand(1), sourceOffset, true);
    op.target = static_cast<u32>(static_cast<i32>(sourceOffset));
    op.size = static_cast<u8>(operand(2).bits);
    if (op.size != 4 && op.size != 8 && op.size != 16)
      fail("copy of " + std::to_string(op.size) + " bytes");
    size_t extra = inst->operands.size() - (has("L2::cache_hint") ? 1 : 0);
    if (extra > 3) {
      op.flags = opHasCount;
      op.e = source(operand(3), 'w');
    }
  } else if (startsWith("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes") ||
             startsWith("cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes")) {
    if (has("multicast::cluster"))
      fail("multicast is not supported");
    i64 barrierOffset = 0;
    op.handler = bulkCopy;
    op.a = addressRegister(operand(0), op.imm, false);
    op.b = addressRegister(operand(1), sourceOffset, true);
    op.target = static_cast<u32>(static_cast<i32>(sourceOffset));
    op.c = source(operand(2), 'w');
    op.d = addressRegister(operand(3), barrierOffset, false);
    op.v[0] = static_cast<u32>(barrierOffset);
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitMbarrier() {
  if (parts[0] != "mbarrier")
    return false;
  if (has("shared::cluster"))
    fail("remote mbarriers are not supported");
  Op op;
  op.b = op.c = noRegister;
  const std::string &kind = parts[1];
  if (kind == "init") {
    op.handler = mbarrierInit;
    address(op, operand(0), Space::Shared);
    op.b = source(operand(1), 'w');
  } else if (kind == "inval") {
    op.handler = mbarrierInvalidate;
    address(op, operand(0), Space::Shared);
  } else if (kind == "expect_tx") {
    op.handler = mbarrierExpect;
    address(op, operand(0), Space::Shared);
    op.c = source(operand(1), 'w');
  } else if (kind == "arrive" && !has("noComplete")) {
    // The state token is only for test_wait by state, which is not supported.
    size_t at = operand(0).kind == Operand::Kind::Address ? 0 : 1;
    op.handler = mbarrierArrive;
    address(op, operand(at), Space::Shared);
    if (has("expect_tx"))
      op.c = source(operand(at + 1), 'w');
    else if (inst->operands.size() > at + 1)
      op.b = source(operand(at + 1), 'w');
  } else if ((kind == "try_wait" || kind == "test_wait") && has("parity")) {
    op.control = Control::TryWait;
    op.handler = mbarrierTryWait;
    op.d = predicate(operand(0));
    address(op, operand(1), Space::Shared);
    op.b = source(operand(2), 'w');
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitMatrix() {
  Op op;
  op.flags = opFullMask;
  op.control = Control::WarpSync;
  if (startsWith("ldmatrix.sync.aligned.m8n8.") || startsWith("stmatrix.sync.aligned.m8n8.")) {
    const bool isLoad = parts[0] == "ldmatrix";
    if (parts.back() != "b16")
      return false;
    op.handler = isLoad ? loadMatrix : storeMatrix;
    const Operand &matrices = operand(isLoad ? 0 : 1);
    op.count = static_cast<u8>(matrices.kind == Operand::Kind::Vector ? matrices.elements.size() : 1);
    if (!has(("x" + std::to_string(op.count)).c_str()))
      fail("vector has " + std::to_string(op.count) + " elements");
    Op at;
    address(at, operand(isLoad ? 1 : 0), Space::Shared);
    op.a = at.a;
    op.imm = at.imm;
    op.flags |= at.flags;
    op.e = has("trans");
    for (u32 i = 0; i < op.count; ++i) {
      const Operand &o = matrices.kind == Operand::Kind::Vector ? matrices.elements[i] : matrices;
      op.v[i] = isLoad ? destination(o, 'w') : source(o, 'w');
    }
    emit(op);
    return true;
  }
  std::array<u32, 4> registers = {};
  op.handler = matrixHandler(inst->opcode, registers);
  if (!op.handler)
    return false;
  size_t next = 0;
  for (size_t i = 0; i < 4; ++i) {
    const Operand &o = operand(i);
    const std::vector<Operand> elements = o.kind == Operand::Kind::Vector ? o.elements : std::vector<Operand>{o};
    if (elements.size() != registers[i])
      fail("matrix operand of " + std::to_string(elements.size()) + " registers, expected " + std::to_string(registers[i]));
    for (const Operand &e : elements)
      op.v[next++] = i == 0 ? destination(e, 'w') : source(e, 'w');
  }
  emit(op);
  return true;
}

bool Decoder::emitCollective() {
  Op op;
  op.control = Control::WarpSync;
  op.target = noPredicate;
  if (startsWith("shfl.sync.") && parts.size() == 4) {
    static const std::map<std::string, i64> modes = {{"up", 0}, {"down", 1}, {"bfly", 2}, {"idx", 3}};
    auto mode = modes.find(parts[2]);
    if (mode == modes.end())
      return false;
    op.handler = shuffle;
    op.imm = mode->second;
    op.a = source(operand(1), 'w');
    op.b = source(operand(2), 'w');
    op.c = source(operand(3), 'w');
    op.e = source(operand(4), 'w');
    op.d = destination(operand(0), 'w');
    if (!operand(0).second.empty())
      op.target = predicateNamed(operand(0).second);
  } else if (startsWith("vote.sync.") && parts.size() == 4) {
    static const std::map<std::string, i64> kinds = {{"all", 0}, {"any", 1}, {"uni", 2}, {"ballot", 3}};
    auto kind = kinds.find(parts[2]);
    if (kind == kinds.end())
      return false;
    op.handler = vote;
    op.imm = kind->second;
    op.a = predicate(operand(1));
    op.flags |= operand(1).negated ? opNegated : 0;
    op.e = source(operand(2), 'w');
    op.d = op.imm == 3 ? destination(operand(0), 'w') : predicate(operand(0));
  } else if (startsWith("match.")) {
    op.handler = match;
    op.imm = has("all");
    op.size = static_cast<u8>(typeBytes(parts.back()));
    op.a = source(operand(1), op.size == 8 ? 'd' : 'w');
    op.e = source(operand(2), 'w');
    op.d = destination(operand(0), 'w');
    if (!operand(0).second.empty())
      op.target = predicateNamed(operand(0).second);
  } else if (startsWith("redux.sync.") && parts.size() == 4) {
    op.handler = reduceHandler(parts[2], parts[3]);
    if (!op.handler)
      return false;
    op.a = source(operand(1), 'w');
    op.e = source(operand(2), 'w');
    op.d = destination(operand(0), 'w');
  } else if (inst->opcode == "activemask.b32") {
    op.control = Control::None;
    op.handler = activeMask;
    op.d = destination(operand(0), 'w');
  } else if (inst->opcode == "elect.sync") {
    op.handler = elect;
    op.d = operand(0).name == "_" ? noRegister : destination(operand(0), 'w');
    op.target = predicateNamed(operand(0).second);
    op.e = source(operand(1), 'w');
  } else
    return false;
  emit(op);
  return true;
}

bool Decoder::emitHint() {
  Op op;
  if (parts[0] == "createpolicy") { // a policy means nothing here
    op.handler = HandlerTable::get().find("mov.b64")->handler;
    op.a = constant(0, true);
    op.d = destination(operand(0), 'd');
    emit(op);
    return true;
  }
  return parts[0] == "nanosleep" || parts[0] == "setmaxnreg" || parts[0] == "applypriority" || parts[0] == "discard";
}
} // namespace vgpu
