// What the user gives: files, stdin, lists of ids, escapes.
#ifndef STOOP_RUNTIME_APP_INPUT_H_
#define STOOP_RUNTIME_APP_INPUT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace stoop::app {

// Whole content of a file; "-" is stdin. Throws Failure(1) naming the file.
std::string read_file(const std::string& path);

// "1,2,3" (commas or white space, optionally in brackets) to ids; "" and "[]" are no ids. Throws Failure(1) naming
// the bad place.
std::vector<uint32_t> parse_ids(const std::string& text);

// A JSON file: an array of ids, or an object with such an array under "ids". Throws Failure(1).
std::vector<uint32_t> read_ids_json(const std::string& path);

// Expands \n \r \t \0 \\ \" \' \xHH; any other backslash stays.
std::string expand_escapes(const std::string& text);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_INPUT_H_
