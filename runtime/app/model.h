// The C interface for the commands: owners that release, failures that throw with their exit code.
#ifndef STOOP_RUNTIME_APP_MODEL_H_
#define STOOP_RUNTIME_APP_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/app/console.h"
#include "runtime/app/options.h"
#include "stoop/runtime.h"

namespace stoop::app {

struct ContextDeleter {
  void operator()(stoop_context* context) const { stoop_context_destroy(context); }
};
struct SessionDeleter {
  void operator()(stoop_session* session) const { stoop_session_destroy(session); }
};
struct SamplerDeleter {
  void operator()(stoop_sampler* sampler) const { stoop_sampler_destroy(sampler); }
};
struct BatchDeleter {
  void operator()(stoop_batch* batch) const { stoop_batch_destroy(batch); }
};
using Session = std::unique_ptr<stoop_session, SessionDeleter>;
using Sampler = std::unique_ptr<stoop_sampler, SamplerDeleter>;
using Batch = std::unique_ptr<stoop_batch, BatchDeleter>;

// The exit code that a status of the runtime stands for.
int exit_code_of(stoop_status status);

// A loaded model.
class Model {
 public:
  // `flags`: enum stoop_load_flags besides what the options say.
  Model(const stoop_image& image, const Options& options, uint32_t flags);

  stoop_context* context() const { return context_.get(); }
  const stoop_program_desc& program() const { return *info_.program; }
  const stoop_context_info& info() const { return info_; }

  // Throws the context's message with its exit code, or with `bad_argument` for an invalid argument.
  void check(stoop_status status, int bad_argument = kExitUsage) const;
  // Waits until the payload has been compared with its checksums, with progress.
  void verify();

  Session new_session() const;
  Sampler new_sampler(const stoop_sampling& sampling) const;
  Batch new_batch() const;
  std::vector<uint32_t> tokenize(const std::string& text) const;
  // "" without a tokenizer.
  std::string detokenize(const std::vector<uint32_t>& ids) const;
  // Fails with the first id that the model has no row for.
  void require_known(const std::vector<uint32_t>& ids) const;

  // Where chunks of long prompts and the check of the payload are shown; NULL: nowhere.
  void show_progress(Progress* progress) { progress_ = progress; }

 private:
  static int on_progress(void* self, const char* unit, uint64_t done, uint64_t total);

  std::unique_ptr<stoop_context, ContextDeleter> context_;
  stoop_context_info info_{};
  Progress* progress_ = nullptr;
};

// Peak resident memory of this process in bytes.
uint64_t peak_rss_bytes();

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_MODEL_H_
