//===- RegionGraph.cpp - an entry as ops in groups -----------------------===//
//
// Groups are kept in a topological order. To merge two, those between them that wait for the first
// move behind the merged group; if the second waits for one of them, the merge would be a cycle.
// Only the groups between the two are looked at, so that deep models cost no more per layer.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/RegionGraph.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace stoop::fusion {

RegionGraph::RegionGraph(lm::EntryOp entry) : entry(entry) {
  for (Operation &op : entry.getBody().front().without_terminator()) {
    auto fused = dyn_cast<lm::FusedOp>(op);
    Group group = addGroup();
    if (!fused) {
      addOp(&op, group);
      continue;
    }
    outlined[group] = true;
    Block &body = fused.getBody().front();
    for (auto [argument, input] : llvm::zip_equal(body.getArguments(), fused.getInputs()))
      standsFor[argument] = resolve(input);
    for (Operation &inner : body.without_terminator())
      addOp(&inner, group);
    for (auto [result, yielded] :
         llvm::zip_equal(fused.getResults(), body.getTerminator()->getOperands()))
      standsFor[result] = resolve(yielded);
  }
  for (Value returned : entry.getBody().front().getTerminator()->getOperands())
    if (Operation *op = producer(returned))
      nodes[indexOf.lookup(op)].returned = true;
  orderEffects();
}

RegionGraph::Group RegionGraph::addGroup() {
  Group group = groups.size();
  groups.emplace_back();
  outlined.push_back(false);
  rank.push_back(order.size());
  order.push_back(group);
  return group;
}

void RegionGraph::addOp(Operation *op, Group group) {
  unsigned index = nodes.size();
  flat.push_back(op);
  nodes.push_back({op, group, {}, false});
  indexOf[op] = index;
  groups[group].push_back(index);
  for (Value operand : op->getOperands())
    if (Operation *source = producer(operand)) {
      auto &next = nodes[indexOf.lookup(source)].next;
      if (!llvm::is_contained(next, index))
        next.push_back(index);
    }
}

/// A write stays between the accesses in front of it and behind it.
void RegionGraph::orderEffects() {
  std::optional<unsigned> write;
  SmallVector<unsigned> reads;
  for (unsigned index = 0; index < nodes.size(); ++index) {
    bool writes = hasEffect<MemoryEffects::Write>(flat[index]);
    if (!writes && !hasEffect<MemoryEffects::Read>(flat[index]))
      continue;
    if (write)
      nodes[*write].next.push_back(index);
    if (!writes) {
      reads.push_back(index);
      continue;
    }
    for (unsigned read : reads)
      nodes[read].next.push_back(index);
    reads.clear();
    write = index;
  }
}

Value RegionGraph::resolve(Value value) const {
  auto found = standsFor.find(value);
  return found == standsFor.end() ? value : found->second;
}

Operation *RegionGraph::columnsOf(Value value, SmallVectorImpl<Operation *> &views) const {
  Operation *op = producer(value);
  while (op && selectsColumns(op)) {
    views.push_back(op);
    op = producer(op->getOperand(0));
  }
  return op;
}

SmallVector<Operation *> RegionGraph::users(Operation *op) const {
  SmallVector<Operation *> found;
  for (unsigned next : nodes[indexOf.lookup(op)].next)
    if (llvm::any_of(flat[next]->getOperands(), [&](Value v) { return producer(v) == op; }))
      found.push_back(flat[next]);
  return found;
}

SmallVector<Operation *> RegionGraph::together(llvm::ArrayRef<Group> list) const {
  SmallVector<unsigned> indices;
  for (Group group : list)
    llvm::append_range(indices, groups[group]);
  llvm::sort(indices);
  auto ops = llvm::map_to_vector(indices, [&](unsigned index) { return flat[index]; });
  llvm::stable_sort(ops, [](Operation *a, Operation *b) { return stageOf(a) < stageOf(b); });
  return SmallVector<Operation *>(ops);
}

bool RegionGraph::hasLinear(Group group) const {
  return llvm::any_of(
      groups[group], [&](unsigned index) { return roleOf(flat[index]) == lm::FusionRole::Linear; });
}

SmallVector<Value> RegionGraph::escaping(llvm::ArrayRef<Operation *> ops) const {
  SmallVector<Value> values;
  for (Operation *op : ops) {
    SmallVector<Operation *> readers = users(op);
    bool escapes = nodes[indexOf.lookup(op)].returned || readers.empty();
    for (Operation *user : readers)
      escapes |= !llvm::is_contained(ops, user);
    if (escapes)
      llvm::append_range(values, op->getResults());
  }
  return values;
}

llvm::DenseMap<RegionGraph::Group, bool> RegionGraph::waiting(Group first, Group last,
                                                              Operation *&between) const {
  llvm::DenseMap<Group, bool> seen;
  SmallVector<Group> work{first};
  between = nullptr;
  while (!work.empty()) {
    Group group = work.pop_back_val();
    for (unsigned index : groups[group])
      for (unsigned next : nodes[index].next) {
        Group target = nodes[next].group;
        if (target == last && group != first)
          between = flat[index];
        if (rank[target] > rank[first] && rank[target] < rank[last] &&
            seen.try_emplace(target, true).second)
          work.push_back(target);
      }
  }
  return seen;
}

