// Tokens of PTX text. An opcode with all its modifiers is one Word token, a directive (".reg") is one too.
#pragma once
#include "test/vgpu/ptx/Module.h"

namespace vgpu {
struct Token {
  enum class Kind { Word, Integer, Float, String, Punct, End };
  Kind kind = Kind::End;
  std::string text; // Word, String, Punct
  u64 bits = 0;     // Integer, Float
  bool isDouble = false;
  int line = 0;
};

/// All tokens of `text`, the last one End. Throws PtxError on a character or number that PTX does not have.
std::vector<Token> tokenize(const std::string &text);
} // namespace vgpu
