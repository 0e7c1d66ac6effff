// Decoding allocates nothing: every way to get memory is wrapped (-Wl,--wrap) and counted.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>

#include "test/runtime/generate/toy_tokens.h"

namespace {
std::atomic<int> allocations{0};
}

extern "C" {
void* __real_malloc(size_t);
void* __real_calloc(size_t, size_t);
void* __real_realloc(void*, size_t);
void* __real_aligned_alloc(size_t, size_t);
void* __real_mmap(void*, size_t, int, int, int, off_t);
void* __wrap_malloc(size_t bytes) { return ++allocations, __real_malloc(bytes); }
void* __wrap_calloc(size_t n, size_t bytes) { return ++allocations, __real_calloc(n, bytes); }
void* __wrap_realloc(void* p, size_t bytes) { return ++allocations, __real_realloc(p, bytes); }
void* __wrap_aligned_alloc(size_t a, size_t bytes) { return ++allocations, __real_aligned_alloc(a, bytes); }
void* __wrap_mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  return ++allocations, __real_mmap(at, bytes, protection, flags, file, offset);
}
}

void* operator new(size_t bytes) { return ++allocations, __real_malloc(bytes); }
void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }

namespace stoop::toy {
namespace {

// Settings that choose by chance and remember what was said.
stoop_sampling lively(stoop_context* context) {
  stoop_sampling sampling{};
  sampling.struct_size = sizeof sampling;
  stoop_sampling_defaults(context, &sampling);
  sampling.temperature = 0.8f;
  sampling.top_p = 0.9f;
  sampling.repetition_penalty = 1.1f;
  return sampling;
}

TEST(Allocation, DecodingTakesNoMemory) {
  stoop_session* session = nullptr;
  stoop_sampler* sampler = nullptr;
  int before = allocations;
  stoop_context* context = load(2);
  ASSERT_NE(context, nullptr);
  ASSERT_GT(allocations, before) << "the count works";
  ASSERT_EQ(stoop_session_create(context, &session), STOOP_OK);
  stoop_sampling sampling = lively(context);
  sampling.top_k = 20;
  sampling.min_p = 0.01f;
  ASSERT_EQ(stoop_sampler_create(context, &sampling, &sampler), STOOP_OK);

  uint32_t prompt[] = {1, 2, 3, 4, 5};
  struct Counter {
    int first = 0, tokens = 0;
  } counter;
  stoop_generation generation{};
  generation.struct_size = sizeof generation;
  generation.prompt = prompt;
  generation.prompt_tokens = 5;
  generation.max_tokens = 50;
  generation.ignore_eos = 1;
  generation.user = &counter;
  generation.on_token = [](void* user, const stoop_token_event*) {
    Counter& counter = *static_cast<Counter*>(user);
    if (counter.tokens++ == 0) counter.first = allocations;
    return 0;
  };
  ASSERT_EQ(stoop_generate(session, sampler, &generation), STOOP_OK);
  EXPECT_EQ(allocations, counter.first) << "from the first token to the last";
  EXPECT_EQ(counter.tokens, 50);
  stoop_sampler_destroy(sampler);
  stoop_session_destroy(session);
  stoop_context_destroy(context);
}

TEST(Allocation, DecodingSeveralSequencesTakesNoMemory) {
  stoop_batch* batch = nullptr;
  stoop_context* context = load(2);
  ASSERT_NE(context, nullptr);
  ASSERT_EQ(stoop_batch_create(context, &batch), STOOP_OK);
  stoop_session* sessions[kBatch];
  stoop_sampler* samplers[kBatch];
  stoop_generation generations[kBatch];
  const uint32_t prompt[] = {1, 2, 3, 4, 5};
  for (uint32_t i = 0; i < kBatch; ++i) {
    stoop_sampling sampling = lively(context);
    sampling.seed = i;
    ASSERT_EQ(stoop_session_create(context, &sessions[i]), STOOP_OK);
    ASSERT_EQ(stoop_sampler_create(context, &sampling, &samplers[i]), STOOP_OK);
    generations[i] = {};
    generations[i].struct_size = sizeof generations[i];
    generations[i].prompt = prompt;
    generations[i].prompt_tokens = 1 + i;
    generations[i].max_tokens = 20 + 10 * i;  // they leave one after the other
    generations[i].ignore_eos = 1;
    ASSERT_EQ(stoop_batch_add(batch, sessions[i], samplers[i], &generations[i]), STOOP_OK);
  }
  const int before = allocations;
  uint32_t steps = 0;
  for (uint32_t running = 1; running; ++steps) ASSERT_EQ(stoop_batch_step(batch, &running), STOOP_OK);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(steps, 49u);
  stoop_batch_destroy(batch);
  for (uint32_t i = 0; i < kBatch; ++i) {
    EXPECT_EQ(generations[i].generated_tokens, 20 + 10 * i);
    stoop_sampler_destroy(samplers[i]);
    stoop_session_destroy(sessions[i]);
  }
  stoop_context_destroy(context);
}

}  // namespace
}  // namespace stoop::toy
