// Runs deferred work in a seeded topological order and knows which work is ordered after which.
// A launch that may end without griddepcontrol.wait promises nothing about what its primary waited for.
#include "test/vgpu/driver/Driver.h"
#include <cstring>

namespace vgpu {
u64 Scheduler::enqueue(const Node &node, const std::vector<u64> &dependencies) {
  if (nextId % 65536 == 0) { // ids in access histories have 16 bits: start afresh
    waitAll();
    GlobalRaces::get().forget();
  }
  u64 id = nextId++;
  Task task;
  task.node = node;
  Orders o;
  o.start = o.full = synchronized;
  o.kernel = node.kind == Node::Kind::Kernel;
  o.programmatic = o.kernel && node.programmatic && dependencies.size() == 1 && orders.count(dependencies[0]) && orders[dependencies[0]].kernel;
  if (o.kernel)
    o.triggersEarly = node.launch.program->triggersEarly;
  for (u64 d : dependencies) {
    if (pending.count(d))
      task.dependencies.insert(d);
    auto it = orders.find(d);
    if (it == orders.end())
      continue;
    o.full.join(it->second.end);
    o.start.join(!o.programmatic ? it->second.end : it->second.programmatic && it->second.triggersEarly ? it->second.start : it->second.full);
  }
  o.end = o.programmatic && node.launch.program->endWithoutWait ? o.start : o.full;
  o.end.add(id);
  if (o.kernel) {
    task.node.launch.id = id;
    task.node.launch.order = o.start;
    task.node.launch.orderAfterWait = o.full;
    task.node.launch.programmatic = o.programmatic;
  }
  orders[id] = std::move(o);
  pending[id] = std::move(task);
  return id;
}

std::vector<u64> Scheduler::secondariesOf(u64 primary) const {
  std::vector<u64> ids;
  for (const auto &[id, task] : pending)
    if (id != primary && left.count(id) && !task.run && task.node.kind == Node::Kind::Kernel && task.node.launch.programmatic &&
        task.dependencies == std::set<u64>{primary})
      ids.push_back(id);
  return ids;
}

/// The run of a launch, which has those behind it start when they may.
GridRun &Scheduler::runOf(u64 id) {
  Task &task = pending[id];
  if (task.run)
    return *task.run;
  const Launch &launch = task.node.launch;
  if (const Instruction *end = launch.program->endWithoutWait; end && launch.programmatic && Options::get().checks)
    Report::get().add(Finding::GridControl, launch.program->name, end->line,
                      "a launch that may start before the one in front of it has ended can end without griddepcontrol.wait, so nobody "
                      "behind it knows that one to have ended [" + launch.program->name + ", " + launch.program->where(*end) + "]");
  std::function<void()> startSecondaries;
  if (!secondariesOf(id).empty())
    startSecondaries = [this, id] {
      for (u64 secondary : secondariesOf(id))
        runOf(secondary).runPrologue();
    };
  task.run = std::make_unique<GridRun>(launch, startSecondaries);
  return *task.run;
}

void Scheduler::executeCopy(const Node &node, u64 id) {
  DeviceMemory &memory = DeviceMemory::get();
  const bool fill = node.kind == Node::Kind::Fill;
  const u64 bytes = fill ? node.count * node.patternBytes : node.count;
  const std::string what = fill ? "memset" : "memcpy";
  auto allocated = [&](u64 address) {
    if (memory.isAllocated(address, bytes))
      return true;
    Report::get().add(Finding::OutOfBounds, what, 0,
                      what + " of " + std::to_string(bytes) + " bytes at " + hexAddress(address) + ", " + memory.describe(address));
    return false;
  };
  const bool hasStaged = !node.staged.empty();
  if ((!node.toHost && !allocated(node.to)) || (!fill && !node.fromHost && !hasStaged && !allocated(node.from)))
    return;
  const LaunchOrder &order = orders[id].full;
  if (Options::get().checks && !fill && !node.fromHost && !hasStaged)
    GlobalRaces::get().accessNode(id, order, what, node.from, bytes, false);
  if (Options::get().checks && !node.toHost)
    GlobalRaces::get().accessNode(id, order, what, node.to, bytes, true);
  const void *host = hasStaged ? node.staged.data() : reinterpret_cast<const void *>(node.from);
  if (fill)
    memory.fill(node.to, &node.pattern, node.patternBytes, node.count);
  else if (node.toHost && (node.fromHost || hasStaged))
    memcpy(reinterpret_cast<void *>(node.to), host, bytes);
  else if (node.toHost)
    memory.read(reinterpret_cast<void *>(node.to), node.from, bytes);
  else if (node.fromHost || hasStaged)
    memory.write(node.to, host, bytes);
  else
    memory.copy(node.to, node.from, bytes);
}

void Scheduler::execute(u64 id) {
  Task &task = pending[id];
  switch (task.node.kind) {
  case Node::Kind::Kernel:
    runOf(id).finish();
    instructions += task.run->instructions();
    break;
  case Node::Kind::Copy:
  case Node::Kind::Fill: executeCopy(task.node, id); break;
  case Node::Kind::Host: task.node.function(task.node.data); break;
  case Node::Kind::Free: DeviceMemory::get().release(task.node.to); break;
  case Node::Kind::Empty: break;
  }
  pending.erase(id);
  for (auto &[other, waiting] : pending)
    waiting.dependencies.erase(id);
}

void Scheduler::wait(const std::vector<u64> &tasks) {
  std::set<u64> wanted;
  std::vector<u64> stack(tasks);
  while (!stack.empty()) {
    u64 id = stack.back();
    stack.pop_back();
    auto it = pending.find(id);
    if (it != pending.end() && wanted.insert(id).second)
      stack.insert(stack.end(), it->second.dependencies.begin(), it->second.dependencies.end());
  }
  rng.seed(Options::get().seed * 77 + nextId);
  left = wanted;
  while (!left.empty() && Report::get().empty()) {
    std::vector<u64> ready;
    for (u64 id : left)
      if (pending[id].dependencies.empty())
        ready.push_back(id);
    u64 id = ready[rng() % ready.size()];
    execute(id);
    left.erase(id);
  }
  for (u64 id : tasks)
    if (auto it = orders.find(id); it != orders.end())
      synchronized.join(it->second.end);
  while (!synchronized.before.empty() && synchronized.before.front()) {
    synchronized.before.erase(synchronized.before.begin());
    ++synchronized.base;
  }
  if (pending.empty()) { // all ids so far are in order
    synchronized = LaunchOrder::everythingBefore(nextId);
    orders.clear();
  }
}

void Scheduler::waitAll() {
  std::vector<u64> all;
  for (const auto &[id, task] : pending)
    all.push_back(id);
  wait(all);
}

void Scheduler::clear() {
  pending.clear();
  orders.clear();
  synchronized = LaunchOrder::everythingBefore(nextId);
}
} // namespace vgpu
