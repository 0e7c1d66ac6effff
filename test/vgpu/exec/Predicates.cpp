// setp, selp, slct, set and logic on predicates. A predicate is one bit a lane in a 32-bit word of the warp.
// Float comparisons: eq..ge are false for NaN, equ..geu are true for it.
#include "test/vgpu/exec/Handlers.h"

namespace vgpu {
namespace {
template <class T> bool eq(T a, T b) { return a == b; }
template <class T> bool ne(T a, T b) { return a < b || a > b; }
template <class T> bool lt(T a, T b) { return a < b; }
template <class T> bool le(T a, T b) { return a <= b; }
template <class T> bool gt(T a, T b) { return a > b; }
template <class T> bool ge(T a, T b) { return a >= b; }
template <class T> bool equ(T a, T b) { return !ne(a, b); }
template <class T> bool neu(T a, T b) { return !(a == b); }
template <class T> bool ltu(T a, T b) { return !(a >= b); }
template <class T> bool leu(T a, T b) { return !(a > b); }
template <class T> bool gtu(T a, T b) { return !(a <= b); }
template <class T> bool geu(T a, T b) { return !(a < b); }
template <class T> bool num(T a, T b) { return a == a && b == b; }
template <class T> bool nan(T a, T b) { return a != a || b != b; }

struct Half {
  static float load(const u8 *r, int l) { return f16ToFloat(getLane<u16>(r, l)); }
};
struct BHalf {
  static float load(const u8 *r, int l) { return bf16ToFloat(getLane<u16>(r, l)); }
};
template <class T> struct Plain {
  static T load(const u8 *r, int l) { return getLane<T>(r, l); }
};

enum Combine { Alone, And, Or, Xor };

template <class L, auto F, bool Flush> u32 compareLanes(Warp &warp, const Op &op) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b);
  u32 bits = 0;
  for (int l = 0; l < 32; ++l) {
    auto x = L::load(a, l), y = L::load(b, l);
    if constexpr (Flush)
      x = flushDenormal(x), y = flushDenormal(y);
    bits |= static_cast<u32>(F(x, y)) << l;
  }
  return bits;
}

template <class L, auto F, Combine C, bool Flush = false> void setp(Warp &warp, const Op &op, u32 mask) {
  u32 bits = compareLanes<L, F, Flush>(warp, op);
  u32 other = C == Alone ? 0 : warp.predicate(op.c);
  if (op.flags & 1) // !c
    other = ~other;
  if (op.e != noPredicate) // the second destination gets the complement of the comparison, combined likewise
    setPredicate(warp, op.e, mask, C == And ? ~bits & other : C == Or ? ~bits | other : C == Xor ? ~bits ^ other : ~bits);
  setPredicate(warp, op.d, mask, C == And ? bits & other : C == Or ? bits | other : C == Xor ? bits ^ other : bits);
}

template <class L, auto F, bool Float, bool Flush> void set(Warp &warp, const Op &op, u32 mask) {
  u32 bits = compareLanes<L, F, Flush>(warp, op);
  forLanes<u32>(warp, op.d, mask, [&](int l) -> u32 { return bits >> l & 1 ? (Float ? 0x3f800000u : ~0u) : 0; });
}

template <class L, auto F, bool Flush = false> void addOne(HandlerTable &table, const std::string &cmp, const std::string &type, const std::string &w) {
  table.add("setp." + cmp + "." + type, "p" + w + w, setp<L, F, Alone, Flush>);
  table.add("setp." + cmp + ".and." + type, "p" + w + w + "p", setp<L, F, And, Flush>);
  table.add("setp." + cmp + ".or." + type, "p" + w + w + "p", setp<L, F, Or, Flush>);
  table.add("setp." + cmp + ".xor." + type, "p" + w + w + "p", setp<L, F, Xor, Flush>);
  table.add("set." + cmp + ".u32." + type, "w" + w + w, set<L, F, false, Flush>);
  table.add("set." + cmp + ".s32." + type, "w" + w + w, set<L, F, false, Flush>);
  table.add("set." + cmp + ".f32." + type, "w" + w + w, set<L, F, true, Flush>);
}

