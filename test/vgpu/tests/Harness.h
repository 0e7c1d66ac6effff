// What the tests share: kernels from PTX text or a committed input, device buffers, launches without the driver.
#pragma once
#include "test/vgpu/exec/Grid.h"
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace vgpu::test {
inline std::string readInput(const std::string &name) {
  std::ifstream file(std::string(STOOP_SOURCE_DIR) + "/test/vgpu/inputs/" + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Device memory that is freed with the object.
class Buffer {
public:
  explicit Buffer(u64 bytes) : bytes(bytes), address(DeviceMemory::get().allocate(bytes)) { EXPECT_NE(address, 0u); }
  template <class T> explicit Buffer(const std::vector<T> &values) : Buffer(values.size() * sizeof(T)) {
    DeviceMemory::get().write(address, values.data(), bytes);
  }
  Buffer(const Buffer &) = delete;
  ~Buffer() {
    GlobalRaces::get().forget(address, bytes);
    DeviceMemory::get().release(address);
  }
  template <class T> std::vector<T> read() const {
    std::vector<T> values(bytes / sizeof(T));
    DeviceMemory::get().read(values.data(), address, values.size() * sizeof(T));
    return values;
  }
  const u64 bytes, address;
};

/// Module-scope variables placed in device memory, entries decoded.
class Kernels {
public:
  explicit Kernels(const std::string &text) : module(std::make_shared<Module>(parseModule(text))) {
    for (const Variable &v : module->variables) {
      if (v.space == "shared")
        continue;
      variables.push_back(std::make_unique<Buffer>(std::max<u64>(v.size, 1)));
      std::vector<u8> init = v.init;
      init.resize(v.size);
      DeviceMemory::get().write(variables.back()->address, init.data(), init.size());
      symbols[v.name] = variables.back()->address;
    }
  }
  std::shared_ptr<const Program> get(const std::string &name) {
    auto it = module->functions.find(name);
    if (it == module->functions.end())
      throw std::runtime_error("no kernel " + name);
    return std::make_shared<const Program>(decode(module, it->second, symbols));
  }
  std::shared_ptr<const Module> module;

private:
  std::vector<std::unique_ptr<Buffer>> variables;
  SymbolTable symbols;
};

/// Kernel arguments, laid out as the parameters are.
template <class... Args> std::vector<u8> packArgs(const Program &program, const Args &...args) {
  EXPECT_EQ(sizeof...(args), program.params.size());
  std::vector<u8> bytes(program.paramBytes);
  size_t i = 0;
  auto one = [&](const auto &value) {
    EXPECT_EQ(sizeof(value), program.params[i].size) << "parameter " << i;
    memcpy(&bytes[program.paramOffsets[i]], &value, sizeof(value));
    ++i;
  };
  (one(args), ...);
  return bytes;
}

inline u64 nextLaunchId() {
  static u64 id = 1;
  return id++;
}

template <class... Args>
Launch makeLaunch(std::shared_ptr<const Program> program, u32 blocks, u32 threads, u32 shared, const Args &...args) {
  Launch launch;
  launch.program = program;
  launch.grid = {blocks, 1, 1};
  launch.block = {threads, 1, 1};
  launch.dynamicShared = shared;
  launch.params = packArgs(*program, args...);
  launch.id = nextLaunchId();
  launch.order = launch.orderAfterWait = LaunchOrder::everythingBefore(launch.id);
  return launch;
}

/// Each test starts without findings and ends with them looked at.
class VgpuTest : public testing::Test {
protected:
  void SetUp() override {
    Report::get().clear();
    Options::get() = Options();
  }
  /// Fails the test with the findings, if there are any.
  void expectClean() {
    EXPECT_TRUE(Report::get().empty()) << Report::get().text();
    Report::get().clear();
  }
  void expectFinding(Finding kind) {
    EXPECT_TRUE(Report::get().has(kind)) << "expected '" << findingName(kind) << "', found:\n" << Report::get().text();
    Report::get().clear();
  }
  std::mt19937_64 rng{20240229};
};
} // namespace vgpu::test
