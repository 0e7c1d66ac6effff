// Every form of the executor's table that has plain semantics, against a second implementation: values as long double and
// __int128, rounded by their number of bits. The families that are left out have a test in InstructionsTest.
#include "test/vgpu/tests/OneInstruction.h"
#include <optional>
#include <set>

namespace vgpu::test {
namespace {
using Wide = __int128;
using Real = long double;

struct Type {
  char kind = 0; // s, u, b integers; f, h (bf16) floats
  int bits = 0;
  bool isFloat() const { return kind == 'f' || kind == 'h'; }
};

std::optional<Type> typeOf(const std::string &name) {
  if (name == "bf16")
    return Type{'h', 16};
  if (name.size() < 2 || !strchr("subf", name[0]) || name.find_first_not_of("0123456789", 1) != std::string::npos)
    return std::nullopt;
  return Type{name[0], std::stoi(name.substr(1))};
}

/// x rounded to a mantissa of `bits` whose least exponent is `least`, in a direction: n, z, m (down), p (up).
Real roundTo(Real x, int bits, int least, char direction = 'n') {
  if (x == 0 || !std::isfinite(x))
    return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const int step = std::max(exponent - bits, least);
  const Real scaled = std::ldexp(x, -step);
  const Real whole = direction == 'n' ? std::nearbyint(scaled) : direction == 'z' ? std::trunc(scaled) : direction == 'm' ? std::floor(scaled) : std::ceil(scaled);
  return whole == 0 ? std::copysign(Real(0), x) : std::ldexp(whole, step);
}
Real roundTo(Real x, Type t, char direction = 'n') {
  return t.bits == 64 ? roundTo(x, 53, -1074, direction) : t.bits == 32 ? roundTo(x, 24, -149, direction) : t.kind == 'h' ? roundTo(x, 8, -133, direction) : roundTo(x, 11, -24, direction);
}

Real realOf(u64 v, Type t) {
  return t.bits == 64 ? std::bit_cast<double>(v) : t.bits == 32 ? std::bit_cast<float>(static_cast<u32>(v))
         : t.kind == 'h' ? bf16ToFloat(static_cast<u16>(v)) : f16ToFloat(static_cast<u16>(v));
}
Wide integerOf(u64 v, Type t) {
  const Wide value = t.bits == 64 ? Wide(v) : Wide(v & ((1ull << t.bits) - 1));
  return t.kind == 's' && value >> (t.bits - 1) & 1 ? value - (Wide(1) << t.bits) : value;
}
u64 bitsOf(Wide value, int bits) { return static_cast<u64>(value) & (bits == 64 ? ~0ull : (1ull << bits) - 1); }

/// a + b, moved by the least step towards the part that the sum has lost, so that a directed rounding sees it.
Real sum(Real a, Real b) {
  const Real s = a + b, other = s - a, lost = (a - (s - other)) + (b - other);
  return lost > 0 ? std::nextafter(s, Real(INFINITY)) : lost < 0 ? std::nextafter(s, -Real(INFINITY)) : s;
}

bool isFlushed(const std::set<std::string> &parts) { return parts.count("ftz"); }
Real flush(Real x) { return std::fabs(x) < 0x1p-126L ? std::copysign(Real(0), x) : x; }

template <class T> bool compare(const std::string &how, T a, T b, bool isUnordered) {
  if (how == "num" || how == "nan")
    return isUnordered == (how == "nan");
  const bool orUnordered = how.size() == 3;
  if (isUnordered)
    return orUnordered;
  const std::string plain = how.substr(0, 2);
  return plain == "eq" ? a == b : plain == "ne" ? a != b : plain == "lt" || plain == "lo" ? a < b : plain == "le" || plain == "ls" ? a <= b
         : plain == "gt" || plain == "hi" ? a > b : a >= b;
}
bool compare(const std::string &how, u64 a, u64 b, Type t, bool flushes) {
  if (!t.isFloat())
    return compare<Wide>(how, integerOf(a, t), integerOf(b, t), false);
  Real x = realOf(a, t), y = realOf(b, t);
  return flushes ? compare<Real>(how, flush(x), flush(y), x != x || y != y) : compare<Real>(how, x, y, x != x || y != y);
}

/// What does not fit: infinite, or the largest there is when the direction is towards zero.
Real limit(Real x, Type t, char direction) {
  const Real most = t.bits == 64 ? Real(1.7976931348623157e308) : t.bits == 32 ? 0x1.fffffep127L : t.kind == 'h' ? 0x1.fep127L : 65504;
  if (!std::isfinite(x) || std::fabs(x) <= most)
    return x;
  return direction == 'z' || direction == (x > 0 ? 'm' : 'p') ? std::copysign(most, x) : std::copysign(Real(INFINITY), x);
}

/// What an integer instruction makes; nothing: not one of them.
std::optional<Wide> integers(const std::string &name, const std::set<std::string> &parts, Type t, Wide a, Wide b, Wide c) {
  const Wide least = t.kind == 's' ? -(Wide(1) << (t.bits - 1)) : 0, most = (Wide(1) << (t.bits - (t.kind == 's'))) - 1;
  auto fit = [&](Wide v) { return parts.count("sat") ? std::min(std::max(v, least), most) : v; };
  const bool isHigh = parts.count("hi");
  if (parts.count("cc"))
    return std::nullopt;
  if (name == "add")
    return fit(a + b);
  if (name == "sub")
    return fit(a - b);
  if (name == "mul" || name == "mad") {
    // The product of two 64-bit numbers fits into 128 bits, without sign only as such.
    const Wide product = t.kind == 's' ? a * b : static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
    const Wide high = t.kind == 's' ? product >> t.bits : static_cast<Wide>(static_cast<unsigned __int128>(product) >> t.bits);
    return (isHigh ? high : product) + (name == "mad" ? c : 0);
  }
  if (name == "min" || name == "max")
    return (name == "min") == (a < b) ? a : b;
  if (name == "div")
    return b == 0 ? Wide(-1) : a / b;
  if (name == "rem")
    return b == 0 ? a : a % b;
  if (name == "sad")
    return c + (a > b ? a - b : b - a);
  if (name == "neg")
    return -a;
  if (name == "abs")
    return a < 0 ? -a : a;
  if (name == "and" || name == "or" || name == "xor")
    return name == "and" ? a & b : name == "or" ? a | b : a ^ b;
  if (name == "not")
    return ~a;
  if (name == "cnot")
    return a == 0;
  if (name == "mov")
    return a;
  return std::nullopt;
}

/// What an instruction on floats makes, rounded; nothing: not one of them.
std::optional<Real> floats(const std::string &name, const std::set<std::string> &parts, Type t, Real a, Real b, Real c) {
  if (name == "mov")
    return a;
  if (name == "copysign")
    return std::copysign(b, a);
  if (isFlushed(parts))
    a = flush(a), b = flush(b), c = flush(c);
  Real exact = 0;
  if (name == "add" || name == "sub")
    exact = sum(a, name == "add" ? b : -b);
  else if (name == "mul" || name == "div")
    exact = name == "mul" ? a * b : a / b;
  else if (name == "fma")
    exact = sum(a * b, c);
  else if (name == "neg" || name == "abs")
    exact = name == "neg" ? -a : std::fabs(a);
  else if (name == "sqrt" || name == "rsqrt")
    exact = name == "sqrt" ? std::sqrt(a) : 1 / std::sqrt(a);
  else if (name == "rcp")
    exact = 1 / a;
  else if (name == "ex2" || name == "lg2")
    exact = name == "ex2" ? std::exp2(a) : std::log2(a);
  else if (name == "sin" || name == "cos" || name == "tanh")
    exact = name == "sin" ? std::sin(a) : name == "cos" ? std::cos(a) : std::tanh(a);
  else if (name == "min" || name == "max") {
    if ((a != a || b != b) && !parts.count("NaN"))
      exact = a != a ? b : a;
    else
      exact = a != a || b != b ? NAN : (name == "min") == (a < b || (a == b && std::signbit(a))) ? a : b;
  } else
    return std::nullopt;
  char direction = parts.count("rz") ? 'z' : parts.count("rm") ? 'm' : parts.count("rp") ? 'p' : 'n';
  Real result = limit(roundTo(exact, t, direction), t, direction);
  if (isFlushed(parts))
    result = flush(result);
  if (parts.count("relu") && result < 0)
    result = 0;
  if (parts.count("sat"))
    result = result != result ? 0 : std::min(std::max(result, Real(0)), Real(1));
  return result;
}

/// Approximations may differ in their last bits; all others may not.
bool isNear(Real got, Real expected, const std::set<std::string> &parts, Type t) {
  if ((got != got && expected != expected) || got == expected)
    return true;
  const Real relative = t.bits > 16 ? 1e-5L : t.kind == 'h' ? 0x1p-7L : 0x1p-10L;
  return (parts.count("approx") || parts.count("full")) && std::fabs(got - expected) <= relative * std::fabs(expected) + 0x1p-126L;
}

class TableTest : public InstructionsTest {
protected:
  std::vector<u64> values(Type t) {
    if (t.isFloat() && t.bits == 32)
      return randomFloats();
    std::vector<u64> v = random();
    if (t.isFloat())
      for (u64 &x : v) {
        const float f = std::normal_distribution<float>(0, 4)(rng);
        x = t.bits == 64 ? std::bit_cast<u64>(static_cast<double>(f)) : t.kind == 'h' ? floatToBf16(f) : floatToF16(f);
      }
    return v;
  }
  bool check(const std::string &opcode, const std::string &signature);
  bool checkComparison(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words);
  bool checkFormats(const std::string &opcode, const std::string &signature, Type to, Type from, const std::set<std::string> &parts);
  bool checkPair(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words);
  bool checkOther(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words);
  void checkCarries(const std::string &name, const std::string &type);
  bool checkConversion(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words);
};

std::vector<std::string> wordsOf(const std::string &opcode) {
  std::vector<std::string> words(1);
  for (char c : opcode)
    if (c == '.')
      words.emplace_back();
    else
      words.back() += c;
  return words;
}

bool TableTest::checkComparison(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words) {
  const Type t = *typeOf(words.back());
  const std::set<std::string> parts(words.begin() + 2, words.end());
  const std::string in = signature[1] == 'd' ? "%d" : "%r";
  const std::vector<u64> a = values(t), b = values(t), c = random();
  const bool combines = signature.size() == 4;
  const std::string body = words[0] == "setp" ? "{ .reg .pred p, q; setp.lt.s32 q, %rc, 0; " + opcode + " p, " + in + "a, " + in + "b" +
                                                    (combines ? ", q" : "") + "; selp.b32 %rd, 1, 0, p; }"
                                              : opcode + " %rd, " + in + "a, " + in + "b;";
  const std::vector<u64> got = run(body, a, b, c);
  for (int l = 0; l < 32; ++l) {
    bool is = compare(words[1], a[l], b[l], t, isFlushed(parts));
    const bool q = static_cast<i32>(c[l]) < 0;
    is = parts.count("and") ? is && q : parts.count("or") ? is || q : parts.count("xor") ? is != q : is;
    const u32 yes = words[0] == "setp" ? 1 : words[2] == "f32" ? 0x3f800000u : ~0u;
    EXPECT_EQ(static_cast<u32>(got[l]), is ? yes : 0) << opcode << " " << a[l] << ", " << b[l];
  }
  return true;
}

/// Floats of one format as floats of another one, or as whole numbers; two in one register if there are three operands.
bool TableTest::checkFormats(const std::string &opcode, const std::string &signature, Type to, Type from, const std::set<std::string> &parts) {
  const std::vector<u64> a = values(from), b = values(from);
  const bool isPair = signature.size() == 3;
  const std::string r = signature[1] == 'd' ? "%d" : "%r";
  const std::vector<u64> got = run(opcode + (signature[0] == 'd' ? " %dd, " : " %rd, ") + r + "a" + (isPair ? ", " + r + "b;" : ";"), a, b, a);
  for (int l = 0; l < 32; ++l)
    for (int half = 0; half < (isPair ? 2 : 1); ++half) { // the first operand lies in the upper half
      Real x = realOf(isPair && half == 0 ? b[l] : a[l], from);
      if (parts.count("ftz"))
        x = flush(x);
      x = parts.count("rni") ? std::nearbyint(x) : parts.count("rzi") ? std::trunc(x) : parts.count("rmi") ? std::floor(x) : parts.count("rpi") ? std::ceil(x) : x;
      const char direction = parts.count("rz") ? 'z' : 'n';
      x = limit(roundTo(x, to, direction), to, direction);
      if (parts.count("relu") && x < 0)
        x = 0;
      if (parts.count("sat"))
        x = x != x ? 0 : std::min(std::max(x, Real(0)), Real(1));
      const Real g = realOf(isPair ? got[l] >> (16 * half) & 0xffff : got[l], to);
      EXPECT_TRUE((g != g && x != x) || g == x) << opcode << " " << a[l] << ", " << b[l] << ": " << got[l];
    }
  return true;
}

bool TableTest::checkConversion(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words) {
  const std::optional<Type> to = typeOf(words[words.size() - 2]), from = typeOf(words.back());
  const std::set<std::string> parts(words.begin() + 1, words.end() - 2);
  if (words.back() == "f32" && (words[words.size() - 2] == "f16x2" || words[words.size() - 2] == "bf16x2"))
    return checkFormats(opcode, signature, *typeOf(words[words.size() - 2].substr(0, words[words.size() - 2].size() - 2)), *from, parts);
  if (!to || !from)
    return false;
  if (to->isFloat() && from->isFloat())
    return checkFormats(opcode, signature, *to, *from, parts);
  const std::vector<u64> a = values(*from);
  const std::vector<u64> got = run(opcode + (signature[0] == 'd' ? " %dd, " : " %rd, ") + (signature[1] == 'd' ? "%da;" : "%ra;"), a, a, a);
  const Wide least = to->kind == 's' ? -(Wide(1) << (to->bits - 1)) : 0, most = (Wide(1) << (to->bits - (to->kind == 's'))) - 1;
  for (int l = 0; l < 32; ++l) {
    if (to->isFloat()) {
      const Real expected = roundTo(static_cast<Real>(integerOf(a[l], *from)), *to);
      const Real g = realOf(got[l], *to);
      EXPECT_TRUE(g == expected || (std::isinf(g) && std::fabs(expected) > 65504)) << opcode << " " << a[l];
      continue;
    }
    Wide expected = 0;
    if (from->isFloat()) {
      Real x = realOf(a[l], *from);
      if (parts.count("ftz"))
        x = flush(x);
      const Real whole = parts.count("rni") ? std::nearbyint(x) : parts.count("rzi") ? std::trunc(x) : parts.count("rmi") ? std::floor(x) : std::ceil(x);
      expected = whole != whole ? 0 : whole <= static_cast<Real>(least) ? least : whole >= static_cast<Real>(most) ? most : static_cast<Wide>(whole);
    } else {
      expected = integerOf(a[l], *from);
      if (parts.count("sat"))
        expected = std::min(std::max(expected, least), most);
    }
    EXPECT_EQ(bitsOf(got[l], to->bits), bitsOf(expected, to->bits)) << opcode << " " << a[l];
  }
  return true;
}

/// Two halves in one register: each as by itself.
bool TableTest::checkPair(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words) {
  const Type t = *typeOf(words.back().substr(0, words.back().size() - 2));
  const std::set<std::string> parts(words.begin() + 1, words.end() - 1);
  const char *tails[] = {" %rd, %ra;", " %rd, %ra, %rb;", " %rd, %ra, %rb, %rc;"};
  std::vector<u64> in[3];
  for (auto &values : in) {
    values = this->values(t);
    const std::vector<u64> high = this->values(t);
    for (int l = 0; l < 32; ++l)
      values[l] |= high[l] << 16;
  }
  const std::vector<u64> got = run(opcode + tails[signature.size() - 2], in[0], in[1], in[2]);
  for (int l = 0; l < 32; ++l)
    for (int shift : {0, 16}) {
      auto part = [&](u64 v) { return realOf(v >> shift & 0xffff, t); };
      const Real expected = *floats(words[0], parts, t, part(in[0][l]), part(in[1][l]), part(in[2][l]));
      EXPECT_TRUE(isNear(part(got[l]), expected, parts, t)) << opcode << " " << in[0][l] << ", " << in[1][l] << ": " << got[l];
    }
  return true;
}

/// Bit operations and choices, whose operands are of different kinds.
bool TableTest::checkOther(const std::string &opcode, const std::string &signature, const std::vector<std::string> &words) {
  const std::string &name = words[0];
  const bool isWide = signature.back() == 'd' || signature[1] == 'd';
  const std::string r = isWide ? "%d" : "%r", d = signature[0] == 'd' ? "%dd" : "%rd";
  const std::vector<u64> a = random(), b = random(), c = random();
  if (name == "selp" || name == "slct") {
    const bool byFloat = words.back() == "f32" && name == "slct";
    const Type t = *typeOf(words[1]);
    const std::string body = name == "selp" ? "{ .reg .pred p; setp.ge.s32 p, %rc, 0; " + opcode + " " + d + ", " + r + "a, " + r + "b, p; }"
                                            : opcode + " " + d + ", " + r + "a, " + r + "b, %rc;";
    const std::vector<u64> got = run(body, a, b, c);
    for (int l = 0; l < 32; ++l) {
      const bool takesFirst = byFloat ? std::bit_cast<float>(static_cast<u32>(c[l])) >= 0 : static_cast<i32>(c[l]) >= 0;
      EXPECT_EQ(bitsOf(got[l], t.bits), bitsOf(takesFirst ? a[l] : b[l], t.bits)) << opcode;
    }
    return true;
  }
  const std::optional<Type> type = typeOf(words.back());
  if (name == "shl" || name == "shr") {
    std::vector<u64> by = b;
    for (u64 &n : by)
      n = n % 4 ? n % 70 : n;
    const std::vector<u64> got = run(opcode + " " + d + ", " + r + "a, %rb;", a, by, c);
    for (int l = 0; l < 32; ++l) {
      const u32 n = std::min<u32>(static_cast<u32>(by[l]), 100);
      const Wide value = integerOf(a[l], *type);
      const Wide expected = name == "shr" ? value >> std::min(n, 100u) : n >= 64 ? 0 : value << n;
      EXPECT_EQ(bitsOf(got[l], type->bits), bitsOf(expected, type->bits)) << opcode << " " << a[l] << ", " << n;
    }
    return true;
  }
  if (name == "popc" || name == "clz" || name == "brev" || name == "bfind") {
    const std::vector<u64> got = run(opcode + " " + d + ", " + r + "a;", a, b, c);
    for (int l = 0; l < 32; ++l) {
      u64 value = bitsOf(a[l], type->bits), reversed = 0, ones = 0;
      for (int i = 0; i < type->bits; ++i)
        reversed |= (value >> i & 1) << (type->bits - 1 - i), ones += value >> i & 1;
      if (name == "bfind" && type->kind == 's' && value >> (type->bits - 1))
        value = bitsOf(~value, type->bits);
      int top = type->bits - 1;
      while (top >= 0 && !(value >> top & 1))
        --top;
      const u32 found = top < 0 ? ~0u : static_cast<u32>(words[1] == "shiftamt" ? type->bits - 1 - top : top);
      const u64 expected = name == "popc" ? ones : name == "brev" ? reversed : name == "clz" ? static_cast<u64>(type->bits - 1 - top) : found;
      EXPECT_EQ(got[l], expected) << opcode << " " << a[l];
    }
    return true;
  }
  if (name == "shf") {
    const std::vector<u64> got = run(opcode + " %rd, %ra, %rb, %rc;", a, b, c);
    for (int l = 0; l < 32; ++l) {
      const u32 n = words[2] == "wrap" ? c[l] & 31 : std::min<u32>(static_cast<u32>(c[l]), 32);
      const unsigned __int128 both = b[l] << 32 | (a[l] & 0xffffffff);
      EXPECT_EQ(static_cast<u32>(got[l]), static_cast<u32>(words[1] == "l" ? both << n >> 32 : (both & ~0ull) >> n)) << opcode;
    }
    return true;
  }
  if (name == "bfe") {
    std::vector<u64> at(32), length(32);
    for (int l = 0; l < 32; ++l)
      at[l] = rng() % 70, length[l] = rng() % 70;
    const std::vector<u64> got = run(opcode + " " + d + ", " + r + "a, %rb, %rc;", a, at, length);
    for (int l = 0; l < 32; ++l) {
      const u64 last = std::min<u64>(at[l] + length[l] - 1, type->bits - 1);
      const bool sign = type->kind == 's' && length[l] && a[l] >> last & 1;
      u64 expected = 0;
      for (u64 i = 0; i < static_cast<u64>(type->bits); ++i)
        expected |= static_cast<u64>(i < length[l] && at[l] + i < static_cast<u64>(type->bits) ? a[l] >> (at[l] + i) & 1 : sign) << i;
      EXPECT_EQ(bitsOf(got[l], type->bits), expected) << opcode << " " << a[l] << ", " << at[l] << ", " << length[l];
    }
    return true;
  }
  if (name == "dp4a" || name == "dp2a") {
    const bool isFour = name == "dp4a";
    const Type x{words[words.size() - 2][0], isFour ? 8 : 16}, y{words.back()[0], 8};
    const std::vector<u64> got = run(opcode + " %rd, %ra, %rb, %rc;", a, b, c);
    for (int l = 0; l < 32; ++l) {
      Wide sum = static_cast<Wide>(c[l]);
      for (int i = 0; i < (isFour ? 4 : 2); ++i)
        sum += integerOf(a[l] >> (i * x.bits), x) * integerOf(b[l] >> (8 * (i + (words[1] == "hi" ? 2 : 0))), y);
      EXPECT_EQ(bitsOf(got[l], 32), bitsOf(sum, 32)) << opcode;
    }
    return true;
  }
  if (name == "testp") {
    const std::vector<u64> f = randomFloats(), got = run("{ .reg .pred p; " + opcode + " p, %ra; selp.b32 %rd, 1, 0, p; }", f, b, c);
    for (int l = 0; l < 32; ++l) {
      const float x = std::bit_cast<float>(static_cast<u32>(f[l]));
      EXPECT_EQ(got[l], words[1] == "finite" ? std::isfinite(x) : words[1] == "infinite" ? std::isinf(x) : x != x) << opcode << " " << x;
    }
    return true;
  }
  return false;
}

/// Numbers of three words, by the carry of each word to the next: covers add.cc, addc.cc and addc, or sub.cc, subc.cc and
/// subc, of one type.
void TableTest::checkCarries(const std::string &name, const std::string &type) {
  const int bits = typeOf(type)->bits;
  const std::string r = bits == 64 ? "%d" : "%r", t = bits == 64 ? "%l" : "%r";
  const std::vector<u64> a = random(), b = random(), c = random();
  for (int word = 0; word < 3; ++word) {
    const std::string to[3] = {word == 0 ? r + "d" : t + "4", word == 1 ? r + "d" : t + "5", word == 2 ? r + "d" : t + "6"};
    const std::vector<u64> got = run(name + ".cc." + type + " " + to[0] + ", " + r + "a, " + r + "b; " + name + "c.cc." + type + " " + to[1] + ", " + r +
                                         "c, " + r + "a; " + name + "c." + type + " " + to[2] + ", " + r + "b, " + r + "c;",
                                     a, b, c);
    for (int l = 0; l < 32; ++l) {
      const u64 x[3] = {a[l], c[l], b[l]}, y[3] = {b[l], a[l], c[l]};
      Wide carry = 0, result = 0;
      for (int i = 0; i <= word; ++i) {
        result = name == "add" ? Wide(bitsOf(x[i], bits)) + Wide(bitsOf(y[i], bits)) + carry : Wide(bitsOf(x[i], bits)) - Wide(bitsOf(y[i], bits)) - carry;
        carry = name == "add" ? result >> bits : result < 0;
      }
      EXPECT_EQ(bitsOf(got[l], bits), bitsOf(result, bits)) << name << " " << type << " word " << word;
    }
  }
}

/// Whether the form is one that this test knows; it has been run then.
bool TableTest::check(const std::string &opcode, const std::string &signature) {
  const std::vector<std::string> words = wordsOf(opcode);
  if (words[0] == "setp" || words[0] == "set")
    return checkComparison(opcode, signature, words);
  if (words[0] == "cvt")
    return checkConversion(opcode, signature, words);
  if (words.back() == "f16x2" || words.back() == "bf16x2")
    return checkPair(opcode, signature, words);
  if (checkOther(opcode, signature, words))
    return true;
  const std::optional<Type> type = typeOf(words.back());
  const std::set<std::string> parts(words.begin() + 1, words.end() - 1);
  const Type t = type.value_or(Type());
  const bool isKnown = type && (t.isFloat() && words[0] != "selp" && words[0] != "slct" ? floats(words[0], parts, t, 1, 1, 1).has_value()
                                                                                      : integers(words[0], parts, t, 1, 1, 1).has_value());
  if (!isKnown || signature.find('p') != std::string::npos)
    return false;
  std::string body = opcode + (signature[0] == 'd' ? " %dd" : " %rd");
  for (size_t i = 1; i < signature.size(); ++i)
    body += std::string(signature[i] == 'd' ? ", %d" : ", %r") + static_cast<char>('a' + i - 1);
  const std::vector<u64> a = values(t), b = values(t), c = values(t);
  const std::vector<u64> got = run(body + ";", a, b, c);
  const int resultBits = parts.count("wide") ? 2 * t.bits : t.bits;
  for (int l = 0; l < 32; ++l) {
    if (t.isFloat()) {
      const Real expected = *floats(words[0], parts, t, realOf(a[l], t), realOf(b[l], t), realOf(c[l], t)), g = realOf(got[l], t);
      EXPECT_TRUE(isNear(g, expected, parts, t)) << opcode << " " << a[l] << ", " << b[l] << ", " << c[l] << ": " << got[l];
    } else {
      const Type wide{t.kind, resultBits};
      const Wide expected = *integers(words[0], parts, t, integerOf(a[l], t), integerOf(b[l], t), integerOf(c[l], wide));
      EXPECT_EQ(bitsOf(got[l], resultBits), bitsOf(expected, resultBits)) << opcode << " " << a[l] << ", " << b[l] << ", " << c[l];
    }
  }
  return true;
}

TEST_F(TableTest, EveryPlainForm) {
  size_t checked = 0, all = 0;
  HandlerTable::get().forEach([&](const std::string &opcode, const TableEntry &entry) {
    ++all;
    checked += check(opcode, entry.signature);
  });
  for (const char *name : {"add", "sub"})
    for (const char *type : {"u32", "s32", "b32", "u64", "s64", "b64"}) {
      checkCarries(name, type);
      checked += 3;
    }
  printf("%zu of %zu forms\n", checked, all);
  EXPECT_GE(checked, 1858u);
}
} // namespace
} // namespace vgpu::test