template <class L, class T, bool Flush = false> void addOrdered(HandlerTable &table, const std::string &type, const std::string &w) {
  addOne<L, eq<T>, Flush>(table, "eq", type, w);
  addOne<L, ne<T>, Flush>(table, "ne", type, w);
  addOne<L, lt<T>, Flush>(table, "lt", type, w);
  addOne<L, le<T>, Flush>(table, "le", type, w);
  addOne<L, gt<T>, Flush>(table, "gt", type, w);
  addOne<L, ge<T>, Flush>(table, "ge", type, w);
}
template <class L, class T, bool Flush = false> void addFloating(HandlerTable &table, const std::string &type, const std::string &w) {
  addOrdered<L, T, Flush>(table, type, w);
  addOne<L, equ<T>, Flush>(table, "equ", type, w);
  addOne<L, neu<T>, Flush>(table, "neu", type, w);
  addOne<L, ltu<T>, Flush>(table, "ltu", type, w);
  addOne<L, leu<T>, Flush>(table, "leu", type, w);
  addOne<L, gtu<T>, Flush>(table, "gtu", type, w);
  addOne<L, geu<T>, Flush>(table, "geu", type, w);
  addOne<L, num<T>, Flush>(table, "num", type, w);
  addOne<L, nan<T>, Flush>(table, "nan", type, w);
}
template <class T> void addUnsigned(HandlerTable &table, const std::string &type, const std::string &w) {
  addOrdered<Plain<T>, T>(table, type, w);
  addOne<Plain<T>, lt<T>>(table, "lo", type, w);
  addOne<Plain<T>, le<T>>(table, "ls", type, w);
  addOne<Plain<T>, gt<T>>(table, "hi", type, w);
  addOne<Plain<T>, ge<T>>(table, "hs", type, w);
}

/// setp.CMP.ftz.f32
void addFlushing(HandlerTable &table) {
  HandlerTable flushing;
  addFloating<Plain<float>, float, true>(flushing, "f32", "w");
  flushing.forEach([&](const std::string &name, const TableEntry &entry) {
    std::string spelled = name;
    table.add(spelled.insert(spelled.rfind(".f32"), ".ftz"), entry.signature, entry.handler);
  });
}

template <class T> void select(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b);
  const u32 p = warp.predicate(op.c);
  forLanes<T>(warp, op.d, mask, [&](int l) -> T { return p >> l & 1 ? getLane<T>(a, l) : getLane<T>(b, l); });
}
template <class T, class S> void selectSign(Warp &warp, const Op &op, u32 mask) { // slct d, a, b, c: a where c >= 0
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b), *c = warp.reg(op.c);
  forLanes<T>(warp, op.d, mask, [&](int l) -> T { return getLane<S>(c, l) >= 0 ? getLane<T>(a, l) : getLane<T>(b, l); });
}

template <int Which> void logic(Warp &warp, const Op &op, u32 mask) {
  u32 a = warp.predicate(op.a), b = Which < 3 ? warp.predicate(op.b) : 0;
  setPredicate(warp, op.d, mask, Which == 0 ? a & b : Which == 1 ? a | b : Which == 2 ? a ^ b : Which == 3 ? ~a : a);
}
} // namespace

void addPredicateHandlers(HandlerTable &table) {
  addOrdered<Plain<i16>, i16>(table, "s16", "w");
  addOrdered<Plain<i32>, i32>(table, "s32", "w");
  addOrdered<Plain<i64>, i64>(table, "s64", "d");
  for (const char *kind : {"u", "b"}) {
    addUnsigned<u16>(table, kind + std::string("16"), "w");
    addUnsigned<u32>(table, kind + std::string("32"), "w");
    addUnsigned<u64>(table, kind + std::string("64"), "d");
  }
  addFloating<Plain<float>, float>(table, "f32", "w");
  addFloating<Plain<double>, double>(table, "f64", "d");
  addFloating<Half, float>(table, "f16", "w");
  addFloating<BHalf, float>(table, "bf16", "w");
  addFlushing(table);
  for (const char *kind : {"b", "u", "s", "f"}) {
    std::string k = kind;
    table.add("selp." + k + "16", "wwwp", select<u16>);
    table.add("selp." + k + "32", "wwwp", select<u32>);
    table.add("selp." + k + "64", "dddp", select<u64>);
    table.add("slct." + k + "32.s32", "wwww", selectSign<u32, i32>);
    table.add("slct." + k + "32.f32", "wwww", selectSign<u32, float>);
    table.add("slct." + k + "64.s32", "dddw", selectSign<u64, i32>);
  }
  table.add("and.pred", "ppp", logic<0>);
  table.add("or.pred", "ppp", logic<1>);
  table.add("xor.pred", "ppp", logic<2>);
  table.add("not.pred", "pp", logic<3>);
  table.add("mov.pred", "pp", logic<4>);
}
} // namespace vgpu
