//===- DescriptorTest.cpp - the program descriptor, read back as C --------===//
//
// Compiles a small program, loads its objects and its descriptor into this process, calls
// stoop_program_query and reads the structs through abi.h, as the runtime does.
//
//===----------------------------------------------------------------------===//
#include "codegen/Passes.h"
#include "codegen/Pipelines.h"
#include "codegen/ProgramDescriptor.h"
#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanDialect.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "stoop/abi.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace stoop;

namespace {
constexpr const char *kProgram = R"(
plan.program @toy target("cpu") metadata({name = "toy", vocab = 100 : i64, max_positions = 32 : i64, max_batch = 2 : i64,
    eos = [7, 9], bos = -1 : i64, num_token_ids = 90 : i64, temperature = 0.7 : f64, top_k = 40 : i64, top_p = 0.9 : f64,
    min_p = 0.0 : f64, repetition_penalty = 1.1 : f64}) {
  plan.arena @weights size(65536) align(4096) lifetime constant
  plan.arena @io size(4096) align(64) lifetime io
  plan.kernel @k0 schedule(#plan.schedule<"embedding", source = "forced", tunables = {}>) row_strides([0, 0, 64]) {
  ^bb0(%t: tensor<4xi32>, %w: tensor<100x64xf32>):
    %y = lm.embedding %t, %w : (tensor<4xi32>, tensor<100x64xf32>) -> tensor<4x64xf32>
    lm.yield %y : tensor<4x64xf32>
  }
  plan.kernel @k1 schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([64, 0, 64]) {
  ^bb0(%x: tensor<4x64xf32>, %w: tensor<64x64xf32>):
    %y = lm.linear %x, %w : (tensor<4x64xf32>, tensor<64x64xf32>) -> tensor<4x64xf32>
    lm.yield %y : tensor<4x64xf32>
  }
  plan.entry decode @decode_b4 rows(4) tokens(#plan.slice<@io[0, 16]>) positions(#plan.slice<@io[64, 16]>)
      slots(#plan.slice<@io[128, 16]>) logits(#plan.slice<@io[1024, 1024]>) {
    %t = plan.slice @io[0, 16] : !plan.buffer
    %w = plan.slice @weights[4096, 25600] : !plan.buffer
    %y = plan.slice @io[1024, 1024] : !plan.buffer
    plan.launch @k0 reads(%t, %w) writes(%y) loc("layers.0.embed")
  }
})";

class DescriptorTest : public ::testing::Test {
protected:
  DescriptorTest() {
    mlir::DialectRegistry registry;
    registry.insert<lm::LmDialect, plan::PlanDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = mlir::parseSourceString<mlir::ModuleOp>(kProgram, &context);
    program = *module->getOps<plan::ProgramOp>().begin();
  }
  void compile(const std::string &levels) {
    mlir::PassManager pm(&context);
    codegen::buildBinariesPipeline(pm, {levels, 2, {}});
    ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
  }
  static std::unique_ptr<llvm::MemoryBuffer> copy(llvm::ArrayRef<char> bytes) {
    return llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(bytes.data(), bytes.size()));
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  plan::ProgramOp program;
};

TEST_F(DescriptorTest, ReadsBackAsWritten) {
  compile("x86-64-v3,avx512");
  auto object = codegen::emitProgramDescriptor(program, /*hasTokenizer=*/true);
  ASSERT_TRUE(mlir::succeeded(object));
  auto jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  for (auto binary : program.getOps<plan::BinaryOp>()) {
    auto data = llvm::cast<mlir::DenseResourceElementsAttr>(binary.getData());
    llvm::cantFail(jit->addObjectFile(copy(data.getRawHandle().getBlob()->getData())));
  }
  llvm::cantFail(jit->addObjectFile(copy(*object)));
  auto *query = llvm::cantFail(jit->lookup("stoop_program_query"))
                    .toPtr<const stoop_program_desc *(*)(uint32_t)>();

  EXPECT_EQ(query(STOOP_ABI_VERSION - 1), nullptr);
  const stoop_program_desc *p = query(STOOP_ABI_VERSION);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(p->struct_size, sizeof(stoop_program_desc));
  EXPECT_EQ(p->magic, STOOP_MAGIC);
  EXPECT_STREQ(p->target, "cpu");
  EXPECT_STREQ(p->model.name, "toy");
  EXPECT_EQ(p->model.vocab, 100u);
  EXPECT_EQ(p->model.max_positions, 32u);
  EXPECT_EQ(p->model.max_batch, 2u);
  ASSERT_EQ(p->model.num_eos, 2u);
  EXPECT_EQ(p->model.eos[1], 9u);
  EXPECT_EQ(p->model.bos, -1);
  EXPECT_EQ(p->model.num_token_ids, 90u);
  EXPECT_EQ(p->model.has_tokenizer, 1u);
  EXPECT_FLOAT_EQ(p->model.temperature, 0.7f);
  EXPECT_FLOAT_EQ(p->model.top_p, 0.9f);
  EXPECT_FLOAT_EQ(p->model.repetition_penalty, 1.1f);
  EXPECT_EQ(p->model.top_k, 40u);
  ASSERT_EQ(p->num_levels, 2u);
  EXPECT_STREQ(p->levels[1].name, "avx512");
  EXPECT_EQ(p->levels[1].required, STOOP_CPU_AVX2 | STOOP_CPU_AVX512);
  ASSERT_EQ(p->num_arenas, 2u);
  EXPECT_EQ(p->weights_arena, 0u);
  EXPECT_EQ(p->arenas[0].size, 65536u);
  EXPECT_EQ(p->arenas[0].align, 4096u);
  EXPECT_EQ(p->arenas[1].lifetime, STOOP_IO);
  ASSERT_EQ(p->num_kernels, 2u);
  EXPECT_STREQ(p->kernels[1].name, "k1_linear");
  EXPECT_NE(p->kernels[0].functions[0], p->kernels[1].functions[0]);
  EXPECT_NE(p->kernels[0].functions[0], p->kernels[0].functions[1]);
  EXPECT_GE(p->scratch_bytes, 4u * 64 * 4);
  EXPECT_EQ(p->max_threads, STOOP_MOST_THREADS);
  EXPECT_GE(p->stack_bytes, uint64_t{STOOP_LEAST_STACK_BYTES});
  ASSERT_EQ(p->num_entries, 1u);
  const stoop_entry &entry = p->entries[0];
  EXPECT_STREQ(entry.name, "decode_b4");
  EXPECT_EQ(entry.kind, STOOP_ENTRY_DECODE);
  EXPECT_EQ(entry.rows, 4u);
  EXPECT_EQ(entry.positions.offset, 64u);
  EXPECT_EQ(entry.logits.size, 1024u);
  EXPECT_EQ(entry.logits.arena, 1u);
  ASSERT_EQ(entry.num_launches, 1u);
  const stoop_launch &launch = entry.launches[0];
  EXPECT_STREQ(launch.location, "layers.0.embed");
  EXPECT_EQ(launch.kernel, 0u);
  ASSERT_EQ(launch.num_buffers, 3u);
  EXPECT_EQ(launch.buffers[1].arena, 0u);
  EXPECT_EQ(launch.buffers[1].offset, 4096u);
  EXPECT_EQ(launch.buffers[1].size, 25600u);
}

TEST_F(DescriptorTest, MissingMetadataIsNamed) {
  compile("x86-64-v3");
  mlir::NamedAttrList entries(program.getMetadata());
  entries.erase("max_positions");
  program.setMetadataAttr(entries.getDictionary(&context));
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) { message += d.str(); });
  EXPECT_TRUE(mlir::failed(codegen::emitProgramDescriptor(program, {})));
  EXPECT_NE(message.find("metadata lacks the integer 'max_positions'"), std::string::npos)
      << message;
}

