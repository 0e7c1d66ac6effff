// The C interface of samplers: the model's defaults, and samplers with memory of their own.
#include <new>

#include "runtime/generate/sequence.h"

extern "C" {

void stoop_sampling_defaults(const stoop_context* context, stoop_sampling* sampling) {
  const stoop_model_info& model = context->desc->model;
  stoop_sampling defaults{};
  defaults.struct_size = sampling->struct_size;
  defaults.temperature = model.temperature;
  defaults.top_k = model.top_k;
  // Zero in the descriptor: generation_config does not say.
  defaults.top_p = model.top_p > 0 ? model.top_p : 1;
  defaults.min_p = model.min_p;
  defaults.repetition_penalty = model.repetition_penalty > 0 ? model.repetition_penalty : 1;
  memcpy(sampling, &defaults,
         sampling->struct_size < sizeof defaults ? sampling->struct_size : sizeof defaults);
}

stoop_status stoop_sampler_create(stoop_context* context, const stoop_sampling* sampling,
                                  stoop_sampler** out) {
  *out = nullptr;
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  stoop_sampling_defaults(context, &settings);
  uint32_t given = sampling->struct_size;
  memcpy(&settings, sampling, given < sizeof settings ? given : sizeof settings);
  void* address = nullptr;
  STOOP_TRY(context->memory.allocate(sizeof(stoop_sampler), "a sampler", &address,
                                     context->message));
  stoop_sampler* sampler = new (address) stoop_sampler(context);
  const stoop_model_info& model = context->desc->model;
  stoop_status status = sampler->sampler.create(context->memory, model.vocab, model.num_token_ids,
                                                settings, context->message);
  if (status != STOOP_OK) {
    stoop_sampler_destroy(sampler);
    return status;
  }
  *out = sampler;
  return STOOP_OK;
}

void stoop_sampler_destroy(stoop_sampler* sampler) {
  if (!sampler) return;
  stoop_context* context = sampler->context;
  sampler->~stoop_sampler();
  context->memory.release(sampler, sizeof(stoop_sampler));
}

}  // extern "C"
