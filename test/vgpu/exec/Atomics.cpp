// atom and red on global, shared and generic addresses. Lanes act one after another in lane order.
#include "test/vgpu/exec/Memory.h"

namespace vgpu {
namespace {
u8 *findAtomic(Warp &warp, const Op &op, int lane, u32 bytes, u32 mask) {
  u64 address = laneAddress(warp, op, lane);
  Space space = op.space == Space::Generic ? resolveGeneric(address) : op.space;
  if (space == Space::Shared) {
    u32 offsets[32] = {};
    offsets[lane] = static_cast<u32>(address);
    bool ok = warp.block->shared.check(warp, *op.source, offsets, 1u << lane, bytes, Access::Atomic);
    return ok ? warp.block->shared.data() + address : nullptr;
  }
  if (space != Space::Global) {
    warp.report(Finding::OutOfBounds, lane, *op.source, "atomic on an address that is neither global nor shared");
    return nullptr;
  }
  publish(warp, address, op.flags & memRelease, mask);
  if (!(op.flags & memNoResult))
    observe(warp, address, op.flags & memAcquire);
  u64 addresses[32] = {};
  addresses[lane] = address;
  return checkGlobal(warp, *op.source, addresses, 1u << lane, bytes, Access::Atomic) ? DeviceMemory::get().host(address) : nullptr;
}

template <class T, auto F> void atomic(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    u8 *p = findAtomic(warp, op, lane, sizeof(T), mask);
    if (!p)
      continue;
    T old;
    memcpy(&old, p, sizeof(T));
    T value = getLane<T>(warp.reg(op.b), lane);
    T next = F(old, value);
    memcpy(p, &next, sizeof(T));
    if (!(op.flags & memNoResult))
      setLane<T>(warp.reg(op.d), lane, old);
  }
}

template <class T> void compareAndSwap(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    u8 *p = findAtomic(warp, op, lane, sizeof(T), mask);
    if (!p)
      continue;
    T old;
    memcpy(&old, p, sizeof(T));
    if (old == getLane<T>(warp.reg(op.b), lane)) {
      T next = getLane<T>(warp.reg(op.c), lane);
      memcpy(p, &next, sizeof(T));
    }
    if (!(op.flags & memNoResult))
      setLane<T>(warp.reg(op.d), lane, old);
  }
}

template <class T> T add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
  else
    return a + b;
}
template <class T> T minimum(T a, T b) { return a < b ? a : b; }
template <class T> T maximum(T a, T b) { return a > b ? a : b; }
template <class T> T exchange(T, T b) { return b; }
template <class T> T land(T a, T b) { return a & b; }
template <class T> T lor(T a, T b) { return a | b; }
template <class T> T lxor(T a, T b) { return a ^ b; }
u32 increment(u32 a, u32 b) { return a >= b ? 0 : a + 1; }
u32 decrement(u32 a, u32 b) { return a == 0 || a > b ? b : a - 1; }
u16 addF16(u16 a, u16 b) { return floatToF16(f16ToFloat(a) + f16ToFloat(b)); }
u16 addBf16(u16 a, u16 b) { return floatToBf16(bf16ToFloat(a) + bf16ToFloat(b)); }
template <auto F> u32 addPair(u32 a, u32 b) {
  return static_cast<u32>(F(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16))) << 16 | F(static_cast<u16>(a), static_cast<u16>(b));
}

using Table = std::map<std::string, Handler>;
template <class T> void addInteger(Table &table, const std::string &type) {
  table["add." + type] = atomic<T, add<T>>;
  table["min." + type] = atomic<T, minimum<T>>;
  table["max." + type] = atomic<T, maximum<T>>;
}
template <class T> void addBits(Table &table, const std::string &type) {
  table["exch." + type] = atomic<T, exchange<T>>;
  table["cas." + type] = compareAndSwap<T>;
  table["and." + type] = atomic<T, land<T>>;
  table["or." + type] = atomic<T, lor<T>>;
  table["xor." + type] = atomic<T, lxor<T>>;
}
Table makeTable() {
  Table table;
  addInteger<u32>(table, "u32");
  addInteger<i32>(table, "s32");
  addInteger<u64>(table, "u64");
  addInteger<i64>(table, "s64");
  addBits<u32>(table, "b32");
  addBits<u64>(table, "b64");
  table["cas.b16"] = compareAndSwap<u16>;
  table["inc.u32"] = atomic<u32, increment>;
  table["dec.u32"] = atomic<u32, decrement>;
  table["add.f32"] = atomic<float, add<float>>;
  table["add.f64"] = atomic<double, add<double>>;
  table["add.noftz.f16"] = atomic<u16, addF16>;
  table["add.noftz.bf16"] = atomic<u16, addBf16>;
  table["add.noftz.f16x2"] = atomic<u32, addPair<addF16>>;
  table["add.noftz.bf16x2"] = atomic<u32, addPair<addBf16>>;
  return table;
}
} // namespace

Handler atomicHandler(const std::string &operation, const std::string &type) {
  static const Table table = makeTable();
  auto it = table.find(operation + "." + type);
  return it == table.end() ? nullptr : it->second;
}
} // namespace vgpu
