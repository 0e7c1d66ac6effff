//===- MemoryClasses.cpp - what a program takes, by class ----------------===//
//
// Read from arenas and from what planning noted on the program; nothing is computed anew.
//
//===----------------------------------------------------------------------===//
#include "passes/report/MemoryClasses.h"

namespace stoop::report {

MemoryClasses MemoryClasses::of(plan::ProgramOp program) {
  MemoryClasses classes;
  auto bytesOf = [&](plan::Lifetime lifetime) -> int64_t & {
    switch (lifetime) {
    case plan::Lifetime::Constant:
      return classes.weights;
    case plan::Lifetime::Persistent:
      return classes.kv;
    case plan::Lifetime::Transient:
      return classes.activations;
    case plan::Lifetime::Io:
      return classes.io;
    }
    llvm_unreachable("all lifetimes are classes");
  };
  for (plan::ArenaOp arena : program.getOps<plan::ArenaOp>())
    bytesOf(arena.getLifetime()) += int64_t(arena.getSize());
  auto noted = [&](llvm::StringRef name) -> int64_t {
    auto bytes = program->getAttrOfType<mlir::IntegerAttr>(name);
    return bytes ? bytes.getInt() : 0;
  };
  classes.workspace = noted(plan::kWorkspaceAttrName);
  classes.stack = noted(plan::kStackAttrName);
  classes.modules = noted(plan::kModulesAttrName);
  classes.graphs = noted(plan::kGraphsAttrName);
  return classes;
}

std::optional<MemoryClasses> MemoryClasses::of(const llvm::json::Array &rows) {
  if (rows.empty())
    return std::nullopt;
  MemoryClasses classes;
  std::pair<llvm::StringRef, int64_t MemoryClasses::*> members[] = {
      {"weights", &MemoryClasses::weights},         {"kv", &MemoryClasses::kv},
      {"activations", &MemoryClasses::activations}, {"io", &MemoryClasses::io},
      {"workspace", &MemoryClasses::workspace},     {"stacks", &MemoryClasses::stack},
      {"modules", &MemoryClasses::modules},         {"graphs", &MemoryClasses::graphs}};
  for (const llvm::json::Value &row : rows)
    for (auto [name, member] : members)
      if (const llvm::json::Object *object = row.getAsObject();
          object && object->getString("class") == name)
        classes.*member = object->getInteger("bytes_per_thread")
                              .value_or(object->getInteger("bytes").value_or(0));
  return classes;
}

llvm::json::Array toJson(const MemoryClasses &classes) {
  using llvm::json::Object;
  const char *taken = classes.isPerThread() ? "bytes_per_thread" : "bytes";
  return llvm::json::Array{Object{{"class", "weights"}, {"bytes", classes.weights}},
                           Object{{"class", "kv"}, {"bytes", classes.kv}},
                           Object{{"class", "activations"}, {"bytes", classes.activations}},
                           Object{{"class", "io"}, {"bytes", classes.io}},
                           Object{{"class", "workspace"}, {taken, classes.workspace}},
                           Object{{"class", "stacks"}, {taken, classes.stack}},
                           Object{{"class", "code"}, {"bytes", nullptr}},
                           Object{{"class", "modules"}, {"bytes", classes.modules}},
                           Object{{"class", "graphs"}, {"bytes", classes.graphs}}};
}

} // namespace stoop::report
