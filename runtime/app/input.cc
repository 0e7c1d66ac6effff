// Reading and parsing of user input.
#include "runtime/app/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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
  std::vector<uint32_t> ids;
  size_t i = 0;
  auto skip = [&](const char* these) {
    while (i < text.size() && strchr(these, text[i])) ++i;
  };
  for (skip(" \t\r\n["); i < text.size(); skip(", \t\r\n]")) {
    size_t start = i;
    uint64_t id = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && id <= UINT32_MAX; ++i)
      id = id * 10 + static_cast<uint64_t>(text[i] - '0');
    if (i == start || id > UINT32_MAX ||
        (i < text.size() && !strchr(", \t\r\n]", text[i]))) {
      throw Failure(kExitBadInput, "token ids are a comma list of numbers, not '" +
                                       text.substr(start, 20) + "'");
    }
    ids.push_back(static_cast<uint32_t>(id));
  }
  return ids;
}

std::vector<uint32_t> read_ids_json(const std::string& path) {
  std::string text = read_file(path);
  try {
    nlohmann::json document = nlohmann::json::parse(text);
    const nlohmann::json& array = document.is_object() ? document.at("ids") : document;
    std::vector<uint32_t> ids;
    ids.reserve(array.size());
    for (const nlohmann::json& id : array) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > UINT32_MAX)
        throw Failure(kExitBadInput, path + ": entry " + std::to_string(ids.size()) +
                                         " is no token id: " + id.dump());
      ids.push_back(id.get<uint32_t>());
    }
    if (!array.is_array()) throw Failure(kExitBadInput, path + ": not an array of token ids");
    return ids;
  } catch (const nlohmann::json::exception& error) {
    throw Failure(kExitBadInput, path + ": " + error.what());
  }
}

std::string expand_escapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (char c = text[++i]) {
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case '0': out += '\0'; break;
      case '\\':
      case '"':
      case '\'': out += c; break;
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
