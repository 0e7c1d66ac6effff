// The nlohmann parser takes the last of several equal keys; a callback that keeps the keys of
// all open objects refuses them instead.
#include "runtime/tokenizer/formats/json_object.h"

#include <unordered_set>
#include <vector>

namespace stoop::rt::formats {

using nlohmann::json;

json parse_json(const std::string& file, std::string_view text) {
  std::vector<std::unordered_set<std::string>> open_objects;
  auto check_keys = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key &&
        !open_objects.back().insert(value.get<std::string>()).second)
      throw import_error(file + ": key " + quote_json(value) + " occurs twice in one object");
    return true;
  };
  try {
    return json::parse(text, check_keys);
  } catch (const json::exception& e) {
    throw import_error(file + ": " + e.what());
  }
}

std::string quote_json(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

json_object::json_object(const json& value, std::string where)
    : value_(value), where_(std::move(where)) {
  if (!value.is_object())
    throw import_error(where_ + " is " + quote_json(value) + ", expected an object");
}

const json* json_object::find(const std::string& key) {
  read_.insert(key);
  auto found = value_.find(key);
  return found == value_.end() ? nullptr : &*found;
}

const json& json_object::at(const std::string& key) {
  if (const json* value = find(key)) return *value;
  throw import_error(where_ + "." + key + " is missing");
}

bool json_object::get_bool(const std::string& key, bool fallback) {
  const json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(key, *value, "true or false");
  return value->get<bool>();
}

std::string json_object::get_string(const std::string& key) {
  const json& value = at(key);
  if (!value.is_string()) refuse(key, value, "a string");
  return value.get<std::string>();
}

void json_object::require_default(const std::string& key,
                                  std::initializer_list<const char*> accepted) {
  const json* value = find(key);
  if (!value || value->is_null()) return;
  std::string supported = "null";
  for (const char* text : accepted) {
    if (value->dump() == text) return;
    supported += std::string(" or ") + text;
  }
  refuse(key, *value, supported);
}

void json_object::finish() {
  for (const auto& [key, value] : value_.items())
    if (!read_.count(key))
      throw import_error(where_ + "." + key + " is " + quote_json(value) +
                         ": this key is not supported");
}

void json_object::refuse(const std::string& key, const json& value,
                         const std::string& supported) const {
  throw import_error(where_ + "." + key + " is " + quote_json(value) + "; supported: " + supported);
}

}  // namespace stoop::rt::formats
