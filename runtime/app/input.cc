// Reading and parsing of user input.
#include "runtime/app/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "runtime/app/console.h"
#include "runtime/app/options.h"

namespace stoop::app {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view without_blanks(std::string_view text) {
  constexpr char kBlanks[] = " \t\r\n";
  size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

std::string read_file(const std::string& path) {
  bool is_stdin = path == "-";
  int file = is_stdin ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  ssize_t count = file < 0 ? -1 : 1;
  constexpr size_t kChunk = size_t{1} << 16;
  while (count > 0) {
    size_t size = text.size();
    text.resize(size + kChunk);
    do {
      count = read(file, text.data() + size, kChunk);
    } while (count < 0 && errno == EINTR && !interrupted());
    text.resize(size + (count > 0 ? static_cast<size_t>(count) : 0));
  }
  int error = errno;
  if (!is_stdin && file >= 0) close(file);
  if (interrupted()) throw Failure(kExitInterrupted, "interrupted");
  if (count < 0)
    throw Failure(kExitBadInput,
                  "cannot read " + (is_stdin ? "stdin" : path) + ": " + strerror(error));
  return text;
}

std::vector<uint32_t> parse_ids(const std::string& text) {
  std::string_view rest = without_blanks(text);
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']')
    rest = without_blanks(rest.substr(1, rest.size() - 2));
  std::vector<uint32_t> ids;
  while (!rest.empty()) {
    uint32_t id = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), id);
    size_t digits = static_cast<size_t>(end - rest.data());
    std::string_view next = without_blanks(rest.substr(digits));
    bool apart = digits + next.size() < rest.size(), comma = !next.empty() && next.front() == ',';
    if (comma) next = without_blanks(next.substr(1));
    // Two ids need a comma or a blank between them, and a comma needs an id behind it.
    if (error != std::errc() || (comma ? next.empty() : !next.empty() && !apart))
      throw Failure(kExitBadInput, "token ids are a comma list of numbers, not '" +
                                       std::string(rest.substr(0, 20)) + "'");
    ids.push_back(id);
    rest = next;
  }
  return ids;
}

std::vector<uint32_t> read_ids_json(const std::string& path) {
  using nlohmann::json;
  std::string text = read_file(path), name = path == "-" ? "stdin" : path;
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    // Behind the last byte: the text is a beginning of JSON.
    std::string where = error.byte > text.size()
                            ? "it ends too early"
                            : "the mistake is at byte " + std::to_string(error.byte);
    throw Failure(kExitBadInput, name + " is not JSON: " + where + ", of " +
                                     std::to_string(text.size()) + " bytes");
  }
  const json* array = &document;
  if (document.is_object()) {
    auto found = document.find("ids");
    if (found == document.end())
      throw Failure(kExitBadInput, name + ": the object has no key \"ids\"");
    array = &*found;
  }
  if (!array->is_array()) throw Failure(kExitBadInput, name + ": not an array of token ids");
  std::vector<uint32_t> ids;
  ids.reserve(array->size());
  for (const json& id : *array) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > UINT32_MAX)
      throw Failure(kExitBadInput, name + ": entry " + std::to_string(ids.size()) +
                                       " is no token id: " +
                                       id.dump(-1, ' ', false, json::error_handler_t::replace));
    ids.push_back(id.get<uint32_t>());
  }
  return ids;
}

std::string expand_escapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (char c = text[++i]) {
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case '\\':
      case '"':
      case '\'':
        out += c;
        break;
      case 'x':
        if (i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
          out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
          i += 2;
          break;
        }
        [[fallthrough]];
      default:
        out += '\\';
        out += c;
    }
  }
  return out;
}

}  // namespace stoop::app
