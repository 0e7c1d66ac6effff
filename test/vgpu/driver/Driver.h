// The state of the virtual driver: work waiting to run, streams, graphs, modules, the sticky error, fault injection.
// Work is deferred until the host waits for it; then what is ready runs in a seeded order, and a programmatic launch
// starts before its primary has ended. So a missing dependency shows, and is reported whatever the order was.
#pragma once
#include "test/vgpu/driver/CudaApi.h"
#include "test/vgpu/exec/Grid.h"
#include <functional>
#include <map>
#include <optional>
#include <memory>
#include <set>

namespace vgpu {
/// One piece of work: of a stream, or a node of a graph.
struct Node {
  enum class Kind { Empty, Kernel, Copy, Fill, Host, Free } kind = Kind::Empty;
  Launch launch;
  u64 to = 0, from = 0, count = 0; // Copy: bytes; Fill: elements; Free: `to`
  bool toHost = false, fromHost = false;
  std::vector<u8> staged;          // Copy from pageable host memory: the bytes as they were at the call
  u32 pattern = 0, patternBytes = 1;
  CUhostFn function = nullptr;
  void *data = nullptr;
  std::vector<size_t> dependencies; // in a graph: indices of nodes
  bool programmatic = false;        // the edge from its only dependency is a programmatic one
};

class Scheduler {
public:
  /// Queues work that depends on tasks `dependencies`; returns its id.
  u64 enqueue(const Node &node, const std::vector<u64> &dependencies);
  /// Runs the tasks and all they depend on; afterwards everything enqueued later is ordered after them.
  void wait(const std::vector<u64> &tasks);
  void waitAll();
  bool isPending(u64 task) const { return pending.count(task); }
  void clear();
  u64 instructions = 0;

private:
  struct Task {
    Node node;
    std::set<u64> dependencies;
    std::unique_ptr<GridRun> run; // a programmatic launch that has started
  };
  /// What a task is ordered after: from its start, in its later part, and what its end implies.
  struct Orders {
    LaunchOrder start, full, end;
    bool kernel = false, programmatic = false, triggersEarly = false;
  };
  void execute(u64 id);
  void executeCopy(const Node &node, u64 id);
  /// Pending launches that may start before task `primary` has ended.
  std::vector<u64> secondariesOf(u64 primary) const;
  GridRun &runOf(u64 id);
  std::set<u64> left; // of the tasks that are being waited for
  std::map<u64, Task> pending;
  std::map<u64, Orders> orders;
  LaunchOrder synchronized;
  u64 nextId = 1;
  std::mt19937_64 rng{1};
};

class Driver {
public:
  static Driver &get();
  /// Called first by every entry point: counts it, injects a fault, reports a sticky error. 0 to go on.
  CUresult enter(const char *call);
  /// Findings become a sticky error.
  CUresult harvest();
  CUresult wait(const std::vector<u64> &tasks);
  CUresult waitAll();
  /// Puts work into a stream, or into the graph that is being captured from it.
  CUresult push(CUstream stream, Node node);
  std::vector<u64> lastOf(CUstream stream);
  CUstream resolve(CUstream stream); // the legacy stream for null

  Scheduler scheduler;
  CUresult sticky = CUDA_SUCCESS;
  bool initialized = false;
  std::set<CUstream> streams;
  std::set<CUevent> events;
  std::set<CUgraph> graphs;
  std::set<CUgraphExec> graphExecs;
  std::set<CUmodule> modules;
  std::map<u64, u64> hostAllocations;
  std::string findings;
  u64 calls = 0, failAt = 0;
  std::string failEach;                    // a folder: each call also fails, in a copy of the process that reports there
  u64 moduleBytes = 0, graphNodeBytes = 0; // of device memory that the driver itself takes for each
  bool hasContract = false;
  std::vector<Slice> contract;
  std::vector<std::unique_ptr<std::string>> names;

private:
  Driver();
  bool failsInACopy(const char *call);
};
u32 maxSharedOptIn();
} // namespace vgpu

struct CUgraph_st {
  std::vector<vgpu::Node> nodes;
};
struct CUgraphExec_st {
  CUgraph_st graph;
  vgpu::u64 memory = 0; // that the driver has taken for it; 0: not uploaded
};
struct CUevent_st {
  bool recorded = false;
  std::vector<vgpu::u64> tasks;                  // what it waits for
  std::optional<vgpu::u64> instructions;         // executed when it was first waited for: its time
  CUgraph capture = nullptr;                     // recorded while capturing: nodes of that graph
  std::vector<size_t> nodes;
};
struct CUstream_st {
  bool nonBlocking = false;
  std::vector<vgpu::u64> last;                   // tasks that the next one depends on
  CUgraph capture = nullptr;
  bool captureOrigin = false;
  std::vector<size_t> captureLast;
};
struct CUfunc_st {
  std::shared_ptr<const vgpu::Program> program;
  int maxDynamicShared = 48 * 1024;
  bool hasOptedIn = false; // to more than 48 KiB, static ones included
};
struct CUmod_st {
  std::map<std::string, CUfunc_st> functions;
  std::map<std::string, std::pair<vgpu::u64, vgpu::u64>> variables; // address, bytes
  vgpu::u64 memory = 0;                                             // that the driver has taken for its code
};

/// Opens every entry point.
#define VGPU_ENTER(name)                                                                                                       \
  if (CUresult error = vgpu::Driver::get().enter(name))                                                                        \
  return error
