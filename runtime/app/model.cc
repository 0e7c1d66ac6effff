// C interface to C++ owners and exceptions.
#include "runtime/app/model.h"

#include <stdio.h>
#include <sys/resource.h>

namespace stoop::app {

int exit_code_of(stoop_status status) {
  switch (status) {
    case STOOP_OK: return kExitOk;
    case STOOP_INVALID_ARGUMENT: return kExitUsage;
    case STOOP_UNSUPPORTED:
    case STOOP_DEVICE_FAILED:
    case STOOP_OUT_OF_MEMORY: return kExitMachine;
    case STOOP_CANCELLED: return kExitInterrupted;
    default: return kExitBadInput;
  }
}

// What a driver takes is predicted; whoever shares out a GPU's memory has to know where that was too little.
static void warn_if_more(const char* what, uint64_t planned, uint64_t taken) {
  if (taken <= planned) return;
  write_error("warning: the driver took " + std::to_string(taken) + " bytes of the GPU for its " + what + ", and " +
              std::to_string(planned) + " were planned (or another program took some meanwhile)");
}

Model::Model(const stoop_image& image, const Options& options, uint32_t flags) {
  stoop_load_options load{};
  load.struct_size = sizeof load;
  load.flags = flags | STOOP_LOAD_PIN_CALLER | (options.no_verify ? uint32_t{STOOP_LOAD_NO_VERIFY} : 0u);
  load.threads = options.threads;
  load.level = options.cpu_level.empty() ? nullptr : options.cpu_level.c_str();
  load.progress = on_progress;
  load.progress_user = this;
  char message[512];
  stoop_context* context = nullptr;
  Progress progress("loading");
  progress_ = &progress;
  stoop_status status = stoop_context_create(&image, &load, &context, message, sizeof message);
  progress_ = nullptr;
  if (status != STOOP_OK) throw Failure(exit_code_of(status), message);
  context_.reset(context);
  info_.struct_size = sizeof info_;
  stoop_context_info_get(context, &info_);
  if (info_.allocated_bytes != info_.planned_bytes) {
    throw Failure(kExitBadInput, "allocated " + std::to_string(info_.allocated_bytes) +
                                     " bytes, but the plan says " +
                                     std::to_string(info_.planned_bytes));
  }
  warn_if_more("code", info_.gpu_modules_planned, info_.gpu_modules_taken);
  warn_if_more("graphs", info_.gpu_graphs_planned, info_.gpu_graphs_taken);
}

void Model::check(stoop_status status, int bad_argument) const {
  if (status == STOOP_OK) return;
  if (status == STOOP_CANCELLED && interrupted()) throw Failure(kExitInterrupted, "interrupted");
  int code = status == STOOP_INVALID_ARGUMENT ? bad_argument : exit_code_of(status);
  throw Failure(code, stoop_context_message(context_.get()));
}

void Model::verify() {
  Progress progress("checking the file");
  progress_ = &progress;
  stoop_status status = stoop_context_verify(context_.get());
  progress_ = nullptr;
  check(status);
}

Session Model::new_session() const {
  stoop_session* session = nullptr;
  check(stoop_session_create(context_.get(), &session));
  return Session(session);
}

Sampler Model::new_sampler(const stoop_sampling& sampling) const {
  stoop_sampler* sampler = nullptr;
  check(stoop_sampler_create(context_.get(), &sampling, &sampler));
  return Sampler(sampler);
}

Batch Model::new_batch() const {
  stoop_batch* batch = nullptr;
  check(stoop_batch_create(context_.get(), &batch));
  return Batch(batch);
}

std::vector<uint32_t> Model::tokenize(const std::string& text) const {
  EndOnInterrupt while_tokenizing;  // a text of many megabytes takes seconds
  if (interrupted()) throw Failure(kExitInterrupted, "interrupted");
  // Tokens are at most as many as bytes, for every byte-level vocabulary; others report their count.
  std::vector<uint32_t> ids(text.size() + 16);
  uint64_t count = 0;
  check(stoop_tokenize(context_.get(), text.data(), text.size(), ids.data(), ids.size(), &count),
        kExitBadInput);
  if (count > ids.size()) {
    ids.resize(count);
    check(stoop_tokenize(context_.get(), text.data(), text.size(), ids.data(), ids.size(), &count),
          kExitBadInput);
  }
  ids.resize(count);
  return ids;
}

void Model::require_known(const std::vector<uint32_t>& ids) const {
  const uint32_t vocab = program().model.vocab;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < vocab) continue;
    throw Failure(kExitBadInput, "token id " + std::to_string(ids[i]) + " at position " +
                                     std::to_string(i) + " is outside the vocabulary of " +
                                     std::to_string(vocab));
  }
}

std::string Model::detokenize(const std::vector<uint32_t>& ids) const {
  if (!program().model.has_tokenizer) return "";
  uint64_t bytes = 0;
  check(stoop_detokenize(context_.get(), ids.data(), ids.size(), nullptr, 0, &bytes), kExitBadInput);
  std::string text(bytes, '\0');
  check(stoop_detokenize(context_.get(), ids.data(), ids.size(), text.data(), bytes, &bytes),
        kExitBadInput);
  return text;
}

int Model::on_progress(void* self, const char* unit, uint64_t done, uint64_t total) {
  const Model& model = *static_cast<const Model*>(self);
  if (model.progress_) model.progress_->update(done, total, unit);
  return interrupted();
}

// ru_maxrss survives exec: it may be the peak of whoever started the program. VmHWM is of this
// program alone, but needs /proc.
uint64_t peak_rss_bytes() {
  unsigned long long kib = 0;
  if (FILE* status = fopen("/proc/self/status", "re")) {
    char line[256];
    while (kib == 0 && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %llu kB", &kib);
    fclose(status);
  }
  if (kib != 0) return kib * 1024;
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace stoop::app
