// PTX text to tokens. Words keep their dots and "::" so that "mbarrier.init.shared::cta.b64" arrives whole.
#include "test/vgpu/ptx/Lexer.h"
#include <cctype>
#include <cstdlib>
#include <cstring>

namespace vgpu {
namespace {
bool startsWord(char c) { return std::isalpha(static_cast<u8>(c)) || strchr("_$%.", c); }
bool inWord(char c) { return std::isalnum(static_cast<u8>(c)) || strchr("_$%.", c); }

class Lexer {
public:
  explicit Lexer(const std::string &text) : text(text) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (skipBlanks(); pos < text.size(); skipBlanks())
      tokens.push_back(next());
    tokens.push_back({Token::Kind::End, "", 0, false, line});
    return tokens;
  }

private:
  char at(size_t i) const { return i < text.size() ? text[i] : '\0'; }

  void skipBlanks() {
    while (pos < text.size()) {
      if (text[pos] == '\n')
        ++line, ++pos;
      else if (text[pos] == '\0' || std::isspace(static_cast<u8>(text[pos])))
        ++pos;
      else if (at(pos) == '/' && at(pos + 1) == '/')
        pos = std::min(text.find('\n', pos), text.size());
      else if (at(pos) == '/' && at(pos + 1) == '*') {
        size_t end = text.find("*/", pos + 2);
        if (end == std::string::npos)
          throw PtxError(line, "comment without end");
        for (; pos < end + 2; ++pos)
          line += text[pos] == '\n';
      } else
        return;
    }
  }

  Token next() {
    char c = text[pos];
    if (c == '"')
      return string();
    if (std::isdigit(static_cast<u8>(c)))
      return number();
    if (c && startsWord(c))
      return word();
    if (!strchr("{}[]()<>,;:@!|+-=", c))
      throw PtxError(line, std::string("unexpected character '") + c + "'");
    ++pos;
    return {Token::Kind::Punct, std::string(1, c), 0, false, line};
  }

  Token string() {
    size_t end = text.find('"', pos + 1);
    if (end == std::string::npos)
      throw PtxError(line, "string without end");
    Token token{Token::Kind::String, text.substr(pos + 1, end - pos - 1), 0, false, line};
    pos = end + 1;
    return token;
  }

  Token word() {
    size_t begin = pos;
    while (at(pos) && (inWord(at(pos)) || (at(pos) == ':' && at(pos + 1) == ':' && std::isalnum(static_cast<u8>(at(pos + 2))))))
      pos += at(pos) == ':' ? 2 : 1;
    return {Token::Kind::Word, text.substr(begin, pos - begin), 0, false, line};
  }

  Token number() {
    Token token{Token::Kind::Integer, "", 0, false, line};
    char marker = static_cast<char>(std::tolower(at(pos + 1)));
    const char *begin = text.c_str() + pos;
    char *end = nullptr;
    if (at(pos) == '0' && (marker == 'f' || marker == 'd')) {
      token.kind = Token::Kind::Float;
      token.isDouble = marker == 'd';
      std::string digits = text.substr(pos + 2, token.isDouble ? 16 : 8);
      token.bits = std::strtoull(digits.c_str(), &end, 16);
      if (*end || digits.empty())
        throw PtxError(line, "malformed floating-point constant");
      pos += 2 + digits.size();
      return token;
    }
    token.bits = std::strtoull(begin, &end, 0);
    if (*end == '.' && std::isdigit(static_cast<u8>(end[1]))) { // decimal floating point: a double
      double value = std::strtod(begin, &end);
      memcpy(&token.bits, &value, 8);
      token.kind = Token::Kind::Float;
      token.isDouble = true;
    }
    pos += end - begin;
    if (at(pos) == 'U')
      ++pos;
    return token;
  }

  const std::string &text;
  size_t pos = 0;
  int line = 1;
};
} // namespace

std::vector<Token> tokenize(const std::string &text) { return Lexer(text).run(); }
} // namespace vgpu
