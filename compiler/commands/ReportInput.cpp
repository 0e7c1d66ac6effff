//===- ReportInput.cpp - a report from whatever holds one -----------------===//
//
// What a file is shows in its first bytes, never in its name, so that the one message about a file
// of the wrong kind says what would have been right.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/ReportInput.h"

#include "codegen/package/Manifest.h"
#include "codegen/package/OutputFile.h"
#include "compiler/driver/Budget.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Packaging.h"
#include "compiler/inspect/Json.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace stoop::driver {

namespace {

enum class InputKind { Program, Ir, Report, Checkpoint, Unknown };

/// What a file is; of an unknown one, why.
struct Input {
  InputKind kind;
  std::string why;
};

} // namespace

/// What begins so, and what to do with it.
static constexpr struct {
  llvm::StringLiteral start, name;
} kOtherFiles[] = {{"\x1f\x8b", "a gzip archive (unpack it)"},
                   {"PK\x03\x04", "a zip archive (unpack it, or save a PyTorch checkpoint as safetensors)"},
                   {"BZh", "a bzip2 archive (unpack it)"},
                   {"\xfd\x37zXZ", "an xz archive (unpack it)"},
                   {"\x28\xb5\x2f\xfd", "a zstd archive (unpack it)"},
                   {"GGUF", "a GGUF file (give the checkpoint that it was made from)"},
                   {"\xef\xbb\xbf", "text with a byte order mark (remove it)"}};

/// True for what could be IR of Stoop's, well-formed or not: its first line says so.
static bool looksLikeIr(llvm::StringRef text) {
  if (text.starts_with("ML\xefR")) // bytecode
    return true;
  if (text.contains('\0'))
    return false;
  for (text = text.ltrim(); text.consume_front("//"); text = text.ltrim())
    text = text.drop_until([](char c) { return c == '\n'; });
  for (llvm::StringRef mark : {"module", "\"builtin.module\"", "lm.model", "plan.program"})
    if (text.starts_with(mark))
      return true;
  return text.starts_with("#loc") && text.contains("module");
}

static Input kindOfJson(llvm::StringRef content) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(content);
  if (!value)
    return {InputKind::Unknown, "JSON that is damaged or cut off: " + llvm::toString(value.takeError())};
  const llvm::json::Object *object = value->getAsObject();
  if (object && object->get("schema_version"))
    return {InputKind::Report, ""};
  if (object && (object->get("model_type") || object->get("architectures")))
    return {InputKind::Checkpoint, ""};
  return {InputKind::Unknown, "JSON without a report's schema_version or a config.json's model_type"};
}

static Input kindOf(llvm::StringRef content) {
  if (content.starts_with("\x7f"
                          "ELF"))
    return {InputKind::Program, ""};
  if (looksLikeIr(content))
    return {InputKind::Ir, ""};
  if (llvm::StringRef text = content.ltrim(); text.starts_with("{") || text.starts_with("["))
    return kindOfJson(content);
  for (const auto &[start, name] : kOtherFiles)
    if (content.starts_with(start))
      return {InputKind::Unknown, name.str()};
  // Safetensors: the header's length in eight bytes, then the header.
  if (content.size() > 8 && content[8] == '{' && content[7] == '\0')
    return {InputKind::Unknown, "a safetensors file (give the directory that holds it and config.json)"};
  if (content.empty())
    return {InputKind::Unknown, "empty"};
  return {InputKind::Unknown, content.contains('\0') ? "binary data of an unknown kind" : "text"};
}

static int fail(Session &session, const llvm::Twine &message, int code = ExitBadInput) {
  session.error(message);
  return code;
}

static int fromProgram(Session &session, const std::string &path, llvm::json::Object &report) {
  llvm::Expected<std::string> manifest = codegen::readManifest(path);
  if (!manifest)
    return fail(session, llvm::toString(manifest.takeError()));
  auto parsed = inspect::parseReport(*manifest, "the manifest of '" + path + "'");
  if (!parsed)
    return fail(session, llvm::toString(parsed.takeError()));
  report = std::move(*parsed);
  return ExitOk;
}

static int fromJson(Session &session, const std::string &path, llvm::StringRef text,
                    llvm::json::Object &report) {
  auto parsed = inspect::parseReport(text, "report '" + path + "'");
  if (!parsed)
    return fail(session, llvm::toString(parsed.takeError()));
  report = std::move(*parsed);
  return ExitOk;
}

/// Whether a path is something that ends; if not, that is reported.
static bool isFile(Session &session, const std::string &path) {
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status)) {
    session.error("cannot read '" + path + "': " + error.message());
    return false;
  }
  if (status.type() == llvm::sys::fs::file_type::regular_file ||
      status.type() == llvm::sys::fs::file_type::fifo_file)
    return true;
  session.error("'" + path + "' is a device or socket, not a file");
  return false;
}