// Phase planned says what a thread takes; code that needs something else is not packaged.
TEST_F(DescriptorTest, PlannedSizesAreWhatTheCodeNeeds) {
  compile("x86-64-v3");
  mlir::PassManager pm(&context);
  codegen::addPlannedPasses(pm, /*maxThreads=*/6, "");
  ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
  EXPECT_TRUE(mlir::succeeded(codegen::emitProgramDescriptor(program, {})));
  auto bytes = program->getAttrOfType<mlir::IntegerAttr>(plan::kWorkspaceAttrName);
  EXPECT_EQ(bytes.getInt() % 64, 0);
  program->setAttr(plan::kWorkspaceAttrName,
                   mlir::IntegerAttr::get(bytes.getType(), bytes.getInt() - 64));
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) { message += d.str(); });
  EXPECT_TRUE(mlir::failed(codegen::emitProgramDescriptor(program, {})));
  EXPECT_NE(message.find("workspace_bytes"), std::string::npos) << message;
}

TEST_F(DescriptorTest, GateMissesABinary) {
  compile("x86-64-v3,avx512");
  (*program.getOps<plan::BinaryOp>().begin()).erase();
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) { message += d.str(); });
  mlir::PassManager pm(&context);
  pm.nest<plan::ProgramOp>().addPass(codegen::createVerifyBinaries());
  EXPECT_TRUE(mlir::failed(pm.run(*module)));
  EXPECT_NE(message.find("has no binary for level \"x86-64-v3\""), std::string::npos) << message;
}

TEST_F(DescriptorTest, GateFindsForeignCode) {
  compile("x86-64-v3");
  auto binaries = llvm::to_vector(program.getOps<plan::BinaryOp>());
  binaries[0].setDataAttr(binaries[1].getData());
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) { message += d.str(); });
  mlir::PassManager pm(&context);
  pm.nest<plan::ProgramOp>().addPass(codegen::createVerifyBinaries());
  EXPECT_TRUE(mlir::failed(pm.run(*module)));
  EXPECT_NE(message.find("does not define 'stoop_k0_x86_64_v3'"), std::string::npos) << message;
}
} // namespace
