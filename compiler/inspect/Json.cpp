//===- Json.cpp - reading reports without fuss ----------------------------===//
#include "compiler/inspect/Json.h"

#include "compiler/inspect/Schema.h"
#include "compiler/inspect/Text.h"
#include "passes/report/ModelPaths.h"
#include "passes/report/ProgramReport.h"

namespace stoop::inspect {

std::string scalarText(const json::Value &value) {
  if (auto text = value.getAsString())
    return text->str();
  if (auto integer = value.getAsInteger())
    return std::to_string(*integer);
  std::string text;
  if (const json::Array *array = value.getAsArray()) {
    for (const json::Value &element : *array)
      text += (text.empty() ? "" : ", ") + scalarText(element);
    return text;
  }
  llvm::raw_string_ostream(text) << value;
  return text;
}

std::string producerPath(const json::Object &verdict) {
  std::string path = textAt(objectAt(verdict, "producer"), "path");
  int64_t distance = numberAt(verdict, "layer_distance");
  if (distance == 0)
    return path;
  return report::withLayer(path, distance > 0 ? "*-" + std::to_string(distance)
                                              : "*+" + std::to_string(-distance));
}

llvm::Expected<json::Object> parseReport(llvm::StringRef text, const std::string &origin) {
  llvm::Expected<json::Value> value = json::parse(text);
  if (!value) {
    llvm::consumeError(value.takeError());
    return llvm::createStringError(origin + " is damaged: it is no JSON");
  }
  json::Object *object = value->getAsObject();
  std::optional<int64_t> version = object ? object->getInteger("schema_version") : std::nullopt;
  if (!version)
    return llvm::createStringError(origin + " is damaged: it has no schema_version");
  if (*version > report::kSchemaVersion)
    return llvm::createStringError(
        origin + " has schema version " + std::to_string(*version) +
        " and this stoop reads up to " + std::to_string(report::kSchemaVersion) +
        ": inspect it with the stoop that made it" +
        (objectAt(*object, "provenance").empty()
             ? std::string()
             : ", version " +
                   printable(textAt(objectAt(*object, "provenance"), "stoop_version"))));
  if (llvm::Error wrong = checkAgainstSchema(*object))
    return llvm::createStringError(origin + " is damaged: " + llvm::toString(std::move(wrong)));
  return std::move(*object);
}

} // namespace stoop::inspect
