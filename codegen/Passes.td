//===- Passes.td - passes of phase binaries -----------------*- tablegen -*-===//
#ifndef STOOP_CODEGEN_PASSES_TD
#define STOOP_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitBinaries : Pass<"plan-emit-binaries", "::stoop::plan::ProgramOp"> {
  let summary = "compile every kernel of a program";
  let description = [{
    Adds a `plan.binary` for each kernel and architecture: the program's target compiles the kernel's body with its
    schedule's template. Kernels that become the same code share a binary. Reads decisions, makes none.

    Example: test/codegen/cpu/plan-emit-binaries.mlir
  }];
  let options = [
    Option<"architectures", "architectures", "std::string", "\"host\"",
           "comma list of CPU names or feature levels (for target cpu), as --target-cpu takes them">,
    Option<"numThreads", "threads", "unsigned", "0", "compilations at a time; 0: one per processor">
  ];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def VerifyBinaries : Pass<"plan-verify-binaries", "::stoop::plan::ProgramOp"> {
  let summary = "gate of phase binaries";
  let description = [{
    Fails unless every kernel has exactly one binary for each architecture that appears in the program, every binary names
    kernels that exist, and its object defines their functions and needs nothing from outside.

    Example: test/codegen/cpu/plan-verify-binaries.mlir
  }];
}

def SizeThreads : Pass<"plan-size-threads", "::stoop::plan::ProgramOp"> {
  let summary = "what is taken beside the arenas, by each thread or by the device";
  let description = [{
    Writes on the program `workspace_bytes`, the scratch that the program's kernels need on their target, and
    `stack_bytes`, the stack of each thread but the caller's; with the option also `max_threads`, more than which the
    program refuses to start. A program takes its arenas that are not constant, a workspace per thread and a stack per
    thread but one, and nothing else that the plan decides. On a target that starts no threads `stack_bytes` is 0 and the
    workspace is taken once, on the device; `modules_bytes` and `graphs_bytes` are what its driver is expected to take there
    for code and graphs, `cuda_version` the compiler that is going to make the code, if it is here. With the option
    `architectures`, fails where one of them cannot run a launch.

    Example: test/codegen/cpu/plan-size-threads.mlir
  }];
  let options = [
    Option<"maxThreads", "max-threads", "unsigned", "0", "most threads of the program; 0: no limit of its own">,
    Option<"architectures", "architectures", "std::string", "\"\"",
           "comma list that the launches are checked for, in the target's words; empty: none">
  ];
}

#endif // STOOP_CODEGEN_PASSES_TD
