// Dispatch and the one place where exceptions become exit codes.
#include "runtime/app/app.h"

#include <stdlib.h>
#include <unistd.h>

#include <exception>
#include <new>

#include "runtime/app/commands.h"
#include "runtime/app/console.h"
#include "runtime/app/options.h"

namespace stoop::app {
namespace {

// Constructors before main may run out of memory too; nobody can catch that.
[[noreturn]] void on_terminate() {
  try {
    if (std::current_exception()) throw;
  } catch (const std::bad_alloc&) {
    write_error("error: out of memory");
    _exit(kExitMachine);
  } catch (...) {
    write_error("error: unexpected exception");
  }
  abort();
}

__attribute__((constructor(101))) void install_terminate_handler() {
  std::set_terminate(on_terminate);
}

int dispatch(const stoop_image& image, const Options& options, double start) {
  switch (options.command) {
    case Command::kRun: return run_command(image, options, start);
    case Command::kInfo: return info_command(image, options);
    case Command::kBench: return bench_command(image, options);
    case Command::kPerplexity: return perplexity_command(image, options);
    case Command::kTokenize: return tokenize_command(image, options);
    case Command::kDetokenize: return detokenize_command(image, options);
  }
  return kExitUsage;
}

}  // namespace

int app_main(int argc, char** argv, const stoop_image* image, const char* image_message) {
  double start = seconds_now();
  try {
    int exit_code = kExitOk;
    std::string name = image && image->program ? image->program->model.name : "(damaged)";
    std::optional<Options> options = parse_options(argc, argv, name, &exit_code);
    if (!options) return exit_code;
    if (!image) throw Failure(kExitBadInput, image_message);
    install_signal_handlers();
    return dispatch(*image, *options, start);
  } catch (const Failure& failure) {
    write_error(std::string("error: ") + failure.what());
    return failure.exit_code();
  } catch (const OutputClosed&) {
    return kExitOk;
  } catch (const std::bad_alloc&) {
    write_error("error: out of memory");
    return kExitMachine;
  } catch (const std::exception& error) {
    write_error(std::string("error: ") + error.what());
    return kExitBadInput;
  }
}

}  // namespace stoop::app
