// The descriptor's checks, the choice of a level and of an entry, and failing memory.
#include "runtime/core/program.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "test/runtime/toy/toy_program.h"

namespace stoop::rt {
namespace {

// A copy of the toy's descriptor whose tables may be changed.
struct Editable {
  Editable() : program(*toy::image().program) {
    arenas.assign(program.arenas, program.arenas + program.num_arenas);
    kernels.assign(program.kernels, program.kernels + program.num_kernels);
    entries.assign(program.entries, program.entries + program.num_entries);
    launches.assign(entries[0].launches, entries[0].launches + entries[0].num_launches);
    buffers.assign(launches[1].buffers, launches[1].buffers + launches[1].num_buffers);
    launches[1].buffers = buffers.data();
    entries[0].launches = launches.data();
    program.arenas = arenas.data();
    program.kernels = kernels.data();
    program.entries = entries.data();
  }
  stoop_program_desc program;
  std::vector<stoop_arena> arenas;
  std::vector<stoop_kernel> kernels;
  std::vector<stoop_entry> entries;
  std::vector<stoop_launch> launches;
  std::vector<stoop_slice> buffers;
};

TEST(Program, EachBrokenFieldIsRefused) {
  Message message;
  Editable good;
  ASSERT_EQ(check_program(&good.program, message), STOOP_OK) << message.text;
  static const stoop_kernel_fn no_function[] = {nullptr};
  const std::function<void(Editable&)> breaks[] = {
      [](Editable& e) { e.program.magic = 1; },
      [](Editable& e) { e.program.struct_size -= 8; },
      [](Editable& e) { e.program.abi_version += 1; },
      [](Editable& e) { e.program.abi_version += 0x10000; },
      [](Editable& e) { e.program.model.vocab = 0; },
      [](Editable& e) { e.program.model.vocab = 1000; },  // logits no longer fit
      [](Editable& e) { e.program.model.num_token_ids = e.program.model.vocab + 1; },
      [](Editable& e) { e.program.model.max_positions = 0; },
      [](Editable& e) { e.kernels[1].functions = no_function; },
      [](Editable& e) { e.entries[2].rows = 0; },
      [](Editable& e) { e.entries[2].kind = 3; },
      [](Editable& e) { e.entries[3].rows = 17; },
      [](Editable& e) { e.entries[0].tokens.arena = 4; },
      [](Editable& e) { e.entries[0].logits.offset = 8192; },
      [](Editable& e) { e.entries[0].positions.offset = UINT64_MAX; },
      [](Editable& e) { e.entries[0].slots.size = 2; },
      [](Editable& e) { e.entries[0].maxima.size = 8; },
      [](Editable& e) { e.entries[0].maxima.offset = 8192; },
      [](Editable& e) { e.launches[1].kernel = 5; },
      [](Editable& e) { e.buffers[2].size += 1; },
      [](Editable& e) { e.buffers[3].arena = 99; },
  };
  int number = 0;
  for (const auto& damage : breaks) {
    Editable bad;
    damage(bad);
    message.text[0] = '\0';
    EXPECT_EQ(check_program(&bad.program, message), STOOP_BAD_PROGRAM) << number;
    EXPECT_NE(message.text[0], '\0') << number;
    ++number;
  }
  EXPECT_EQ(check_program(nullptr, message), STOOP_BAD_PROGRAM);
}

TEST(Program, BestLevelThatTheCpuHas) {
  static const stoop_level levels[] = {
      {"x86-64-v3", STOOP_CPU_AVX2},
      {"avx512", STOOP_CPU_AVX2 | STOOP_CPU_AVX512},
      {"amx", STOOP_CPU_AVX2 | STOOP_CPU_AVX512 | STOOP_CPU_AMX_TILE | STOOP_CPU_AMX_BF16}};
  Editable editable;
  editable.program.num_levels = 3;
  editable.program.levels = levels;
  Message message;
  uint32_t level = 99;
  auto choose = [&](uint64_t features, const char* forced = nullptr) {
    return choose_level(editable.program, features, forced, &level, message);
  };
  EXPECT_EQ(choose(STOOP_CPU_AVX2), STOOP_OK);
  EXPECT_EQ(level, 0u);
  EXPECT_EQ(choose(STOOP_CPU_AVX2 | STOOP_CPU_AVX512 | STOOP_CPU_AVX512_BF16), STOOP_OK);
  EXPECT_EQ(level, 1u);
  EXPECT_EQ(choose(~uint64_t{0}), STOOP_OK);
  EXPECT_EQ(level, 2u);
  EXPECT_EQ(choose(~uint64_t{0}, "x86-64-v3"), STOOP_OK);
  EXPECT_EQ(level, 0u);
  EXPECT_EQ(choose(0), STOOP_UNSUPPORTED);
  EXPECT_NE(std::string(message.text).find("AVX2"), std::string::npos) << message.text;
  EXPECT_EQ(choose(STOOP_CPU_AVX2 | STOOP_CPU_AVX512, "amx"), STOOP_UNSUPPORTED);
  EXPECT_NE(std::string(message.text).find("AMX tiles, AMX BF16"), std::string::npos) << message.text;
  EXPECT_EQ(std::string(message.text).find("AVX-512"), std::string::npos) << "what is there isn't named";
  EXPECT_EQ(choose(~uint64_t{0}, "neon"), STOOP_INVALID_ARGUMENT);
}

TEST(Program, SmallestEntryThatHoldsTheRows) {
  Memory memory(nullptr);
  Message message;
  Program program;
  toy::OwnImage own;
  ASSERT_EQ(program.load(memory, *own.image.program, 0, 3, own.payload.data(),
                         own.layout.weights.size, message),
            STOOP_OK);
  auto rows = [&](uint32_t kind, uint32_t wanted) { return program.find_entry(kind, wanted)->rows; };
  EXPECT_EQ(rows(STOOP_ENTRY_PREFILL, 1), 4u);
  EXPECT_EQ(rows(STOOP_ENTRY_PREFILL, 4), 4u);
  EXPECT_EQ(rows(STOOP_ENTRY_PREFILL, 5), 16u);
  EXPECT_EQ(rows(STOOP_ENTRY_PREFILL, 1000), 16u);
  EXPECT_EQ(rows(STOOP_ENTRY_DECODE, 2), 2u);
  EXPECT_EQ(program.find_entry(7, 1), nullptr);
  EXPECT_EQ(program.planned_bytes(), 1024u + 64 + 8192 + 3 * 128);
  EXPECT_EQ(memory.mapped_bytes(), program.planned_bytes());
  EXPECT_EQ(memory.maps(), 4u) << "one for each arena that is not constant, one for the scratch";
  EXPECT_NE(program.scratch(0), program.scratch(1));
  program.unload();
  EXPECT_EQ(memory.mapped_bytes(), 0u);
  EXPECT_EQ(memory.host_bytes(), 0u);
}

TEST(Program, EveryThreadButTheFirstGetsAStack) {
  toy::OwnImage own;
  stoop_program_desc desc = *own.image.program;
  desc.stack_bytes = 3 * STOOP_LEAST_STACK_BYTES;
  Message message;
  ASSERT_EQ(check_program(&desc, message), STOOP_OK) << message.text;
  for (uint32_t threads : {1u, 2u, 5u}) {
    Memory memory(nullptr);
    Program program;
    ASSERT_EQ(program.load(memory, desc, 0, threads, own.payload.data(), own.layout.weights.size, message),
              STOOP_OK);
    uint64_t stacks = (threads - 1) * desc.stack_bytes;
    EXPECT_EQ(program.planned_bytes(), 1024u + 64 + 8192 + threads * 128 + stacks);
    EXPECT_EQ(memory.mapped_bytes(), program.planned_bytes());
    EXPECT_EQ(program.stacks() != nullptr, threads > 1);
  }
  for (uint64_t wrong : {uint64_t{4096}, uint64_t{STOOP_LEAST_STACK_BYTES + 1}}) {
    desc.stack_bytes = wrong;
    EXPECT_EQ(check_program(&desc, message), STOOP_BAD_PROGRAM) << wrong;
  }
}

TEST(Program, WeightsThatAreTooShortAreRefused) {
  Memory memory(nullptr);
  Message message;
  Program program;
  toy::OwnImage own;
  EXPECT_EQ(program.load(memory, *own.image.program, 0, 1, own.payload.data(), 9999, message),
            STOOP_BAD_PROGRAM);
  EXPECT_NE(std::string(message.text).find("9999"), std::string::npos) << message.text;
}

// A memory source that fails once at its n-th request and knows what is out.
struct Failing {
  int countdown;
  std::set<void*> out;
  stoop_allocator hooks() {
    return {map, unmap, allocate, release, this};
  }
  void* take(size_t bytes) {
    if (countdown-- == 0) return nullptr;
    void* address = aligned_alloc(4096, (bytes + 4095) & ~size_t{4095});
    memset(address, 0, bytes);
    out.insert(address);
    return address;
  }
  void give(void* address) {
    EXPECT_EQ(out.erase(address), 1u);
    free(address);
  }
  static void* map(void* self, size_t bytes) { return static_cast<Failing*>(self)->take(bytes); }
  static void unmap(void* self, void* address, size_t) { static_cast<Failing*>(self)->give(address); }
  static void* allocate(void* self, size_t bytes) { return static_cast<Failing*>(self)->take(bytes); }
  static void release(void* self, void* address) { static_cast<Failing*>(self)->give(address); }
};

TEST(Context, EveryFailingAllocationIsReportedAndNothingLeaks) {
  bool done = false;
  int failures = 0;
  for (int n = 0; !done; ++n) {
    ASSERT_LT(n, 200);
    Failing source{n, {}};
    stoop_allocator hooks = source.hooks();
    stoop_load_options options{};
    options.struct_size = sizeof options;
    options.threads = 2;
    options.allocator = &hooks;
    stoop_context* context = nullptr;
    char message[256];
    stoop_status status =
        stoop_context_create(&toy::image(), &options, &context, message, sizeof message);
    stoop_session* session = nullptr;
    stoop_sampler* sampler = nullptr;
    if (status == STOOP_OK) {
      status = stoop_session_create(context, &session);
      stoop_sampling sampling{};
      sampling.struct_size = 4;
      if (status == STOOP_OK) status = stoop_sampler_create(context, &sampling, &sampler);
      snprintf(message, sizeof message, "%s", stoop_context_message(context));
    } else {
      EXPECT_EQ(context, nullptr);
    }
    done = status == STOOP_OK;
    if (!done) {
      ++failures;
      EXPECT_EQ(status, STOOP_OUT_OF_MEMORY) << n;
      EXPECT_EQ(std::string(message).rfind("out of memory", 0), 0u) << message;
    }
    stoop_sampler_destroy(sampler);
    stoop_session_destroy(session);
    stoop_context_destroy(context);
    EXPECT_TRUE(source.out.empty()) << "after failure " << n;
  }
  EXPECT_GT(failures, 10);
}

}  // namespace
}  // namespace stoop::rt
