//===- DatabaseProvider.cpp - schedules that were measured ----------------===//
//
// Looks for the exact number of rows first, then for the nearest one that the same kernel serves. A
// record counts only if the device, its processors, the level and the kernel library are those it was
// measured with; where nothing was measured, predictions for the level and the library do.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/DatabaseProvider.h"

#include "kernels/common/scratch.h"
#include "passes/schedule/GpuProvider.h"
#include "passes/tuning/Fingerprint.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace stoop::schedule {

llvm::Expected<DatabaseProvider> DatabaseProvider::read(const std::string &path,
                                                        const TargetInfo &target,
                                                        tuning::Setting setting) {
  llvm::Expected<tuning::TuningDatabase> database = tuning::TuningDatabase::read(path);
  return database ? of(std::move(*database), path, target, std::move(setting)) : database.takeError();
}

llvm::Expected<DatabaseProvider> DatabaseProvider::of(tuning::TuningDatabase database, const std::string &path,
                                                      const TargetInfo &target, tuning::Setting setting) {
  // One file may hold records of several targets.
  database.keep([&](const tuning::Entry &entry) {
    const TargetInfo *owner = targetOfLevel(entry.setting.level);
    return !owner || owner == &target;
  });
  DatabaseProvider provider(std::move(database), target, std::move(setting));
  if (llvm::Error error = provider.check(path))
    return error;
  return provider;
}

llvm::Error DatabaseProvider::check(const std::string &path) const {
  for (const tuning::Entry &entry : database.entries()) {
    if (!entry.holdsFor(setting))
      continue;
    const TemplateInfo *kernel = target.findTemplate(entry.kernelTemplate);
    SmallVector<std::pair<StringRef, int64_t>> values(entry.tunables.begin(), entry.tunables.end());
    std::string problem = !kernel ? "target '" + target.name.str() + "' has no such template"
                                  : kernel->whyNot(values, entry.rows);
    if (!problem.empty())
      return llvm::createStringError("tuning database '" + path + "': " + entry.describe() + ": " +
                                     problem);
  }
  return llvm::Error::success();
}

static plan::ScheduleAttr scheduleOf(const tuning::Entry &entry, MLIRContext *context) {
  Builder builder(context);
  SmallVector<NamedAttribute> tunables;
  for (const auto &[name, value] : entry.tunables)
    tunables.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  auto number = [&](StringRef name, uint64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value)));
  };
  DictionaryAttr evidence = builder.getDictionaryAttr({number("chosen_ns", entry.measured.median),
                                                       number("heuristic_ns", entry.heuristic.median),
                                                       number("rows", entry.rows), number("launches", entry.launches)});
  return plan::ScheduleAttr::get(context, entry.kernelTemplate, entry.predicted ? "predicted" : "tuned",
                                 builder.getDictionaryAttr(tunables), evidence);
}

/// The template that the region gets whatever was measured: only its tunables are searched.
const TemplateInfo *DatabaseProvider::templateOf(lm::FusedOp fused) const {
  if (!target.multiprocessors)
    return target.templateForKind(fused.getKind());
  plan::ScheduleAttr schedule = GpuProvider(target).choose(fused);
  return schedule ? target.findTemplate(schedule.getTemplateName()) : nullptr;
}

const tuning::Entry *DatabaseProvider::find(lm::FusedOp fused) const {
  const TemplateInfo *kernel = templateOf(fused);
  auto model = fused->getParentOfType<lm::ModelOp>();
  if (!kernel || kernel->tunables.empty() || !model)
    return nullptr;
  int64_t rows = regionRows(fused);
  auto sameKernel = [&](int64_t measured) {
    return rows > kernels::kGemvRows && measured > kernels::kGemvRows;
  };
  const tuning::Entry *entry =
      database.find(setting, kernel->name, tuning::fingerprint(fused.getBody(), model.getMetadata()), rows, sameKernel);
  // What other rows were measured with need not be; and a file may have been edited.
  bool isLegal = entry && whyNotLegal(fused, scheduleOf(*entry, fused.getContext())).empty();
  return isLegal ? entry : nullptr;
}

plan::ScheduleAttr DatabaseProvider::choose(lm::FusedOp fused) const {
  const tuning::Entry *entry = find(fused);
  return entry ? scheduleOf(*entry, fused.getContext()) : plan::ScheduleAttr();
}

std::string DatabaseProvider::whyMissed(lm::FusedOp fused) const {
  const TemplateInfo *kernel = templateOf(fused);
  if (!kernel || kernel->tunables.empty() || find(fused))
    return "";
  if (!isUsable())
    return whyUnusable();
  auto model = fused->getParentOfType<lm::ModelOp>();
  return "region " + (model ? tuning::fingerprint(fused.getBody(), model.getMetadata()) : "") +
         " was not measured with " + std::to_string(regionRows(fused)) +
         (regionRows(fused) == 1 ? " row" : " rows");
}

bool DatabaseProvider::isUsable() const {
  return llvm::any_of(database.entries(), [&](const tuning::Entry &entry) { return entry.holdsFor(setting); });
}

bool DatabaseProvider::isPredicted() const {
  return llvm::none_of(database.entries(),
                       [&](const tuning::Entry &entry) { return !entry.predicted && entry.holdsFor(setting); });
}

std::string DatabaseProvider::whyUnusable() const {
  if (database.entries().empty())
    return "it has no measurements";
  // What the best record gets wrong first.
  auto agrees = [&](auto member) {
    return llvm::any_of(database.entries(), [&](const tuning::Entry &entry) {
      return entry.setting.*member == setting.*member;
    });
  };
  const tuning::Setting &other = database.entries().front().setting;
  if (!agrees(&tuning::Setting::device))
    return "it was measured on " + other.device + ", this is " + setting.device;
  if (!agrees(&tuning::Setting::level))
    return (target.multiprocessors ? "it was measured for architecture " : "it was measured at CPU level ") +
           other.level + ", not " + setting.level;
  if (!agrees(&tuning::Setting::processors))
    return "it was measured with " + std::to_string(other.processors) +
           (target.multiprocessors ? " multiprocessors, this GPU has " : " processors, this machine has ") +
           std::to_string(setting.processors);
  return "it was measured with other kernels than this version's";
}

} // namespace stoop::schedule
