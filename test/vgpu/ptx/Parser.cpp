// PTX tokens to a Module. Declarations are kept per brace scope because inline assembly repeats names.
// Invariant: what is not understood is an error naming the line; only debug sections are skipped.
#include "test/vgpu/ptx/Lexer.h"
#include <algorithm>
#include <cstring>

namespace vgpu {
namespace {
u64 bytesOfType(const std::string &type, int line) {
  static const std::map<std::string, u64> sizes = {
      {".pred", 1}, {".b8", 1},  {".u8", 1},  {".s8", 1},   {".b16", 2},    {".u16", 2}, {".s16", 2}, {".f16", 2}, {".bf16", 2},
      {".b32", 4},  {".u32", 4}, {".s32", 4}, {".f32", 4},  {".f16x2", 4},  {".bf16x2", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8},
      {".f64", 8},  {".b128", 16}};
  auto it = sizes.find(type);
  if (it == sizes.end())
    throw PtxError(line, "unknown type " + type);
  return it->second;
}

class Parser {
public:
  explicit Parser(const std::string &text) : tokens(tokenize(text)) {}

  Module run() {
    while (peek().kind != Token::Kind::End)
      moduleStatement();
    return std::move(module);
  }

private:
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(pos + ahead, tokens.size() - 1)]; }
  const Token &take() { return tokens[pos < tokens.size() - 1 ? pos++ : pos]; }
  bool isPunct(const char *text, size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::Punct && peek(ahead).text == text;
  }
  bool isWord(const char *text) const { return peek().kind == Token::Kind::Word && peek().text == text; }
  bool accept(const char *text) {
    bool yes = isPunct(text) || isWord(text);
    pos += yes;
    return yes;
  }
  [[noreturn]] void fail(const std::string &what) const { throw PtxError(peek().line, what); }
  void expect(const char *text) {
    if (!accept(text))
      fail(std::string("expected '") + text + "', found '" + peek().text + "'");
  }
  std::string word() {
    if (peek().kind != Token::Kind::Word)
      fail("expected a name, found '" + peek().text + "'");
    return take().text;
  }
  u64 integer() {
    bool minus = accept("-");
    if (peek().kind != Token::Kind::Integer)
      fail("expected an integer, found '" + peek().text + "'");
    u64 value = take().bits;
    return minus ? 0 - value : value;
  }

  // ---- module level
  void moduleStatement() {
    if (accept(".version") || accept(".address_size")) {
      take();
    } else if (accept(".target")) {
      module.target = word();
      while (accept(","))
        word();
    } else if (accept(".file")) {
      int index = static_cast<int>(integer());
      module.files[index] = take().text;
      while (accept(","))
        integer();
    } else if (accept(".section")) {
      word();
      skipBraces();
    } else if (accept(".loc")) {
      location();
    } else if (!accept(";"))
      linkable();
  }

  void skipBraces() {
    expect("{");
    for (int depth = 1; depth; take()) {
      if (peek().kind == Token::Kind::End)
        fail("section without end");
      depth += isPunct("{") ? 1 : isPunct("}") ? -1 : 0;
    }
  }

  void linkable() {
    while (accept(".visible") || accept(".extern") || accept(".weak") || accept(".common")) {
    }
    if (accept(".entry"))
      return function(true);
    if (accept(".func"))
      return function(false);
    for (const char *space : {".global", ".const", ".shared"})
      if (accept(space)) {
        module.variables.push_back(variable(space + 1));
        expect(";");
        return;
      }
    fail("unknown statement '" + peek().text + "'");
  }

  Variable variable(const std::string &space) {
    Variable v;
    v.space = space;
    u64 element = 1, vector = 1;
    int line = peek().line;
    while (peek().kind == Token::Kind::Word && peek().text[0] == '.') {
      if (accept(".align"))
        v.align = integer();
      else if (accept(".v2"))
        vector = 2;
      else if (accept(".v4"))
        vector = 4;
      else if (accept(".ptr")) { // kernel parameter attribute: the space it points to
        for (const char *to : {".global", ".shared", ".local", ".const"})
          accept(to);
      } else
        element = bytesOfType(take().text, line);
    }
    v.align = std::max(v.align, element * vector);
    v.name = word();
    u64 count = 1;
    bool empty = false;
    while (accept("[")) {
      if (isPunct("]"))
        empty = true;
      else
        count *= integer();
      expect("]");
    }
    v.size = empty ? 0 : element * vector * count;
    if (accept("="))
      initializer(v, element);
    return v;
  }

