// ldmatrix, stmatrix and mma.sync, fragments laid out as the PTX ISA draws them.
// Products accumulate in f32 in the order of k; tensor cores use another order, so compare with tolerances.
#include "test/vgpu/exec/Memory.h"

namespace vgpu {
namespace {
bool wholeWarp(Warp &warp, const Op &op, u32 mask) {
  if (mask == ~0u)
    return true;
  warp.report(Finding::WarpSync, __builtin_ctz(mask), *op.source, "needs all 32 lanes, has " + hexAddress(mask));
  return false;
}

// op.count matrices of 8 rows of 16 bytes; lane 8*i+r holds the address of row r of matrix i.
u32 rowAddresses(Warp &warp, const Op &op, u32 *offsets) {
  for (int l = 0; l < 32; ++l) {
    u64 address = laneAddress(warp, op, l);
    offsets[l] = static_cast<u32>(address >= sharedWindow ? address - sharedWindow : address);
  }
  u32 rows = op.count * 8u;
  return rows == 32 ? ~0u : (1u << rows) - 1;
}
} // namespace

void loadMatrix(Warp &warp, const Op &op, u32 mask) {
  if (!wholeWarp(warp, op, mask))
    return;
  u32 offsets[32];
  u32 good = warp.block->shared.check(warp, *op.source, offsets, rowAddresses(warp, op, offsets), 16, Access::Read);
  for (u32 i = 0; i < op.count; ++i) {
    u8 *d = warp.reg(op.v[i]);
    for (u32 row = 0; row < 8; ++row) {
      u32 lane = i * 8 + row;
      if (!(good >> lane & 1))
        continue;
      u16 values[8];
      memcpy(values, warp.block->shared.data() + offsets[lane], 16);
      for (u32 col = 0; col < 8; ++col) { // element (row, col) goes to lane row*4+col/2, half col%2; .trans swaps them
        u32 r = op.e ? col : row, c = op.e ? row : col;
        memcpy(d + 4 * (r * 4 + c / 2) + 2 * (c & 1), &values[col], 2);
      }
    }
  }
}

void storeMatrix(Warp &warp, const Op &op, u32 mask) {
  if (!wholeWarp(warp, op, mask))
    return;
  u32 offsets[32];
  u32 good = warp.block->shared.check(warp, *op.source, offsets, rowAddresses(warp, op, offsets), 16, Access::Write);
  for (u32 i = 0; i < op.count; ++i) {
    const u8 *s = warp.reg(op.v[i]);
    for (u32 row = 0; row < 8; ++row) {
      u32 lane = i * 8 + row;
      if (!(good >> lane & 1))
        continue;
      for (u32 col = 0; col < 8; ++col) {
        u32 r = op.e ? col : row, c = op.e ? row : col;
        memcpy(warp.block->shared.data() + offsets[lane] + 2 * col, s + 4 * (r * 4 + c / 2) + 2 * (c & 1), 2);
      }
    }
  }
}

namespace {
// Operand formats: how a 32-bit register unpacks into `perRegister` consecutive values of k.
struct FromF16 {
  using Accumulator = float;
  static constexpr u32 perRegister = 2;
  static float get(u32 reg, u32 i) { return f16ToFloat(static_cast<u16>(reg >> (16 * i))); }
};
struct FromBf16 {
  using Accumulator = float;
  static constexpr u32 perRegister = 2;
  static float get(u32 reg, u32 i) { return bf16ToFloat(static_cast<u16>(reg >> (16 * i))); }
};
struct FromTf32 {
  using Accumulator = float;
  static constexpr u32 perRegister = 1;
  static float get(u32 reg, u32) { return std::bit_cast<float>(reg & ~0x1fffu); }
};
struct FromS8 {
  using Accumulator = i32;
  static constexpr u32 perRegister = 4;
  static i32 get(u32 reg, u32 i) { return static_cast<i8>(reg >> (8 * i)); }
};
struct FromU8 {
  using Accumulator = i32;
  static constexpr u32 perRegister = 4;
  static i32 get(u32 reg, u32 i) { return static_cast<u8>(reg >> (8 * i)); }
};

/// m16n8kK with A row-major and B column-major. v: D, A, B, C registers one after the other.
/// A register pair (g, g+8) covers 4*perRegister values of k; so does a register of B.
template <class Format, u32 K, bool HalfAccumulator> void multiply(Warp &warp, const Op &op, u32 mask) {
  if (!wholeWarp(warp, op, mask))
    return;
  using T = typename Format::Accumulator;
  constexpr u32 n = Format::perRegister, chunk = 4 * n, chunks = K / chunk;
  constexpr u32 cRegisters = HalfAccumulator ? 2 : 4;
  const u32 *d = op.v.data(), *a = d + cRegisters, *b = a + 2 * chunks, *c = b + chunks;
  T A[16][K], B[K][8], C[16][8];
  for (u32 l = 0; l < 32; ++l) {
    u32 group = l / 4, t = l % 4;
    for (u32 x = 0; x < chunks; ++x)
      for (u32 i = 0; i < n; ++i) {
        u32 k = x * chunk + t * n + i;
        A[group][k] = Format::get(getLane<u32>(warp.reg(a[2 * x]), static_cast<int>(l)), i);
        A[group + 8][k] = Format::get(getLane<u32>(warp.reg(a[2 * x + 1]), static_cast<int>(l)), i);
        B[k][group] = Format::get(getLane<u32>(warp.reg(b[x]), static_cast<int>(l)), i);
      }
    for (u32 i = 0; i < 4; ++i) {
      const u8 *source = warp.reg(c[HalfAccumulator ? i / 2 : i]);
      T &value = C[group + i / 2 * 8][t * 2 + i % 2];
      if constexpr (HalfAccumulator)
        value = f16ToFloat(static_cast<u16>(getLane<u32>(source, static_cast<int>(l)) >> (16 * (i % 2))));
      else
        value = getLane<T>(source, static_cast<int>(l));
    }
  }
  for (u32 row = 0; row < 16; ++row)
    for (u32 k = 0; k < K; ++k)
      for (u32 col = 0; col < 8; ++col)
        C[row][col] += A[row][k] * B[k][col];
  for (u32 l = 0; l < 32; ++l)
    for (u32 i = 0; i < 4; ++i) {
      T value = C[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
      if constexpr (HalfAccumulator) {
        u16 half = floatToF16(value);
        memcpy(warp.reg(d[i / 2]) + 4 * l + 2 * (i % 2), &half, 2);
      } else
        setLane<T>(warp.reg(d[i]), static_cast<int>(l), value);
    }
}
} // namespace

Handler matrixHandler(const std::string &opcode, std::array<u32, 4> &registers) {
  struct Form {
    Handler handler;
    std::array<u32, 4> registers; // of D, A, B, C
  };
  static const std::map<std::string, Form> forms = {
      {"m16n8k16.row.col.f32.bf16.bf16.f32", {multiply<FromBf16, 16, false>, {4, 4, 2, 4}}},
      {"m16n8k16.row.col.f32.f16.f16.f32", {multiply<FromF16, 16, false>, {4, 4, 2, 4}}},
      {"m16n8k16.row.col.f16.f16.f16.f16", {multiply<FromF16, 16, true>, {2, 4, 2, 2}}},
      {"m16n8k8.row.col.f32.bf16.bf16.f32", {multiply<FromBf16, 8, false>, {4, 2, 1, 4}}},
      {"m16n8k8.row.col.f32.f16.f16.f32", {multiply<FromF16, 8, false>, {4, 2, 1, 4}}},
      {"m16n8k8.row.col.f32.tf32.tf32.f32", {multiply<FromTf32, 8, false>, {4, 4, 2, 4}}},
      {"m16n8k4.row.col.f32.tf32.tf32.f32", {multiply<FromTf32, 4, false>, {4, 2, 1, 4}}},
      {"m16n8k32.row.col.s32.s8.s8.s32", {multiply<FromS8, 32, false>, {4, 4, 2, 4}}},
      {"m16n8k32.row.col.s32.u8.u8.s32", {multiply<FromU8, 32, false>, {4, 4, 2, 4}}},
      {"m16n8k16.row.col.s32.s8.s8.s32", {multiply<FromS8, 16, false>, {4, 2, 1, 4}}},
  };
  const std::string prefix = "mma.sync.aligned.";
  if (opcode.rfind(prefix, 0) != 0)
    return nullptr;
  auto it = forms.find(opcode.substr(prefix.size()));
  if (it == forms.end())
    return nullptr;
  registers = it->second.registers;
  return it->second.handler;
}
} // namespace vgpu
