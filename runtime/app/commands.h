// One function per command; each returns the exit code or throws Failure.
#ifndef STOOP_RUNTIME_APP_COMMANDS_H_
#define STOOP_RUNTIME_APP_COMMANDS_H_

#include "runtime/app/options.h"
#include "stoop/runtime.h"

namespace stoop::app {

// `start`: seconds_now() when the process began, for load_s.
int run_command(const stoop_image& image, const Options& options, double start);
int info_command(const stoop_image& image, const Options& options);
int bench_command(const stoop_image& image, const Options& options);
int perplexity_command(const stoop_image& image, const Options& options);
int tokenize_command(const stoop_image& image, const Options& options);
int detokenize_command(const stoop_image& image, const Options& options);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_COMMANDS_H_
