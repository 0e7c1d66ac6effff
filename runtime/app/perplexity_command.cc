// `perplexity`: mean negative log-likelihood over independent windows. A window of w tokens
// starting at s takes ids[s : s+w] and predicts ids[s+1 : s+w+1]; the last one may be shorter.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/app/commands.h"
#include "runtime/app/input.h"
#include "runtime/app/model.h"
#include "runtime/core/math.h"

namespace stoop::app {
namespace {

using Json = nlohmann::ordered_json;

// Sums the cost of the targets while scores come in.
struct Scorer {
  const uint32_t* window;  // first token of the window
  uint32_t vocab;
  double nats = 0;
  uint64_t tokens = 0;
  Progress* progress;
  uint64_t fed_before, total;

  static int on_row(void* self, uint64_t row, const float* logits) {
    Scorer& scorer = *static_cast<Scorer*>(self);
    scorer.nats += rt::log_sum_exp(logits, scorer.vocab) - logits[scorer.window[row + 1]];
    ++scorer.tokens;
    scorer.progress->update(scorer.fed_before + row + 1, scorer.total, "tokens");
    return interrupted();
  }
};

std::vector<uint32_t> read_ids(const Model& model, const Options& options) {
  if (options.ids) return read_ids_json(*options.ids);
  if (!model.program().model.has_tokenizer) {
    throw Failure(kExitBadInput,
                  "this model was compiled without a tokenizer: give token ids (--ids FILE.json)");
  }
  return model.tokenize(read_file(*options.file));
}

}  // namespace

int perplexity_command(const stoop_image& image, const Options& options) {
  Model model(image, options, 0);
  std::vector<uint32_t> ids = read_ids(model, options);
  const stoop_model_info& facts = model.program().model;
  if (ids.size() < 2) {
    throw Failure(kExitBadInput, "the text has " + std::to_string(ids.size()) +
                                     " tokens, but at least 2 are needed to predict one");
  }
  uint64_t window = options.window.value_or(facts.max_positions);
  if (window > facts.max_positions) {
    throw Failure(kExitBadInput, "--window is " + std::to_string(window) +
                                     ", but the compiled context is " +
                                     std::to_string(facts.max_positions) + " (--max-seq-len)");
  }
  model.require_known(ids);
  model.verify();
  Session session = model.new_session();
  Progress progress("scoring");
  uint64_t total = ids.size() - 1;
  Scorer scorer{nullptr, facts.vocab, 0, 0, &progress, 0, total};
  for (uint64_t start = 0; start < total; start += window) {
    uint64_t count = std::min(window, total - start);
    uint64_t last = std::min<uint64_t>(options.last.value_or(UINT32_MAX), count);
    scorer.window = ids.data() + start;
    scorer.fed_before = start;
    model.check(stoop_session_truncate(session.get(), 0));
    model.check(stoop_session_score(session.get(), ids.data() + start, count, count - last,
                                    Scorer::on_row, &scorer),
                kExitBadInput);
  }
  double mean = scorer.nats / static_cast<double>(scorer.tokens);
  if (!std::isfinite(mean))
    throw Failure(kExitBadInput,
                  "the likelihood is not a number: some of the model's logits are not");
  if (options.json) {
    Json document = {{"tokens", scorer.tokens}, {"mean_nats", mean}, {"perplexity", rt::exp(mean)}};
    write_out(document.dump() + "\n");
    return kExitOk;
  }
  char line[160];
  snprintf(line, sizeof line,
           "%llu tokens, mean negative log-likelihood %.6f nats, perplexity %.4f\n",
           static_cast<unsigned long long>(scorer.tokens), mean, rt::exp(mean));
  write_out(line);
  return kExitOk;
}

}  // namespace stoop::app
