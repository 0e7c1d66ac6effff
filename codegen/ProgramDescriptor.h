//===- ProgramDescriptor.h - stoop_program_desc as an object -----*- C++ -*-===//
//
// Turns a program with its code into the constant data of abi.h that the runtime reads: arenas,
// kernels, entries, launches and the facts of the model. Target-neutral but for the host format
// (x86-64 ELF).
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PROGRAMDESCRIPTOR_H
#define STOOP_CODEGEN_PROGRAMDESCRIPTOR_H

#include "ir/plan/PlanOps.h"
#include "llvm/ADT/SmallVector.h"

namespace stoop::codegen {

/// An object that defines stoop_program_query and refers to the kernels' functions; `hasTokenizer`:
/// a tokenizer blob lies in the payload. `program` has passed the gate of phase binaries. The model's facts come from its metadata: name, vocab,
/// max_positions, max_batch, eos, bos, num_token_ids, temperature, top_k, top_p, min_p,
/// repetition_penalty; a missing vocab, max_positions or max_batch is an error.
mlir::FailureOr<llvm::SmallVector<char, 0>> emitProgramDescriptor(plan::ProgramOp program,
                                                                  bool hasTokenizer);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_PROGRAMDESCRIPTOR_H
