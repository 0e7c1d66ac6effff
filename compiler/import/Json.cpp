//===- Json.cpp - Strict JSON with duplicate-key detection -----------------===//
//
// A SAX handler builds the document, because the library's own DOM parser lets the last of two
// equal keys win silently. The handler never throws; the first problem stops the parser.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Json.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

Error fileError(StringRef file, const Twine &message) {
  return createStringError(Twine(file) + ": " + message);
}

namespace {

class StrictBuilder : public json::json_sax_t {
public:
  json document;
  std::string problem;

  bool null() override { return add(json(nullptr)); }
  bool boolean(bool value) override { return add(json(value)); }
  bool number_integer(number_integer_t value) override { return add(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(json(value)); }
  bool number_float(number_float_t value, const string_t &) override { return add(json(value)); }
  bool string(string_t &value) override { return add(json(std::move(value))); }
  bool binary(binary_t &) override { return fail("binary value"); }

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &name) override {
    json *object = stack.back();
    if (object->contains(name))
      return fail("key '" + name + "' occurs twice in one object");
    pendingKey = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string &, const json::exception &error) override {
    // The library's text begins with its own error number in brackets, which tells a user nothing.
    StringRef text = error.what();
    return fail("not valid JSON: " + text.substr(text.find("] ") + 2).str());
  }

private:
  static constexpr size_t maxDepth = 64;

  bool fail(std::string why) {
    problem = std::move(why);
    return false;
  }

  json *place(json &&value) {
    if (stack.empty()) {
      document = std::move(value);
      return &document;
    }
    json *parent = stack.back();
    if (parent->is_array()) {
      parent->push_back(std::move(value));
      return &parent->back();
    }
    json &slot = (*parent)[pendingKey];
    slot = std::move(value);
    return &slot;
  }

  bool add(json &&value) {
    place(std::move(value));
    return true;
  }

  bool open(json &&container) {
    if (stack.size() == maxDepth)
      return fail("nested deeper than " + std::to_string(maxDepth) + " levels");
    stack.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack.pop_back();
    return true;
  }

  std::vector<json *> stack;
  std::string pendingKey;
};

} // namespace

Expected<json> parseJson(StringRef text, StringRef file) {
  StrictBuilder builder;
  bool ok = json::sax_parse(text.begin(), text.end(), &builder);
  if (ok)
    return std::move(builder.document);
  return fileError(file, builder.problem.empty() ? "not valid JSON" : builder.problem);
}

Expected<json> parseJsonObject(StringRef text, StringRef file) {
  Expected<json> document = parseJson(text, file);
  if (document && !document->is_object())
    return fileError(file, "must hold a JSON object, not " + Twine(document->type_name()));
  return document;
}

Expected<std::string> readTextFile(StringRef path, uint64_t maxBytes) {
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(path, size))
    return fileError(path, "cannot be read: " + code.message());
  if (sys::fs::is_directory(path))
    return fileError(path, "is a directory, not a file");
  if (size > maxBytes)
    return fileError(path, "is " + Twine(size) + " bytes long; the limit for a text file is " +
                               Twine(maxBytes));
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return fileError(path, "cannot be read: " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

std::string brief(const json &value) {
  // Invalid UTF-8 cannot come from parseJson; `replace` keeps even a foreign value from throwing.
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 80)
    text = text.substr(0, 77) + "...";
  return text;
}

} // namespace stoop::importer
