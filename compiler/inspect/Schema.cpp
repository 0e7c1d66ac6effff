//===- Schema.cpp - JSON against the schema of reports --------------------===//
//
// The schema file is in the program, so that there is one definition of a report. Knows the keywords
// that the file uses: type, required, properties, additionalProperties with a schema, items,
// prefixItems, minItems, minimum, maximum, exclusiveMinimum, minLength, const, enum, anyOf, allOf,
// $ref. test/inspect checks the file with a full implementation.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Schema.h"

#include "compiler/inspect/Json.h"
#include "compiler/inspect/Text.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

extern "C" const char stoop_report_schema[], stoop_report_schema_end[];

namespace stoop::inspect {

static const json::Object &schemaFile() {
  static const json::Value file =
      llvm::cantFail(json::parse({stoop_report_schema,
                                  size_t(stoop_report_schema_end - stoop_report_schema)}));
  return asObject(file);
}

/// What a `$ref` stands for, or the schema itself.
static const json::Object &resolved(const json::Object &schema) {
  llvm::StringRef name = schema.getString("$ref").value_or("");
  if (!name.consume_front("#/$defs/"))
    return schema;
  return objectAt(objectAt(schemaFile(), "$defs"), name);
}

static bool hasType(const json::Value &value, llvm::StringRef type) {
  switch (value.kind()) {
  case json::Value::Null:
    return type == "null";
  case json::Value::Boolean:
    return type == "boolean";
  case json::Value::Number:
    return type == "number" || (type == "integer" && value.getAsInteger());
  case json::Value::String:
    return type == "string";
  case json::Value::Array:
    return type == "array";
  case json::Value::Object:
    return type == "object";
  }
  llvm_unreachable("all kinds are handled");
}

/// Alternatives as a list: "type" may be one or several.
static json::Array listOf(const json::Value *value) {
  if (!value)
    return {};
  const json::Array *list = value->getAsArray();
  return list ? *list : json::Array{*value};
}

static std::string joined(const json::Array &alternatives) {
  std::string text;
  for (const json::Value &value : alternatives)
    text += (text.empty() ? "" : " or ") + scalarText(value);
  return text;
}

/// "integer of at least 0": what a schema wants, in words.
static std::string expectedText(const json::Object &reference) {
  const json::Object &schema = resolved(reference);
  if (const json::Value *only = schema.get("const"))
    return scalarText(*only);
  if (const json::Array *names = schema.getArray("enum"))
    return joined(*names);
  std::string text;
  for (const json::Value &alternative : listAt(schema, "anyOf"))
    text += (text.empty() ? "" : " or ") + expectedText(asObject(alternative));
  text += joined(listOf(schema.get("type")));
  for (auto [key, words] :
       {std::pair("minimum", " of at least "), std::pair("exclusiveMinimum", " above "),
        std::pair("maximum", ", at most "), std::pair("minItems", " with a length of at least "),
        std::pair("minLength", " with a length of at least ")})
    if (const json::Value *limit = schema.get(key))
      text += words + scalarText(*limit);
  return llvm::StringRef(text).ltrim().str();
}

/// A value as it stands in the file, cut to a few words.
static std::string actualText(const json::Value &value) {
  constexpr size_t kColumns = 40;
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return shortened(text, kColumns);
}

static bool isInRange(const json::Value &value, const json::Object &schema) {
  auto limit = [&](llvm::StringRef key) { return schema.getNumber(key); };
  if (auto number = value.getAsNumber())
    return (!limit("minimum") || *number >= *limit("minimum")) &&
           (!limit("maximum") || *number <= *limit("maximum")) &&
           (!limit("exclusiveMinimum") || *number > *limit("exclusiveMinimum"));
  if (auto text = value.getAsString())
    return !limit("minLength") || double(text->size()) >= *limit("minLength");
  if (const json::Array *list = value.getAsArray())
    return !limit("minItems") || double(list->size()) >= *limit("minItems");
  return true;
}

/// What is wrong with `value` at `path`; empty if nothing.
static std::string check(const json::Value &value, const json::Object &reference,
                         const std::string &path);

static std::string checkMembers(const json::Object &object, const json::Object &schema,
                                const std::string &path) {
  auto below = [&](llvm::StringRef key) { return (path.empty() ? "" : path + ".") + key.str(); };
  for (const json::Value &key : listAt(schema, "required"))
    if (!object.get(scalarText(key)))
      return below(scalarText(key)) + ": is missing";
  const json::Object &known = objectAt(schema, "properties");
  const json::Object *others = schema.getObject("additionalProperties");
  for (const auto &[key, member] : sortedMembers(object)) {
    const json::Object *own = known.getObject(key);
    if (!own)
      own = others;
    if (std::string wrong = own ? check(*member, *own, below(key)) : ""; !wrong.empty())
      return wrong;
  }
  return "";
}

static std::string checkElements(const json::Array &array, const json::Object &schema,
                                 const std::string &path) {
  const json::Array &first = listAt(schema, "prefixItems");
  const json::Object *others = schema.getObject("items");
  if (!first.empty() && !others && array.size() > first.size())
    return path + ": expected " + std::to_string(first.size()) + " entries, got " +
           std::to_string(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const json::Object *own = i < first.size() ? first[i].getAsObject() : others;
    std::string place = path + "[" + std::to_string(i) + "]";
    if (std::string wrong = own ? check(array[i], *own, place) : ""; !wrong.empty())
      return wrong;
  }
  return "";
}

static std::string check(const json::Value &value, const json::Object &reference,
                         const std::string &path) {
  const json::Object &schema = resolved(reference);
  const json::Array types = listOf(schema.get("type"));
  const json::Value *only = schema.get("const");
  const json::Array *names = schema.getArray("enum");
  bool fits = (types.empty() || llvm::any_of(types, [&](const json::Value &type) {
                 return hasType(value, scalarText(type));
               })) &&
              (!only || *only == value) && (!names || llvm::is_contained(*names, value)) &&
              isInRange(value, schema);
  const json::Array &alternatives = listAt(schema, "anyOf");
  fits &= alternatives.empty() || llvm::any_of(alternatives, [&](const json::Value &alternative) {
            return check(value, asObject(alternative), path).empty();
          });
  if (!fits)
    return path + ": expected " + expectedText(schema) + ", got " + actualText(value);
  for (const json::Value &part : listAt(schema, "allOf"))
    if (std::string wrong = check(value, asObject(part), path); !wrong.empty())
      return wrong;
  if (const json::Object *object = value.getAsObject())
    return checkMembers(*object, schema, path);
  if (const json::Array *array = value.getAsArray())
    return checkElements(*array, schema, path);
  return "";
}

/// What a schema cannot say: that launches name kernels that the report has.
static std::string checkKernelNames(const json::Object &report) {
  llvm::StringSet<> known;
  for (const json::Value &kernel : listAt(report, "kernels"))
    known.insert(textAt(asObject(kernel), "name"));
  for (const json::Value &entry : listAt(report, "entries"))
    for (const json::Value &group : listAt(asObject(entry), "groups"))
      for (const json::Value &launch : listAt(asObject(group), "launches"))
        if (std::string name = textAt(asObject(launch), "kernel"); !known.contains(name))
          return "entry '" + textAt(asObject(entry), "name") + "': a launch names kernel '" + name +
                 "', which the report's kernels lack";
  return "";
}

/// Likewise: layers in order, and as many as a group counts.
static std::string checkLayers(const json::Object &object, const std::string &path) {
  const json::Array &layers = listAt(object, "layers");
  if (layers.empty())
    return "";
  int64_t first = *layers[0].getAsInteger(), last = *layers[1].getAsInteger();
  if (last < first)
    return path + ".layers: expected first and last, got " + actualText(*object.get("layers"));
  if (object.get("launches") && numberAt(object, "count") != last - first + 1)
    return path + ".count: expected " + std::to_string(last - first + 1) + " as of its layers, got " +
           std::to_string(numberAt(object, "count"));
  return "";
}

static std::string checkAllLayers(const json::Object &report) {
  auto each = [](const json::Array &list, const std::string &path, auto check) {
    for (size_t i = 0; i < list.size(); ++i)
      if (std::string wrong = check(asObject(list[i]), path + "[" + std::to_string(i) + "]");
          !wrong.empty())
        return wrong;
    return std::string();
  };
  std::string wrong = each(listAt(report, "entries"), "entries",
                           [&](const json::Object &entry, const std::string &path) {
                             return each(listAt(entry, "groups"), path + ".groups", checkLayers);
                           });
  for (llvm::StringRef kind : {"passed", "missed"})
    if (wrong.empty())
      wrong = each(listAt(objectAt(report, "fusion"), kind), ("fusion." + kind).str(), checkLayers);
  return wrong;
}

llvm::Error checkAgainstSchema(const json::Object &report) {
  std::string wrong = check(json::Object(report), schemaFile(), "");
  if (wrong.empty())
    wrong = checkAllLayers(report);
  if (wrong.empty())
    wrong = checkKernelNames(report);
  return wrong.empty() ? llvm::Error::success() : llvm::createStringError(printable(wrong));
}

} // namespace stoop::inspect
