// The prompts of `run`, from wherever the options say.
#ifndef STOOP_RUNTIME_APP_PROMPTS_H_
#define STOOP_RUNTIME_APP_PROMPTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/app/model.h"
#include "runtime/app/options.h"

namespace stoop::app {

struct Prompt {
  std::string text;
  std::vector<uint32_t> ids;  // at least one
  // Instead of the options'.
  std::optional<uint64_t> seed;
  std::optional<int64_t> predict;
};

// Reads and tokenizes them, and checks that each fits into the context and has known ids. Throws Failure(1), which
// says which of several prompts is wrong.
std::vector<Prompt> read_prompts(const Options& options, const Model& model);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_PROMPTS_H_
