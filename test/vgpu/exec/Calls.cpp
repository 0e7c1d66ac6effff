// The two functions that device code calls and no module defines: vprintf and __assertfail.
// Their arguments lie in local memory, where the calling sequence has put them (op.v: offsets of the parameters).
#include "test/vgpu/exec/Memory.h"
#include <cstdio>

namespace vgpu {
namespace {
/// A byte that device code can name, read without a check: it is about to be printed.
const u8 *peek(Warp &warp, int lane, u64 address, u64 count) {
  Space space = resolveGeneric(address);
  if (space == Space::Local && address + count <= warp.block->launch.program->localBytes)
    return warp.block->localOf(warp, lane) + address;
  if (space == Space::Global && DeviceMemory::get().isAllocated(address, count))
    return DeviceMemory::get().host(address);
  return nullptr;
}
std::string readString(Warp &warp, int lane, u64 address) {
  std::string text;
  for (const u8 *p; text.size() < 4096 && (p = peek(warp, lane, address + text.size(), 1)) && *p;)
    text += static_cast<char>(*p);
  return text;
}
u64 argument(Warp &warp, const Op &op, int lane, u32 index, u32 bytes) {
  u64 value = 0;
  memcpy(&value, warp.block->localOf(warp, lane) + op.v[index], bytes);
  return value;
}

std::string format(Warp &warp, int lane, const std::string &pattern, u64 values) {
  std::string out;
  char text[512];
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 >= pattern.size()) {
      out += pattern[i];
      continue;
    }
    size_t end = std::min(pattern.find_first_of("diouxXeEfFgGaAcsp%", i + 1), pattern.size() - 1);
    std::string spec = pattern.substr(i, end - i + 1);
    char kind = spec.back();
    bool wide = spec.find('l') != std::string::npos || std::string("eEfFgGaAsp").find(kind) != std::string::npos;
    i = end;
    if (kind == '%') {
      out += '%';
      continue;
    }
    u32 bytes = wide ? 8 : 4;
    values = (values + bytes - 1) / bytes * bytes;
    u64 value = 0;
    const u8 *p = peek(warp, lane, values, bytes);
    if (!p)
      return out + "<no such argument>";
    memcpy(&value, p, bytes);
    values += bytes;
    if (kind == 's')
      out += readString(warp, lane, value);
    else {
      if (std::string("eEfFgGaA").find(kind) != std::string::npos)
        snprintf(text, sizeof text, spec.c_str(), std::bit_cast<double>(value));
      else
        snprintf(text, sizeof text, spec.c_str(), value);
      out += text;
    }
  }
  return out;
}
} // namespace

void printCall(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    std::string pattern = readString(warp, lane, argument(warp, op, lane, 0, 8));
    std::string text = format(warp, lane, pattern, argument(warp, op, lane, 1, 8));
    fwrite(text.data(), 1, text.size(), stdout);
    u32 printed = static_cast<u32>(text.size());
    if (op.e) { // 1 + local offset of the result
      memcpy(warp.block->localOf(warp, lane) + op.e - 1, &printed, 4);
      memset(warp.block->localStateOf(warp, lane) + op.e - 1, 1, 4);
    }
  }
  fflush(stdout);
}

void assertCall(Warp &warp, const Op &op, u32 mask) {
  int lane = __builtin_ctz(mask);
  warp.report(Finding::Assert, lane, *op.source,
              readString(warp, lane, argument(warp, op, lane, 1, 8)) + ":" + std::to_string(argument(warp, op, lane, 2, 4)) + ": " +
                  readString(warp, lane, argument(warp, op, lane, 3, 8)) + ": " + readString(warp, lane, argument(warp, op, lane, 0, 8)));
}
} // namespace vgpu
