//===- RegionGraph.h - an entry as ops in groups -------------------------===//
//
// The flat ops of an entry, looked at through the lm.fused that are there already, and a partition
// of them into groups. Passes merge groups; rewrite() turns the partition into lm.fused. A merge is
// possible if the groups can stand next to each other and together keep to the grammar, so that
// every partition that can be reached is a legal program of the same meaning.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_FUSION_REGIONGRAPH_H
#define STOOP_PASSES_FUSION_REGIONGRAPH_H

#include "passes/fusion/RegionGrammar.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace stoop::fusion {

/// Why ops do not share a launch.
struct Refusal {
  std::string reason; ///< the first predicate that failed, in words
  std::string remedy; ///< what would make them fuse
};

class RegionGraph {
public:
  using Group = unsigned;

  /// Ops outside of regions are groups of their own; so is each lm.fused.
  explicit RegionGraph(lm::EntryOp entry);

  /// All ops of the entry in program order, without lm.fused, its terminators and lm.return.
  llvm::ArrayRef<mlir::Operation *> ops() const { return flat; }

  /// The value that `value` stands for: an argument of the entry or a result of a flat op.
  mlir::Value resolve(mlir::Value value) const;
  /// The flat op that makes `value`, or null for an argument of the entry.
  mlir::Operation *producer(mlir::Value value) const { return resolve(value).getDefiningOp(); }
  /// The flat op of whose result `value` is all or some columns, or null; appends the views on the
  /// way to `views`.
  mlir::Operation *columnsOf(mlir::Value value,
                             llvm::SmallVectorImpl<mlir::Operation *> &views) const;
  /// Ops that read results of `op`, in program order.
  llvm::SmallVector<mlir::Operation *> users(mlir::Operation *op) const;

  Group groupOf(mlir::Operation *op) const { return nodes[indexOf.lookup(op)].group; }
  /// Ops of a group in the order that they have in a region.
  llvm::SmallVector<mlir::Operation *> members(Group group) const { return together(group); }
  bool hasLinear(Group group) const;
  /// Groups that come first in the schedule have lower numbers.
  unsigned position(Group group) const { return rank[group]; }
  /// Results of `ops` that something else than `ops` reads.
  llvm::SmallVector<mlir::Value> escaping(llvm::ArrayRef<mlir::Operation *> ops) const;
  /// Members of all groups in the order that they have in a region.
  llvm::SmallVector<mlir::Operation *> together(llvm::ArrayRef<Group> groups) const;

  /// Why two groups, together with `views` on the way from one to the other, cannot become one;
  /// nothing if they can.
  std::optional<Refusal> refuse(Group a, Group b,
                                llvm::ArrayRef<mlir::Operation *> views = {}) const;
  /// Makes one group of two, which refuse() must allow.
  void merge(Group a, Group b);
  /// Makes an lm.fused of the group even if it has one op.
  void outline(Group group) { outlined[group] = true; }

  /// Rebuilds the entry's body: groups of several ops and outlined ones become lm.fused. The graph
  /// is of no use afterwards.
  void rewrite();

private:
  struct Node {
    mlir::Operation *op;
    Group group;
    llvm::SmallVector<unsigned, 4> next; ///< nodes that have to come later
    bool returned = false;               ///< a result is one of the entry's
  };

  void addOp(mlir::Operation *op, Group group);
  Group addGroup();
  void orderEffects();
  /// Groups behind `first` and in front of `last`, exclusive, that wait for `first`; `between` is
  /// the op of such a group that `last` waits for, if any.
  llvm::DenseMap<Group, bool> waiting(Group first, Group last, mlir::Operation *&between) const;
  void emitRegion(Group group, mlir::OpBuilder &builder,
                  llvm::DenseMap<mlir::Value, mlir::Value> &values);

  lm::EntryOp entry;
  llvm::SmallVector<mlir::Operation *> flat;
  llvm::SmallVector<Node> nodes; ///< one per flat op
  llvm::DenseMap<mlir::Operation *, unsigned> indexOf;
  llvm::DenseMap<mlir::Value, mlir::Value> standsFor;
  llvm::SmallVector<llvm::SmallVector<unsigned, 4>> groups; ///< nodes of each, ascending
  llvm::SmallVector<bool> outlined;                         ///< by group
  llvm::SmallVector<Group> order;                           ///< topological
  llvm::SmallVector<unsigned> rank;                         ///< by group: place in `order`
};

} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_REGIONGRAPH_H