  void initializer(Variable &v, u64 element) {
    if (accept("{")) {
      while (!accept("}")) {
        initializer(v, element);
        accept(",");
      }
      return;
    }
    u64 bits = 0;
    if (peek().kind == Token::Kind::Word) {
      bool generic = accept("generic");
      if (generic)
        expect("(");
      std::string symbol = word();
      if (generic)
        expect(")");
      v.addresses.push_back({v.init.size(), symbol, accept("+") ? static_cast<i64>(integer()) : 0});
    } else if (peek().kind == Token::Kind::Float) {
      bits = take().bits;
    } else
      bits = integer();
    v.init.resize(v.init.size() + element);
    memcpy(&v.init[v.init.size() - element], &bits, std::min<u64>(element, 8));
  }

  std::vector<Variable> parameters() {
    std::vector<Variable> list;
    expect("(");
    while (!accept(")")) {
      if (!accept(".param"))
        fail("expected .param, found '" + peek().text + "' (.reg parameters are not supported)");
      list.push_back(variable("param"));
      accept(",");
    }
    return list;
  }

  void function(bool isEntry) {
    Function f;
    f.isEntry = isEntry;
    if (isPunct("("))
      f.results = parameters();
    f.name = word();
    if (isPunct("("))
      f.params = parameters();
    while (!isPunct("{") && !isPunct(";"))
      performanceDirective(f);
    if (isPunct("{")) {
      f.hasBody = true;
      current = &f;
      source = {};
      body();
    } else
      expect(";");
    Function &known = module.functions[f.name];
    if (!known.hasBody)
      known = std::move(f);
  }

  void performanceDirective(Function &f) {
    if (accept(".maxntid") || accept(".reqntid")) {
      u64 threads = integer();
      while (accept(","))
        threads *= integer();
      f.maxThreads = static_cast<u32>(threads);
    } else if (accept(".minnctapersm") || accept(".maxnreg") || accept(".maxclusterrank")) {
      integer();
    } else if (accept(".reqnctapercluster") || accept(".explicitcluster")) {
      while (peek().kind == Token::Kind::Integer || isPunct(","))
        take();
    } else if (accept(".pragma")) {
      take();
      accept(";");
    } else if (!accept(".noreturn"))
      fail("unknown performance directive '" + peek().text + "'");
  }

  // ---- function bodies
  void body() {
    std::vector<int> open;
    do {
      if (accept("{")) {
        current->scopes.push_back({open.empty() ? -1 : open.back(), {}, {}, {}, {}});
        open.push_back(static_cast<int>(current->scopes.size()) - 1);
      } else if (accept("}")) {
        open.pop_back();
      } else
        statement(open.back());
    } while (!open.empty());
  }

  void statement(int scopeIndex) {
    Scope &scope = current->scopes[scopeIndex];
    if (peek().kind == Token::Kind::End)
      fail("function body without end");
    if (accept(";"))
      return;
    if (peek().kind == Token::Kind::Word && isPunct(":", 1))
      return label(scope);
    if (accept(".reg"))
      return registers(scope);
    for (const char *space : {".local", ".shared", ".param"})
      if (accept(space)) {
        Variable v = variable(space + 1);
        expect(";");
        scope.variables[v.name] = v;
        return;
      }
    if (accept(".loc"))
      return location();
    if (accept(".pragma"))
      return pragma();
    if (peek().text[0] == '.' && peek().kind == Token::Kind::Word)
      fail("unknown directive '" + peek().text + "'");
    instruction(scopeIndex);
  }

  void label(Scope &scope) {
    std::string name = word();
    expect(":");
    if (accept(".branchtargets")) {
      do
        scope.branchTargets[name].push_back(word());
      while (accept(","));
      expect(";");
      return;
    }
    if (isWord(".callprototype"))
      fail("indirect calls are not supported");
    scope.labels[name] = static_cast<int>(current->instructions.size());
  }

