//===- Text.h - aligned and coloured text -----------------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_TEXT_H
#define STOOP_COMPILER_INSPECT_TEXT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <string>
#include <vector>

namespace stoop::inspect {

/// Text from a checkpoint or report as a terminal may see it: control characters and what is no
/// UTF-8 as escapes (\x1b), but for those in `kept`.
std::string printable(llvm::StringRef text, llvm::StringRef kept = "");

/// How text is meant; shown as colour on terminals alone.
enum class Tone { Plain, Heading, Dim, Good, Bad };

/// What text is written to; `printable` text whatever it is given.
struct TextOutput {
  llvm::raw_ostream &stream;
  bool color = false;

  /// Standard output; colour if it is a terminal and NO_COLOR is not set.
  static TextOutput standard();
  void write(llvm::StringRef text, Tone tone = Tone::Plain) const;
  void line(llvm::StringRef text, Tone tone = Tone::Plain) const;
};

/// Rows of cells, padded to the widest of their column. Cells that begin with `>` are aligned to
/// the right, without it.
class Table {
public:
  void add(std::vector<std::string> cells, Tone tone = Tone::Plain) {
    for (std::string &cell : cells) // columns are counted of what is shown
      cell = printable(cell);
    rows.push_back({std::move(cells), tone});
  }
  bool empty() const { return rows.empty(); }
  /// Prints the rows, each behind `indent`, two blanks between columns.
  void print(const TextOutput &out, llvm::StringRef indent = "  ") const;

private:
  struct Row {
    std::vector<std::string> cells;
    Tone tone;
  };
  std::vector<Row> rows;
};

/// Digits in groups of three: 11 583 592.
std::string grouped(int64_t value);
/// 1.5 KiB, 25.8 MiB.
std::string byteText(int64_t bytes);
/// 27 ns, 5.2 us, 0.32 ms.
std::string timeText(int64_t nanoseconds);
/// Columns that a text takes on a terminal.
size_t columnsOf(llvm::StringRef text);
/// At most `columns` of a text, its end cut.
std::string shortened(const std::string &text, size_t columns);

} // namespace stoop::inspect

#endif
