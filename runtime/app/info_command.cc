// `info`: what this program is and needs. The JSON is the report that the compiler stored in the binary;
// the text is printed from the descriptor that the program runs by.
#include <nlohmann/json.hpp>

#include "runtime/app/commands.h"
#include "runtime/app/console.h"
#include "runtime/app/model.h"
#include "runtime/app/plan_facts.h"

namespace stoop::app {
namespace {

using Json = nlohmann::ordered_json;

std::string size_text(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit) bytes /= 1024;
  char text[32];
  snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
  return text;
}

std::string feature_list(uint64_t bits) {
  static const struct {
    uint64_t bit;
    const char* name;
  } kNames[] = {{STOOP_CPU_AVX2, "avx2"},           {STOOP_CPU_AVX512, "avx512"},
                {STOOP_CPU_AVX512_BF16, "avx512_bf16"}, {STOOP_CPU_AVX512_VNNI, "avx512_vnni"},
                {STOOP_CPU_AMX_TILE, "amx_tile"},   {STOOP_CPU_AMX_BF16, "amx_bf16"},
                {STOOP_CPU_AMX_INT8, "amx_int8"}};
  std::string text;
  for (const auto& feature : kNames)
    if (bits & feature.bit) text += (text.empty() ? "" : " ") + std::string(feature.name);
  return text.empty() ? "any x86-64" : text;
}

// What a machine must have for a level.
std::string needs_of(const stoop_program_desc& program, uint64_t required) {
  if (!program.gpu) return feature_list(required);
  const uint64_t capability = required & 0xffff;
  return "compute capability " + std::to_string(capability / 10) + "." + std::to_string(capability % 10) +
         (required & STOOP_GPU_EXACT ? "" : required & STOOP_GPU_PTX ? " or newer" : " or newer of its series");
}

std::string text_report(const stoop_program_desc& program, const stoop_context_info& info) {
  const stoop_model_info& model = program.model;
  std::string out;
  auto line = [&](const std::string& name, const std::string& value) {
    out += name + std::string(name.size() < 14 ? 14 - name.size() : 1, ' ') + printable(value) + "\n";
  };
  line("model", model.name);
  line("target", program.target);
  line("context", std::to_string(model.max_positions) + " tokens, " +
                      std::to_string(model.max_batch) + " sequence(s)");
  line("vocabulary", std::to_string(model.vocab) + " logits, " +
                         std::to_string(model.num_token_ids) + " ids with a token");
  line("tokenizer", model.has_tokenizer ? "yes" : "no: token ids only");
  std::string eos;
  for (uint32_t i = 0; i < model.num_eos; ++i) eos += (i ? "," : "") + std::to_string(model.eos[i]);
  line("end of text", eos.empty() ? "none" : eos);
  for (uint32_t i = 0; i < program.num_levels; ++i)
    line(i ? "" : program.gpu ? "gpu levels" : "cpu levels",
         std::string(program.levels[i].name) + " (" + needs_of(program, program.levels[i].required) + ")");
  uint64_t memory = 0;
  for (uint32_t i = 0; i < program.num_arenas; ++i) {
    const stoop_arena& arena = program.arenas[i];
    if (arena.lifetime != STOOP_CONSTANT) memory += arena.size;
    line(i ? "" : "arenas", std::string(arena.name) + " " + size_text(static_cast<double>(arena.size)) +
                                ", " + lifetime_name(arena.lifetime));
  }
  line("memory", size_text(static_cast<double>(memory)) + " beside the weights, " +
                     size_text(static_cast<double>(program.scratch_bytes)) +
                     (program.gpu ? " more of workspace, all on the GPU" : " more a thread"));
  if (program.gpu)
    line("", size_text(static_cast<double>(program.gpu->modules_bytes)) + " and " +
                 size_text(static_cast<double>(program.gpu->graphs_bytes)) + " more that its driver is expected to take for code and graphs");
  line("kv cache", size_text(kv_bytes_per_token(program)) + " a token");
  for (uint32_t i = 0; i < program.num_entries; ++i) {
    const stoop_entry& entry = program.entries[i];
    line(i ? "" : "entries", std::string(entry.name) + ": " + entry_kind_name(entry.kind) + ", " +
                                 std::to_string(entry.rows) + " row(s), " +
                                 std::to_string(entry.num_launches) + " launches");
  }
  line("kernels", std::to_string(program.num_kernels));
  line("report", info.manifest_bytes ? "info --json" : "none stored");
  return out;
}

// The same keys as the stored report, as far as the descriptor knows them.
Json descriptor_report(const stoop_program_desc& program) {
  Json arenas = Json::array(), entries = Json::array(), kernels = Json::array();
  uint64_t total = 0;
  for (uint32_t i = 0; i < program.num_arenas; ++i) {
    const stoop_arena& arena = program.arenas[i];
    total += arena.size;
    arenas.push_back({{"name", arena.name}, {"bytes", arena.size},
                      {"lifetime", lifetime_name(arena.lifetime)}});
  }
  for (uint32_t i = 0; i < program.num_entries; ++i)
    entries.push_back({{"name", program.entries[i].name},
                       {"launches", program.entries[i].num_launches}});
  for (uint32_t i = 0; i < program.num_kernels; ++i) kernels.push_back({{"name", program.kernels[i].name}});
  const stoop_model_info& model = program.model;
  return {{"schema_version", 1},
          {"model",
           {{"name", model.name}, {"vocab", model.vocab}, {"max_positions", model.max_positions},
            {"max_batch", model.max_batch}}},
          {"target", program.target},
          {"memory",
           {{"arenas", arenas}, {"total_bytes", total},
            {"kv_bytes_per_token", kv_bytes_per_token(program)}}},
          {"entries", entries},
          {"kernels", kernels}};
}

}  // namespace

int info_command(const stoop_image& image, const Options& options) {
  Model model(image, options, STOOP_LOAD_TEXT_ONLY);
  model.verify();
  const stoop_context_info& info = model.info();
  if (!options.json) {
    write_out(text_report(model.program(), info));
  } else if (info.manifest_bytes) {
    std::string manifest(info.manifest, info.manifest_bytes);
    while (!manifest.empty() && (manifest.back() == '\n' || manifest.back() == '\0')) manifest.pop_back();
    write_out(manifest + "\n");
  } else {
    write_out(descriptor_report(model.program()).dump(2) + "\n");
  }
  return kExitOk;
}

}  // namespace stoop::app
