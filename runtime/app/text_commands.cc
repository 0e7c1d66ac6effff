// `tokenize`, `detokenize`: the tokenizer alone; no weights are touched.
#include <nlohmann/json.hpp>

#include "runtime/app/commands.h"
#include "runtime/app/input.h"
#include "runtime/app/model.h"

namespace stoop::app {
namespace {

using Json = nlohmann::ordered_json;

void need_tokenizer(const Model& model) {
  if (model.program().model.has_tokenizer) return;
  throw Failure(kExitBadInput, "this model was compiled without a tokenizer");
}

}  // namespace

int tokenize_command(const stoop_image& image, const Options& options) {
  Model model(image, options, STOOP_LOAD_TEXT_ONLY);
  need_tokenizer(model);
  bool from_file = options.file || *options.prompt == "-";
  std::string text = from_file ? read_file(options.file ? *options.file : "-") : *options.prompt;
  if (options.escape && !from_file) text = expand_escapes(text);
  std::vector<uint32_t> ids = model.tokenize(text);
  model.verify();
  if (options.json) {
    Json document = {{"ids", ids}, {"count", ids.size()}};
    write_out(document.dump() + "\n");
    return kExitOk;
  }
  std::string line;
  for (uint32_t id : ids) line += (line.empty() ? "" : ",") + std::to_string(id);
  write_out(line + "\n");
  return kExitOk;
}

int detokenize_command(const stoop_image& image, const Options& options) {
  Model model(image, options, STOOP_LOAD_TEXT_ONLY);
  need_tokenizer(model);
  std::vector<uint32_t> ids = parse_ids(*options.ids == "-" ? read_file("-") : *options.ids);
  model.require_known(ids);
  std::string text = model.detokenize(ids);
  model.verify();
  if (options.json) {
    Json document = {{"text", text}};
    write_out(document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return kExitOk;
  }
  write_out(text + "\n");
  return kExitOk;
}

}  // namespace stoop::app
