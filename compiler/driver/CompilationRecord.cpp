//===- CompilationRecord.cpp - what IR remembers of its command line ------===//
//
// Metadata `options` is every flag that shapes the program with its value, `ledger.flags` what
// became of each flag, `levels` what the target calls them.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/CompilationRecord.h"

#include "ir/lm/LmOps.h"
#include "ir/plan/PlanOps.h"

using namespace mlir;
namespace json = llvm::json;

namespace stoop::driver {

static Attribute toAttribute(Builder &builder, const json::Value &value) {
  if (auto text = value.getAsString())
    return builder.getStringAttr(*text);
  if (const json::Array *list = value.getAsArray())
    return builder.getArrayAttr(llvm::map_to_vector(
        *list, [&](const json::Value &element) { return toAttribute(builder, element); }));
  NamedAttrList members;
  if (const json::Object *object = value.getAsObject())
    for (const auto &[key, member] : *object)
      members.set(llvm::StringRef(key), toAttribute(builder, member));
  return members.getDictionary(builder.getContext());
}

/// Each flag's value, given or default, under its name without dashes.
static NamedAttrList chosenOptions(Builder &builder, const json::Object &flags,
                                   llvm::ArrayRef<llvm::StringRef> fates) {
  NamedAttrList options;
  for (llvm::StringRef fate : fates)
    if (const json::Array *entries = flags.getArray(fate))
      for (const json::Value &entry : *entries)
        if (llvm::StringRef key = entry.getAsObject()->getString("key").value_or("");
            key.consume_front("--"))
          options.set(key,
                      builder.getStringAttr(entry.getAsObject()->getString("value").value_or("")));
  return options;
}

static DictionaryAttr withRecord(DictionaryAttr metadata, const json::Object &flags,
                                 llvm::ArrayRef<std::string> levels) {
  Builder builder(metadata.getContext());
  NamedAttrList all(metadata);
  NamedAttrList ledger(metadata.getAs<DictionaryAttr>("ledger"));
  auto recorded = metadata.getAs<DictionaryAttr>("options");
  const json::Array *given = flags.getArray("used");
  if (recorded && (!given || given->empty()))
    return metadata;
  NamedAttrList options =
      chosenOptions(builder, flags, {llvm::StringRef("defaulted"), llvm::StringRef("used")});
  if (recorded) { // what an earlier run decided, then what this one was told
    options = NamedAttrList(recorded);
    for (NamedAttribute option : chosenOptions(builder, flags, llvm::StringRef("used")))
      options.set(option.getName(), option.getValue());
  } else {
    ledger.set("flags", toAttribute(builder, json::Value(json::Object(flags))));
    all.set("ledger", ledger.getDictionary(builder.getContext()));
  }
  all.set("options", options.getDictionary(builder.getContext()));
  llvm::SmallVector<llvm::StringRef> names(levels.begin(), levels.end());
  all.set("levels", builder.getStrArrayAttr(names));
  return all.getDictionary(builder.getContext());
}

void recordCompilation(ModuleOp module, const json::Object &flags,
                       llvm::ArrayRef<std::string> levels) {
  for (auto model : module.getOps<lm::ModelOp>())
    model.setMetadataAttr(withRecord(model.getMetadata(), flags, levels));
  for (auto program : module.getOps<plan::ProgramOp>())
    program.setMetadataAttr(withRecord(program.getMetadata(), flags, levels));
}

} // namespace stoop::driver
