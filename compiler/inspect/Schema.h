//===- Schema.h - JSON against the schema of reports ------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_SCHEMA_H
#define STOOP_COMPILER_INSPECT_SCHEMA_H

#include "llvm/Support/JSON.h"

namespace stoop::inspect {

/// Where `report` is not what passes/report/report.schema.json says, as one message: the place, what
/// is expected there and what is there. Keys that the schema does not know are those of a newer
/// stoop and no error.
llvm::Error checkAgainstSchema(const llvm::json::Object &report);

} // namespace stoop::inspect

#endif
