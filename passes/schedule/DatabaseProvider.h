//===- DatabaseProvider.h - schedules that were measured ------------------===//
#ifndef STOOP_PASSES_SCHEDULE_DATABASEPROVIDER_H
#define STOOP_PASSES_SCHEDULE_DATABASEPROVIDER_H

#include "passes/schedule/ScheduleProvider.h"
#include "passes/schedule/TargetInfo.h"
#include "passes/tuning/TuningDatabase.h"

namespace stoop::schedule {

/// Schedules from the records of a tuning database that hold for one setting; knows none for regions
/// that were not measured there.
class DatabaseProvider final : public ScheduleProvider {
public:
  /// Reads a file. Fails for a damaged one, and for a record of this setting that names a template or
  /// tunable that the target lacks or a value out of bounds. `target` must outlive the provider.
  static llvm::Expected<DatabaseProvider> read(const std::string &path, const TargetInfo &target,
                                               tuning::Setting setting);
  /// The same of records that were read from `path`.
  static llvm::Expected<DatabaseProvider> of(tuning::TuningDatabase database, const std::string &path,
                                             const TargetInfo &target, tuning::Setting setting);

  plan::ScheduleAttr choose(lm::FusedOp fused) const override;

  /// Whether `choose` looked for the region and why it found nothing, for a remark; empty for regions of
  /// templates without tunables.
  std::string whyMissed(lm::FusedOp fused) const;

  /// Whether any record holds for the setting.
  bool isUsable() const;
  /// Whether none of those that do was measured.
  bool isPredicted() const;
  /// Why none does: what the records' settings differ in.
  std::string whyUnusable() const;

private:
  DatabaseProvider(tuning::TuningDatabase database, const TargetInfo &target,
                   tuning::Setting setting)
      : database(std::move(database)), target(target), setting(std::move(setting)) {}
  const TemplateInfo *templateOf(lm::FusedOp fused) const;
  const tuning::Entry *find(lm::FusedOp fused) const;
  llvm::Error check(const std::string &path) const;

  tuning::TuningDatabase database;
  const TargetInfo &target;
  tuning::Setting setting;
};

} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_DATABASEPROVIDER_H
