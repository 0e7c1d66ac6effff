// Generations in lockstep: all running sequences are fed their last tokens in one step and get their next ones.
// A batch of one is how a single prompt is served.
// Invariant: between calls every running sequence holds one token that was handed out and is not fed yet; on a GPU
// that chooses tokens itself, up to CudaDevice::kAhead steps behind it may be queued.
#ifndef STOOP_RUNTIME_GENERATE_BATCH_H_
#define STOOP_RUNTIME_GENERATE_BATCH_H_

#include "runtime/generate/sequence.h"

namespace stoop::rt {

class Batch {
 public:
  explicit Batch(stoop_context& context) : context_(context) {}
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Takes the tables, with room for the compiled batch.
  stoop_status create();
  // See stoop_batch_add.
  stoop_status add(stoop_session& session, stoop_sampler& sampler, stoop_generation& request);
  // See stoop_batch_step.
  stoop_status step();
  uint32_t running() const { return running_; }

 private:
  stoop_status check(const stoop_session& session, const stoop_sampler& sampler) const;
  stoop_status create_sequence(stoop_session& session, stoop_sampler& sampler,
                               stoop_generation& request, Sequence** out);
  void drop(Sequence* sequence);
  void drop_ended();
  stoop_status step_on_host();
  bool may_run_ahead() const;
  stoop_status step_ahead();
  stoop_status begin_ahead();
  stoop_status read_ahead();
  stoop_status settle();

  stoop_context& context_;
  Array<Sequence*> sequences_;  // the first running_ are there
  uint32_t running_ = 0;
  // What step_on_host gives to decode_batch.
  Array<stoop_session*> sessions_;
  Array<uint32_t> tokens_;
  // Of the device's run: whether one is on, the entry, steps queued and read.
  bool is_ahead_ = false;
  uint32_t entry_ = 0, queued_ = 0, read_ = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_GENERATE_BATCH_H_