  void registers(Scope &scope) {
    std::string type = word();
    bytesOfType(type, peek().line);
    do {
      std::string name = word();
      int count = -1;
      if (accept("<")) {
        count = static_cast<int>(integer());
        expect(">");
      }
      scope.registers[name] = {type.substr(1), count};
    } while (accept(","));
    expect(";");
  }

  /// .loc file line column [, function_name label [+ offset], inlined_at file line column]
  /// Follows inlining outwards: the outermost place is in the kernel's own source.
  void location() {
    Place inner = place();
    inlinedAt.erase(inner);
    while (accept(",")) {
      if (accept("function_name")) {
        word();
        if (accept("+"))
          integer();
      } else if (accept("inlined_at")) {
        inlinedAt[inner] = place();
      } else
        fail("unknown .loc attribute '" + peek().text + "'");
    }
    Place outer = inner;
    for (int depth = 0; depth < 32 && inlinedAt.count(outer); ++depth)
      outer = inlinedAt[outer];
    source = {outer[0], outer[1], inner[0], inner[1]};
  }
  using Place = std::array<int, 3>; // file, line, column
  Place place() {
    Place p;
    for (int &part : p)
      part = static_cast<int>(integer());
    return p;
  }

  void pragma() {
    std::string text = take().text;
    const std::string mask = "used_bytes_mask ";
    if (text.rfind(mask, 0) == 0)
      usedBytes = std::stoull(text.substr(mask.size()), nullptr, 0);
    accept(";");
  }

  void instruction(int scopeIndex) {
    Instruction inst;
    inst.line = peek().line;
    inst.scope = scopeIndex;
    inst.source = source;
    if (accept("@")) {
      inst.guardNegated = accept("!");
      inst.guard = word();
    }
    inst.opcode = word();
    if (inst.opcode.rfind("ld", 0) == 0)
      std::swap(inst.usedBytes, usedBytes);
    while (!isPunct(";")) {
      inst.operands.push_back(operand());
      if (!accept(",") && !isPunct(";"))
        fail("expected ',' or ';' after an operand of " + inst.opcode + ", found '" + peek().text + "'");
    }
    expect(";");
    current->instructions.push_back(std::move(inst));
  }

  Operand operand() {
    Operand o;
    if (accept("{") || accept("(")) {
      bool vector = tokens[pos - 1].text == "{";
      o.kind = vector ? Operand::Kind::Vector : Operand::Kind::List;
      while (!accept(vector ? "}" : ")")) {
        o.elements.push_back(operand());
        accept(",");
      }
      return o;
    }
    if (accept("[")) {
      o = operand();
      while (accept(","))
        o.elements.push_back(operand());
      expect("]");
      o.kind = Operand::Kind::Address;
      return o;
    }
    o.negated = accept("!");
    if (peek().kind == Token::Kind::Float) {
      const Token &token = take();
      o.kind = Operand::Kind::Float;
      o.bits = token.bits;
      o.isDouble = token.isDouble;
    } else if (peek().kind == Token::Kind::Word) {
      o.name = word();
      o.kind = o.name == "_" ? Operand::Kind::Sink : Operand::Kind::Name;
      if (accept("|"))
        o.second = word();
      if (accept("+") || isPunct("-"))
        o.offset = static_cast<i64>(integer());
    } else {
      o.kind = Operand::Kind::Integer;
      o.bits = integer();
      if (accept("+"))
        o.offset = static_cast<i64>(integer());
    }
    return o;
  }

  std::vector<Token> tokens;
  size_t pos = 0;
  Module module;
  Function *current = nullptr;
  SourcePlace source;
  std::map<Place, Place> inlinedAt;
  u64 usedBytes = ~0ull;
};
} // namespace

Module parseModule(const std::string &text) { return Parser(text).run(); }

std::vector<std::string> splitOpcode(const std::string &opcode) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= opcode.size();) {
    size_t end = std::min(opcode.find('.', begin), opcode.size());
    parts.push_back(opcode.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}
} // namespace vgpu