std::optional<Refusal> RegionGraph::refuse(Group a, Group b,
                                           llvm::ArrayRef<Operation *> views) const {
  if (rank[a] > rank[b])
    std::swap(a, b);
  llvm::SetVector<Group> list;
  list.insert(a);
  list.insert(b);
  for (Operation *view : views)
    list.insert(groupOf(view));
  SmallVector<Operation *> ops = together(list.getArrayRef());
  auto same = [&](Value value) { return resolve(value); };
  if (std::optional<GrammarError> error = checkRegion(ops, escaping(ops), same))
    return Refusal{(error->op->getName().getStringRef() + " " + error->text).str(),
                   "a region of another form: the grammar of lm.fused is the same for all targets"};
  Operation *between = nullptr;
  (void)waiting(a, b, between);
  if (between && !llvm::is_contained(ops, between))
    return Refusal{("one launch would wait for itself: " + between->getName().getStringRef() +
                    " comes between")
                       .str(),
                   (between->getName().getStringRef() +
                    " in the same launch; its own verdicts say why it is in another")
                       .str()};
  return std::nullopt;
}

void RegionGraph::merge(Group a, Group b) {
  if (rank[a] > rank[b])
    std::swap(a, b);
  Operation *between = nullptr;
  llvm::DenseMap<Group, bool> behind = waiting(a, b, between);
  assert(!between && "the caller has asked refuse()");
  SmallVector<Group> window;
  unsigned begin = rank[a], end = rank[b];
  for (bool waits : {false, true}) {
    for (unsigned place = begin + 1; place < end; ++place)
      if (behind.contains(order[place]) == waits)
        window.push_back(order[place]);
    if (!waits)
      window.push_back(a);
  }
  // The place of `b` stays in the order as an empty group, so that ranks keep their meaning.
  window.push_back(b);
  for (auto [place, group] : llvm::enumerate(window)) {
    order[begin + place] = group;
    rank[group] = begin + place;
  }
  SmallVector<unsigned, 4> both;
  std::merge(groups[a].begin(), groups[a].end(), groups[b].begin(), groups[b].end(),
             std::back_inserter(both));
  groups[a] = std::move(both);
  groups[b].clear();
  outlined[a] = true;
  for (unsigned index : groups[a])
    nodes[index].group = a;
}

void RegionGraph::emitRegion(Group group, OpBuilder &builder,
                             llvm::DenseMap<Value, Value> &values) {
  SmallVector<Operation *> ops = members(group);
  llvm::SetVector<Value> inputs;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (!llvm::is_contained(ops, producer(operand)))
        inputs.insert(resolve(operand));
  SmallVector<Value> results = escaping(ops), outside;
  for (Value input : inputs)
    outside.push_back(values.lookup(input));
  Location loc =
      builder.getFusedLoc(llvm::map_to_vector(ops, [](Operation *op) { return op->getLoc(); }));
  auto fused =
      lm::FusedOp::create(builder, loc, ValueRange(results).getTypes(), regionKind(ops), outside);
  Block &body = fused.getBody().emplaceBlock();
  OpBuilder inner = OpBuilder::atBlockEnd(&body);
  llvm::DenseMap<Value, Value> local;
  for (Value input : inputs)
    local[input] = body.addArgument(input.getType(), input.getLoc());
  for (Operation *op : ops) {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand, local.lookup(resolve(operand)));
    Operation *clone = inner.clone(*op, mapping);
    for (auto [old, result] : llvm::zip_equal(op->getResults(), clone->getResults()))
      local[old] = result;
  }
  lm::YieldOp::create(inner, loc,
                      llvm::map_to_vector(results, [&](Value v) { return local.lookup(v); }));
  for (auto [old, result] : llvm::zip_equal(results, fused.getResults()))
    values[old] = result;
}

void RegionGraph::rewrite() {
  Block &block = entry.getBody().front();
  Operation *terminator = block.getTerminator();
  SmallVector<Operation *> old;
  for (Operation &op : block.without_terminator())
    old.push_back(&op);
  OpBuilder builder(terminator);
  llvm::DenseMap<Value, Value> values;
  for (BlockArgument argument : block.getArguments())
    values[argument] = argument;
  for (Group group : order) {
    if (groups[group].empty())
      continue;
    if (outlined[group]) {
      emitRegion(group, builder, values);
      continue;
    }
    Operation *op = flat[groups[group].front()];
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand, values.lookup(resolve(operand)));
    Operation *clone = builder.clone(*op, mapping);
    for (auto [value, result] : llvm::zip_equal(op->getResults(), clone->getResults()))
      values[value] = result;
  }
  for (OpOperand &operand : terminator->getOpOperands())
    operand.set(values.lookup(resolve(operand.get())));
  for (Operation *op : llvm::reverse(old))
    op->erase();
}

} // namespace stoop::fusion
