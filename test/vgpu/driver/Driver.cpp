// Streams as queues and captures, faults, the sticky error, and the hooks for tests.
#include "test/vgpu/driver/Driver.h"
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/driver/Hooks.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace vgpu {
namespace {
CUstream_st legacyStream;
u64 environment(const char *name, u64 fallback) {
  const char *value = getenv(name);
  return value && *value ? strtoull(value, nullptr, 0) : fallback;
}
bool contains(const char *text, const char *part) { return strstr(text, part) != nullptr; }
} // namespace

/// Tells at the end of the process what a program has left behind.
static void reportLive() {
  const StoopVgpuLive live = stoopVgpuLive();
  if (live.allocations + live.hostAllocations + live.modules + live.streams + live.events + live.graphs + live.graphExecs)
    fprintf(stderr, "vgpu: left behind: %zu allocations, %zu host allocations, %zu modules, %zu streams, %zu events, %zu graphs, %zu executables\n",
            live.allocations, live.hostAllocations, live.modules, live.streams, live.events, live.graphs, live.graphExecs);
}

static void reportPeak() { fprintf(stderr, "vgpu: at most %llu bytes were allocated\n", static_cast<unsigned long long>(DeviceMemory::get().mostBytes())); }

Driver::Driver() {
  Options &o = Options::get();
  if (environment("STOOP_VGPU_LEAKS", 0))
    atexit(reportLive);
  if (environment("STOOP_VGPU_PEAK", 0))
    atexit(reportPeak);
  o.arch = static_cast<u32>(environment("STOOP_VGPU_ARCH", o.arch));
  o.driverVersion = static_cast<u32>(environment("STOOP_VGPU_DRIVER", o.driverVersion));
  o.multiprocessors = static_cast<u32>(environment("STOOP_VGPU_SMS", o.multiprocessors));
  o.seed = environment("STOOP_VGPU_SEED", o.seed);
  o.checks = environment("STOOP_VGPU_CHECKS", 1) != 0;
  o.spinRounds = static_cast<u32>(environment("STOOP_VGPU_SPIN_ROUNDS", o.spinRounds));
  o.blockInstructions = environment("STOOP_VGPU_BLOCK_INSTRUCTIONS", o.blockInstructions);
  failAt = environment("STOOP_VGPU_FAIL_AT", 0);
  if (const char *folder = getenv("STOOP_VGPU_FAIL_EACH"))
    failEach = folder;
  moduleBytes = environment("STOOP_VGPU_MODULE_BYTES", 0);
  graphNodeBytes = environment("STOOP_VGPU_GRAPH_NODE_BYTES", 0);
  DeviceMemory::get().capacity = environment("STOOP_VGPU_MEMORY", DeviceMemory::get().capacity);
}

Driver &Driver::get() {
  static Driver driver;
  return driver;
}

/// Copies the process and waits for the copy, in which the call fails: what that prints and how it ends is in the folder,
/// as N.out, N.err and a line "N CALL EXIT-CODE" of `results` (128 and more: the signal that killed it). True in the copy.
bool Driver::failsInACopy(const char *call) {
  constexpr unsigned mostSeconds = 60; // one that hangs is killed
  fflush(nullptr);
  const pid_t copy = fork();
  const std::string name = failEach + "/" + std::to_string(calls);
  if (copy == 0) {
    failEach.clear();
    for (const auto &[end, stream] : {std::pair(".out", STDOUT_FILENO), std::pair(".err", STDERR_FILENO)}) {
      const int file = open((name + end).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (file < 0 || dup2(file, stream) < 0)
        _exit(127);
      close(file);
    }
    alarm(mostSeconds);
    return true;
  }
  int status = 0;
  const bool isDone = copy > 0 && waitpid(copy, &status, 0) == copy;
  const int code = !isDone ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::ofstream(failEach + "/results", std::ios::app) << calls << " " << call << " " << code << "\n";
  return false;
}

CUresult Driver::enter(const char *call) {
  if (Counters::get().isOn)
    Counters::get().call(call);
  ++calls;
  if (calls == failAt || (!failEach.empty() && failsInACopy(call))) {
    bool allocates = contains(call, "Alloc") || contains(call, "Create") || contains(call, "Load") || contains(call, "Instantiate");
    bool runs = contains(call, "Launch") || contains(call, "Synchronize");
    return allocates ? CUDA_ERROR_OUT_OF_MEMORY : runs ? CUDA_ERROR_LAUNCH_FAILED : CUDA_ERROR_UNKNOWN;
  }
  bool early = contains(call, "cuInit") || contains(call, "cuDriverGetVersion") || contains(call, "cuGet");
  if (!initialized && !early)
    return CUDA_ERROR_NOT_INITIALIZED;
  bool cleansUp = contains(call, "Destroy") || contains(call, "Free") || contains(call, "Unload") || contains(call, "Unregister") || contains(call, "Release") ||
                  contains(call, "Device") || early;
  return cleansUp ? CUDA_SUCCESS : sticky;
}

CUresult Driver::harvest() {
  Report &report = Report::get();
  if (report.empty())
    return sticky;
  fprintf(stderr, "vgpu: %s", report.text().c_str());
  findings += report.text();
  sticky = static_cast<CUresult>(findingError(report.items().front().kind));
  report.clear();
  scheduler.clear(); // nothing runs after a device error
  return sticky;
}

CUresult Driver::wait(const std::vector<u64> &tasks) {
  scheduler.wait(tasks);
  return harvest();
}
CUresult Driver::waitAll() {
  scheduler.waitAll();
  return harvest();
}

CUstream Driver::resolve(CUstream stream) {
  return !stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD ? &legacyStream : stream;
}

/// What new work in the stream depends on. The legacy stream waits for all blocking streams, and they for it.
std::vector<u64> Driver::lastOf(CUstream stream) {
  std::vector<u64> last = stream->last;
  if (stream == &legacyStream) {
    for (CUstream other : streams)
      if (!other->nonBlocking && !other->capture)
        last.insert(last.end(), other->last.begin(), other->last.end());
  } else if (!stream->nonBlocking)
    last.insert(last.end(), legacyStream.last.begin(), legacyStream.last.end());
  std::sort(last.begin(), last.end());
  last.erase(std::unique(last.begin(), last.end()), last.end());
  if (stream != &legacyStream && !stream->last.empty() && !legacyStream.last.empty() && !scheduler.isPending(legacyStream.last[0]))
    last = stream->last; // done already; keeps the single dependency that a programmatic launch needs
  return last;
}

CUresult Driver::push(CUstream handle, Node node) {
  CUstream stream = resolve(handle);
  if (stream->capture) {
    if (node.kind == Node::Kind::Free)
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    node.dependencies = stream->captureLast;
    stream->capture->nodes.push_back(std::move(node));
    stream->captureLast = {stream->capture->nodes.size() - 1};
    return CUDA_SUCCESS;
  }
  stream->last = {scheduler.enqueue(node, lastOf(stream))};
  return CUDA_SUCCESS;
}
} // namespace vgpu

using vgpu::Driver;
extern "C" {
void stoopVgpuNextLaunch(const StoopVgpuSlice *slices, size_t count) {
  Driver &d = Driver::get();
  d.hasContract = true;
  d.contract.clear();
  for (size_t i = 0; i < count; ++i)
    d.contract.push_back({slices[i].begin, slices[i].begin + slices[i].bytes, (slices[i].access & 1) != 0, (slices[i].access & 2) != 0,
                          slices[i].name ? slices[i].name : ""});
  std::sort(d.contract.begin(), d.contract.end(), [](const auto &a, const auto &b) { return a.begin < b.begin; });
}
const char *stoopVgpuFindings(void) {
  static std::string text;
  text = std::move(Driver::get().findings);
  Driver::get().findings.clear();
  return text.c_str();
}
void stoopVgpuReset(void) {
  Driver &d = Driver::get();
  d.scheduler.clear();
  for (CUstream s : d.streams)
    s->last.clear();
  d.resolve(nullptr)->last.clear();
  d.sticky = CUDA_SUCCESS;
  d.findings.clear();
  vgpu::Report::get().clear();
}
StoopVgpuLive stoopVgpuLive(void) {
  Driver &d = Driver::get();
  const vgpu::DeviceMemory &m = vgpu::DeviceMemory::get();
  return {m.liveAllocations(), d.hostAllocations.size(), d.modules.size(), d.streams.size(), d.events.size(), d.graphs.size(),
          d.graphExecs.size(), m.usedBytes()};
}
uint64_t stoopVgpuCalls(void) { return Driver::get().calls; }
void stoopVgpuFailAt(uint64_t call) {
  Driver::get().calls = 0;
  Driver::get().failAt = call;
}
void stoopVgpuSeed(uint64_t seed) { vgpu::Options::get().seed = seed; }
void stoopVgpuCount(int isOn) {
  vgpu::Counters::get().clear();
  vgpu::Counters::get().isOn = isOn;
}
const char *stoopVgpuCounts(void) {
  static std::string text;
  text = vgpu::Counters::get().text();
  return text.c_str();
}
uint64_t stoopVgpuInstructions(void) { return Driver::get().scheduler.instructions; }
}
