//===- Text.cpp - aligned and coloured text -------------------------------===//
#include "compiler/inspect/Text.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Unicode.h"

#include <cstdlib>
#include <unistd.h>

namespace stoop::inspect {

TextOutput TextOutput::standard() {
  const char *noColor = std::getenv("NO_COLOR");
  return {llvm::outs(), ::isatty(STDOUT_FILENO) && !(noColor && *noColor)};
}

static const char *escapeOf(Tone tone) {
  switch (tone) {
  case Tone::Heading:
    return "\033[1m";
  case Tone::Dim:
    return "\033[2m";
  case Tone::Good:
    return "\033[32m";
  case Tone::Bad:
    return "\033[33m";
  case Tone::Plain:
    break;
  }
  return "";
}

void TextOutput::write(llvm::StringRef text, Tone tone) const {
  bool isColored = color && tone != Tone::Plain;
  if (isColored)
    stream << escapeOf(tone);
  stream << printable(text);
  if (isColored)
    stream << "\033[0m";
}

void TextOutput::line(llvm::StringRef text, Tone tone) const {
  write(text, tone);
  stream << "\n";
}

std::string printable(llvm::StringRef text, llvm::StringRef kept) {
  std::string result, fixed = llvm::json::fixUTF8(text);
  for (size_t i = 0; i < fixed.size(); ++i) {
    unsigned char c = fixed[i], next = i + 1 < fixed.size() ? fixed[i + 1] : 0;
    bool isC1 = c == 0xc2 && next >= 0x80 && next < 0xa0; // U+0080 to U+009F
    if (isC1)
      c = next, ++i;
    if (isC1 || ((c < 0x20 || c == 0x7f) && !kept.contains(char(c))))
      result += "\\x" + llvm::utohexstr(c, /*LowerCase=*/true, 2);
    else
      result += char(c);
  }
  return result;
}

size_t columnsOf(llvm::StringRef text) {
  int width = llvm::sys::unicode::columnWidthUTF8(text);
  return width < 0 ? text.size() : static_cast<size_t>(width);
}

void Table::print(const TextOutput &out, llvm::StringRef indent) const {
  std::vector<size_t> widths;
  for (const Row &row : rows)
    for (size_t i = 0; i < row.cells.size(); ++i) {
      if (widths.size() <= i)
        widths.push_back(0);
      llvm::StringRef cell = row.cells[i];
      cell.consume_front(">");
      widths[i] = std::max(widths[i], columnsOf(cell));
    }
  for (const Row &row : rows) {
    std::string text = indent.str();
    for (size_t i = 0; i < row.cells.size(); ++i) {
      llvm::StringRef cell = row.cells[i];
      bool toRight = cell.consume_front(">");
      std::string padding(widths[i] - columnsOf(cell), ' ');
      text += (toRight ? padding : "") + cell.str() + (toRight ? "" : padding);
      text += i + 1 < row.cells.size() ? "  " : "";
    }
    out.line(llvm::StringRef(text).rtrim(), row.tone);
  }
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), " ");
  return digits;
}

/// `value` in the largest unit of which there is at least one.
static std::string inUnits(double value, double step, llvm::ArrayRef<const char *> units) {
  size_t unit = 0;
  for (; value >= step && unit + 1 < units.size(); ++unit)
    value /= step;
  std::string text;
  const char *format = unit == 0 ? "%.0f %s" : value < 10 ? "%.2f %s" : "%.1f %s";
  llvm::raw_string_ostream(text) << llvm::format(format, value, units[unit]);
  return text;
}

std::string byteText(int64_t bytes) {
  return inUnits(double(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string timeText(int64_t nanoseconds) {
  return inUnits(double(nanoseconds), 1000, {"ns", "us", "ms", "s"});
}

std::string shortened(const std::string &text, size_t columns) {
  return columnsOf(text) <= columns ? text : text.substr(0, columns - 3) + "...";
}

} // namespace stoop::inspect
