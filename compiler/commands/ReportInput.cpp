//===- ReportInput.cpp - a report from whatever holds one -----------------===//
//
// What a file is shows in its first bytes, never in its name, so that the one message about a file
// of the wrong kind says what would have been right.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/ReportInput.h"

#include "codegen/package/Manifest.h"
#include "codegen/package/OutputFile.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Packaging.h"
#include "compiler/inspect/Json.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace stoop::driver {

namespace {
enum class InputKind { Program, Ir, Report, Checkpoint, Unknown };
} // namespace

/// True for text that could be IR of Stoop's, well-formed or not.
static bool looksLikeIr(llvm::StringRef text) {
  if (text.contains('\0'))
    return text.starts_with("ML\xefR"); // bytecode
  for (llvm::StringRef mark : {"module", "lm.model", "plan.program", "#loc"})
    if (text.contains(mark))
      return true;
  return false;
}

static InputKind kindOf(llvm::StringRef content) {
  if (llvm::identify_magic(content) != llvm::file_magic::unknown && content.starts_with("\x7f"
                                                                                        "ELF"))
    return InputKind::Program;
  if (content.ltrim().starts_with("{"))
    return InputKind::Report;
  return looksLikeIr(content) ? InputKind::Ir : InputKind::Unknown;
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
  auto value = llvm::json::parse(text);
  if (value && value->getAsObject() && value->getAsObject()->get("model_type"))
    return fail(session, "'" + path + "' is a checkpoint's configuration: give its directory");
  if (!value)
    llvm::consumeError(value.takeError());
  auto parsed = inspect::parseReport(text, "report '" + path + "'");
  if (!parsed)
    return fail(session, llvm::toString(parsed.takeError()));
  report = std::move(*parsed);
  return ExitOk;
}

int loadReport(Session &session, const ModelOptions &model, const CompileOptions &options,
               llvm::json::Object flags, llvm::json::Object &report) {
  const std::string &path = model.checkpoint;
  if (!llvm::sys::fs::exists(path))
    return fail(session, "'" + path + "' does not exist");
  auto kind = InputKind::Checkpoint;
  std::unique_ptr<llvm::MemoryBuffer> content;
  if (!llvm::sys::fs::is_directory(path)) {
    auto file =
        llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!file)
      return fail(session, "cannot read '" + path + "': " + file.getError().message());
    content = std::move(*file);
    kind = kindOf(content->getBuffer());
  }
  if (kind == InputKind::Unknown)
    return fail(session, "'" + path +
                             "' is no program made by stoop, no IR, no report and no checkpoint "
                             "directory");
  const llvm::json::Array *given = flags.getArray("used");
  if ((kind == InputKind::Program || kind == InputKind::Report) && given && !given->empty())
    return fail(session,
                (*given)[0].getAsObject()->getString("key").value_or("") + " does not apply to '" +
                    path + "': it is compiled already",
                ExitUsage);
  if (kind == InputKind::Program)
    return fromProgram(session, path, report);
  if (kind == InputKind::Report)
    return fromJson(session, path, content->getBuffer(), report);
  Compilation compilation(session, model, options, std::move(flags));
  if (int code = compilation.configure())
    return code;
  if (failed(kind == InputKind::Checkpoint ? compilation.fromCheckpoint(Phase::Planned)
                                           : compilation.fromFile(path, Phase::Planned)))
    return compilation.failureCode();
  report = makeReport(compilation.module());
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
