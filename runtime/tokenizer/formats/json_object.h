// Strict reading of JSON objects: every key is asked for, or finish() refuses it by name.
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_JSON_OBJECT_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_JSON_OBJECT_H

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "runtime/tokenizer/formats/description.h"

namespace stoop::rt::formats {

/// Parses a file's text; duplicated keys and syntax errors throw import_error with the file's name.
nlohmann::json parse_json(const std::string& file, std::string_view text);

/// A value as it is quoted in messages: compact JSON, cut after 60 bytes.
std::string quote_json(const nlohmann::json& value);

/// One object of a file. All functions throw import_error that names file, key, value and
/// expectation.
class json_object {
 public:
  /// `where` is the path for messages, "tokenizer.json: model". `value` must outlive the reader.
  json_object(const nlohmann::json& value, std::string where);

  const std::string& where() const { return where_; }
  /// The value of a key, or null when it is absent; marks the key as read.
  const nlohmann::json* find(const std::string& key);
  /// The value of a key that must be there.
  const nlohmann::json& at(const std::string& key);
  bool get_bool(const std::string& key, bool fallback);
  std::string get_string(const std::string& key);
  /// Refuses any value of `key` but null and `accepted` (compact JSON, "false" or "\"\"").
  void require_default(const std::string& key, std::initializer_list<const char*> accepted);
  /// Marks a key as read without looking at it: its value has no effect on ids or text.
  void ignore(const std::string& key) { read_.insert(key); }
  bool was_read(const std::string& key) const { return read_.count(key) != 0; }
  /// Throws for the first key that nobody asked for.
  void finish();

  /// Throws: `key` of this object has `value`, supported is `supported`.
  [[noreturn]] void refuse(const std::string& key, const nlohmann::json& value,
                           const std::string& supported) const;

 private:
  const nlohmann::json& value_;
  std::string where_;
  std::set<std::string> read_;
};

}  // namespace stoop::rt::formats

#endif