/// A program, IR or JSON by its content; errors are reported.
static std::optional<Input> inputOf(Session &session, const std::string &path,
                                    std::unique_ptr<llvm::MemoryBuffer> &content) {
  if (!isFile(session, path))
    return std::nullopt;
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file) {
    session.error("cannot read '" + path + "': " + file.getError().message());
    return std::nullopt;
  }
  content = std::move(*file);
  Input input = kindOf(content->getBuffer());
  if (input.kind != InputKind::Unknown)
    return input;
  session.error("'" + path + "' is " + input.why +
                "; expected a program made by stoop, IR, a report, a config.json or a checkpoint "
                "directory");
  return std::nullopt;
}

int refuseCompiled(Session &session, const std::string &path, const std::string &command) {
  if (!llvm::sys::fs::exists(path) || llvm::sys::fs::is_directory(path))
    return ExitOk; // the importer's to tell
  if (!isFile(session, path))
    return ExitBadInput;
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file || (*file)->getBuffer().ltrim().empty())
    return ExitOk;
  Input input = kindOf((*file)->getBuffer());
  bool isJson = (*file)->getBuffer().ltrim().starts_with("{");
  if (input.kind == InputKind::Checkpoint || (input.kind == InputKind::Unknown && isJson))
    return ExitOk; // a config.json, or what may be meant as one
  const char *what = input.kind == InputKind::Program  ? "an ELF file, perhaps a program made by stoop"
                     : input.kind == InputKind::Ir     ? "IR"
                     : input.kind == InputKind::Report ? "a report"
                                                       : nullptr;
  return fail(session, "'" + path + "' is " + (what ? what : input.why) + "; " + command +
                           " expects a checkpoint directory or a config.json" +
                           (what ? "; its own plan is shown by 'stoop inspect'" : ""));
}

/// Adds what the process needs on this machine, unless the report knows it of another.
static void addNeed(llvm::json::Object &report, std::optional<MemoryNeed> need) {
  llvm::json::Object *memory = report.getObject("memory");
  if (need && memory && !memory->get("need"))
    (*memory)["need"] = need->toJson(std::nullopt);
}

int loadReport(Session &session, const ModelOptions &model, const CompileOptions &options,
               llvm::json::Object flags, llvm::json::Object &report) {
  const std::string &path = model.checkpoint;
  if (!llvm::sys::fs::exists(path))
    return fail(session, "'" + path + "' does not exist");
  Input input{InputKind::Checkpoint, ""};
  std::unique_ptr<llvm::MemoryBuffer> content;
  if (!llvm::sys::fs::is_directory(path)) {
    std::optional<Input> known = inputOf(session, path, content);
    if (!known)
      return ExitBadInput;
    input = std::move(*known);
  }
  InputKind kind = input.kind;
  const llvm::json::Array *given = flags.getArray("used");
  if ((kind == InputKind::Program || kind == InputKind::Report) && given && !given->empty())
    return fail(session,
                (*given)[0].getAsObject()->getString("key").value_or("") + " does not apply to '" +
                    path + "': it is compiled already",
                ExitUsage);
  if (kind == InputKind::Program || kind == InputKind::Report) {
    const std::pair<const char *, const std::string *> phases[] = {
        {"--remarks-filter", &options.remarksFilter},
        {"--dump-phases-to", &options.dumpPhasesTo},
        {"--save-temps", &options.saveTemps}};
    for (const auto &[flag, value] : phases)
      if (!value->empty())
        return fail(session, flag + llvm::Twine(" does not apply to '") + path + "': no phase runs",
                    ExitUsage);
  }
  if (kind == InputKind::Program || kind == InputKind::Report) {
    int code = kind == InputKind::Program ? fromProgram(session, path, report)
                                          : fromJson(session, path, content->getBuffer(), report);
    if (code == ExitOk)
      addNeed(report, MemoryNeed::of(report));
    return code;
  }
  ModelOptions alone = model; // a report needs no weights
  alone.configAlone = true;
  Compilation compilation(session, alone, options, std::move(flags));
  if (int code = compilation.configure())
    return code;
  if (failed(kind == InputKind::Checkpoint ? compilation.fromCheckpoint(Phase::Planned)
                                           : compilation.fromFile(path, Phase::Planned)))
    return compilation.failureCode();
  report = makeReport(compilation.module());
  addNeed(report, compilation.need());
  return ExitOk;
}

int writeText(Session &session, const std::string &path, const std::string &text) {
  if (path.empty()) {
    llvm::outs() << text;
    return ExitOk;
  }
  auto file = codegen::OutputFile::create(path);
  llvm::Error failed = file ? (*file)->write(text.data(), text.size(), 0) : file.takeError();
  if (!failed)
    failed = (*file)->commit(0644);
  return failed ? fail(session, llvm::toString(std::move(failed))) : int(ExitOk);
}

} // namespace stoop::driver
