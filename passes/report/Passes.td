//===- Passes.td - reports about programs --------------------*- tablegen -*-===//
#ifndef STOOP_PASSES_REPORT_PASSES_TD
#define STOOP_PASSES_REPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def DumpReport : Pass<"plan-dump-report", "::mlir::ModuleOp"> {
  let summary = "What a program is and what it needs, printed";
  let description = [{
    Prints the report of each plan.program as one JSON document: the same that `stoop inspect --format json` shows and
    that an executable carries as its manifest. Changes nothing.

    Example: test/passes/report/plan-dump-report.mlir
  }];
  let options = [
    Option<"format", "format", "std::string", "\"json\"", "json">,
    Option<"output", "output", "std::string", "\"-\"", "file to write; -: standard output">
  ];
}

#endif // STOOP_PASSES_REPORT_PASSES_TD
