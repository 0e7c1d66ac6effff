//===- CatalogTest.cpp - every catalog entry compiles at every level ------===//
//
// Compiles all ports of all templates for all levels, also those that this machine cannot run;
// specializeKernel checks the gates (no undefined symbol, no call, no tile spill). What this build
// has compiled before lies in the code cache.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuLevels.h"
#include "codegen/cpu/ObjectGates.h"
#include "kernels/common/params.h"
#include "stoop/abi.h"
#include "test/kernels/KernelHarness.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
/// A spec of plausible parameters for any port.
codegen::KernelSpec specFor(const kernels::KernelTemplate &kernel,
                            const kernels::KernelPort &port) {
  codegen::KernelSpec spec;
  if (kernel.name == "linear") {
    auto [ports, rows] = port.symbol.rsplit('_');
    int64_t count = 64;
    rows.getAsInteger(10, count);
    return linearSpec(ports.str(), {count, 100, 200, 200, 100, Element::F32});
  }
  if (kernel.name == "norm")
    spec = makeSpec(port.symbol.str(), kernels::NormParams{0, 1, 2, 3, 100, 100, 100, 64, 1e-5, {}});
  else if (kernel.name == "embedding")
    spec = makeSpec(port.symbol.str(), kernels::EmbeddingParams{0, 1, 2, 64, 64, 1000, 64, 0});
  else if (kernel.name == "rope")
    spec = makeSpec(port.symbol.str(), kernels::RopeParams{0, 1, 2, 3, 128, 128, 2, 64, 100, 64});
  else if (kernel.name == "kv_append")
    spec = makeSpec(port.symbol.str(),
                    kernels::KvAppendParams{0, 1, 2, 3, 4, 128, 128, 1, 2, 100, 64, 64});
  else if (kernel.name == "attention") {
    spec = makeSpec(port.symbol.str(), kernels::AttentionParams{0, 1, 2, 3, 4, 128, 128, 1, 2, 1,
                                                                100, 64, 64, 1, 0.125});
    spec.table = {0.5f, 0.25f};
  } else if (kernel.name == "gather_last")
    spec = makeSpec(port.symbol.str(), kernels::GatherLastParams{0, 1, 64, 64, 64});
  else if (port.symbol.contains("block_moments"))
    spec = makeSpec(port.symbol.str(), kernels::MomentsParams{0, 100, 100, 64, {kernels::kLayerNorm, 16, 1, 14}});
  else if (kernel.name == "elementwise" || kernel.name == "reduction")
    spec = makeSpec(port.symbol.str(), kernels::ElementwiseParams{64, 64});
  if (kernel.acceptsEpilogue || kernel.name == "reduction") // whose hook does everything
    spec.hooks = hookFromIr("");
  return spec;
}

TEST(Catalog, EveryEntryCompilesForEveryLevel) {
  unsigned compiled = 0;
  for (const kernels::KernelTemplate &kernel : kernels::kernelTemplates())
    for (const kernels::KernelPort &port : kernel.ports)
      for (const kernels::KernelLevel &level : kernels::kernelLevels()) {
        codegen::KernelSpec spec = specFor(kernel, port);
        ASSERT_FALSE(spec.params.empty())
            << "no parameters known for template " << kernel.name.str();
        auto object = codegen::specializeCached(spec, level, std::string("stoop_k0"));
        EXPECT_TRUE(bool(object)) << llvm::toString(object.takeError());
        ++compiled;
      }
  EXPECT_GE(compiled, kernels::kernelTemplates().size() * kernels::kernelLevels().size());
}

TEST(Catalog, PortsAreFoundByElements) {
  const kernels::KernelTemplate *linear = kernels::findTemplate("linear");
  ASSERT_NE(linear, nullptr);
  EXPECT_EQ(kernels::findPort(*linear, "bf16,f32,4")->symbol, "stoop_linear_bf16_f32_4");
  EXPECT_EQ(kernels::findPort(*linear, "f32,bf16,1"), nullptr);
  EXPECT_EQ(kernels::findTemplate("no_such"), nullptr);
}

TEST(Catalog, EqualSpecsShareCodeUnderTwoSymbols) {
  const kernels::KernelTemplate *entry = kernels::findTemplate("gather_last");
  auto object = codegen::specializeKernel(specFor(*entry, entry->ports[0]),
                                          kernels::kernelLevels()[0], {"stoop_k1", "stoop_k2"});
  ASSERT_TRUE(bool(object)) << llvm::toString(object.takeError());
  EXPECT_FALSE(codegen::checkSymbols(*object, {"stoop_k1", "stoop_k2"}));
  llvm::Error missing = codegen::checkSymbols(*object, {"stoop_k3"});
  EXPECT_EQ(llvm::toString(std::move(missing)), "kernel object does not define 'stoop_k3'");
}

TEST(Catalog, GateRefusesUndefinedSymbols) {
  const kernels::KernelTemplate *entry = kernels::findTemplate("elementwise");
  codegen::KernelSpec spec = specFor(*entry, entry->ports[0]);
  spec.hooks =
      hookFromIr("declare float @expf(float)\n"
                 "define void @stoop_hook(ptr %v, i64 %p, i64 %s, i64 %r, i64 %c, i64 %n, ptr %t, "
                 "ptr %b) {\n"
                 "  %x = load ptr, ptr %b\n  %a = load float, ptr %x\n"
                 "  %y = call float @expf(float %a)\n"
                 "  store float %y, ptr %x\n  ret void\n}\n");
  auto object =
      codegen::specializeKernel(spec, kernels::kernelLevels()[0], std::string("stoop_k0"));
  ASSERT_FALSE(bool(object));
  EXPECT_NE(llvm::toString(object.takeError()).find("undefined symbol 'expf'"), std::string::npos);
}

TEST(CpuLevels, NamesResolveToLevels) {
  auto levels = codegen::resolveTargetCpu("sapphirerapids,x86-64-v3,znver3");
  ASSERT_TRUE(bool(levels)) << llvm::toString(levels.takeError());
  ASSERT_EQ(levels->size(), 2u);
  EXPECT_EQ((*levels)[0]->name, "x86-64-v3");
  EXPECT_EQ((*levels)[1]->name, "amx");
  auto unknown = codegen::resolveTargetCpu("pentium");
  ASSERT_FALSE(bool(unknown));
  EXPECT_NE(
      llvm::toString(unknown.takeError()).find("unknown CPU 'pentium'; known are host, x86-64-v3"),
      std::string::npos);
  for (const codegen::CpuName &cpu : codegen::cpuNames())
    EXPECT_NE(kernels::findLevel(cpu.level), nullptr) << cpu.name.str();
}

TEST(CpuLevels, BestLevelNeedsAllItsFeatures) {
  EXPECT_EQ(codegen::bestLevel(0), nullptr);
  EXPECT_EQ(codegen::bestLevel(STOOP_CPU_AVX2)->name, "x86-64-v3");
  EXPECT_EQ(codegen::bestLevel(STOOP_CPU_AVX2 | STOOP_CPU_AVX512 | STOOP_CPU_AVX512_BF16)->name,
            "avx512");
  EXPECT_EQ(codegen::bestLevel(STOOP_CPU_AVX512), nullptr);
  EXPECT_EQ(codegen::bestLevel(~0ull)->name, "amx");
}
} // namespace
