//===- Html.cpp - a report as one offline page ----------------------------===//
//
// The page is page/report.html with style, script and data in the places of its marks. The data is
// JSON in a script element, where `<` alone could end it: it is written as its escape.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Html.h"

#include "compiler/inspect/Diff.h"

extern "C" const char stoop_report_html[], stoop_report_html_end[];
extern "C" const char stoop_report_css[], stoop_report_css_end[];
extern "C" const char stoop_report_js[], stoop_report_js_end[];

namespace stoop::inspect {

static std::string dataText(const json::Object &report, const json::Object *base) {
  json::Object data{{"report", json::Object(report)}};
  if (base) {
    data["base"] = json::Object(*base);
    data["diff"] = diffReports(*base, report);
  }
  std::string text, escaped;
  llvm::raw_string_ostream(text) << json::Value(std::move(data));
  for (char c : text)
    escaped += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return escaped;
}

void writeHtml(const json::Object &report, const json::Object *base, llvm::raw_ostream &out) {
  llvm::StringRef page(stoop_report_html, stoop_report_html_end - stoop_report_html);
  llvm::StringRef style(stoop_report_css, stoop_report_css_end - stoop_report_css);
  llvm::StringRef script(stoop_report_js, stoop_report_js_end - stoop_report_js);
  std::string data = dataText(report, base);
  const std::pair<llvm::StringRef, llvm::StringRef> marks[] = {
      {"/*STYLE*/", style}, {"/*DATA*/", data}, {"/*SCRIPT*/", script}};
  for (auto [mark, text] : marks) {
    auto [before, after] = page.split(mark);
    out << before << text;
    page = after;
  }
  out << page;
}

} // namespace stoop::inspect
