//===- Json.h - reading reports without fuss --------------------*- C++ -*-===//
//
// A report may lack what older or newer programs have: absent keys read as empty.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_INSPECT_JSON_H
#define STOOP_COMPILER_INSPECT_JSON_H

#include "llvm/Support/JSON.h"

#include <map>
#include <string>

namespace stoop::inspect {

namespace json = llvm::json;

inline const json::Object &emptyObject() {
  static const json::Object empty;
  return empty;
}
inline const json::Object &asObject(const json::Value &value) {
  const json::Object *object = value.getAsObject();
  return object ? *object : emptyObject();
}
inline const json::Object &objectAt(const json::Object &object, llvm::StringRef key) {
  const json::Object *member = object.getObject(key);
  return member ? *member : emptyObject();
}
inline const json::Array &listAt(const json::Object &object, llvm::StringRef key) {
  static const json::Array empty;
  const json::Array *member = object.getArray(key);
  return member ? *member : empty;
}
inline std::string textAt(const json::Object &object, llvm::StringRef key) {
  return object.getString(key).value_or("").str();
}
inline int64_t numberAt(const json::Object &object, llvm::StringRef key) {
  return object.getInteger(key).value_or(0);
}

/// Members in the order of their keys; an object itself has none.
inline std::map<llvm::StringRef, const json::Value *> sortedMembers(const json::Object &object) {
  std::map<llvm::StringRef, const json::Value *> sorted;
  for (const auto &member : object)
    sorted.emplace(member.first, &member.second);
  return sorted;
}

/// Text of a scalar, lists joined by commas; anything else as JSON.
std::string scalarText(const json::Value &value);

/// A verdict's producer, seen from its consumer: "layers.*-1.residual" lies one layer before.
std::string producerPath(const json::Object &verdict);

/// A report from JSON text, checked against the schema. `origin` names the file in messages. Errors:
/// no JSON, no report, a schema that is newer than this stoop's.
llvm::Expected<json::Object> parseReport(llvm::StringRef text, const std::string &origin);

} // namespace stoop::inspect

#endif
