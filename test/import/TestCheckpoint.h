//===- TestCheckpoint.h - Small random checkpoints for tests ----*- C++ -*-===//
//
// Writes checkpoints in Hugging Face layout: a config from key = JSON pairs and tensors with seeded
// random or given values. Each object owns a fresh directory under the build tree and removes it.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_IMPORT_TESTCHECKPOINT_H
#define STOOP_TEST_IMPORT_TESTCHECKPOINT_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace stoop::test {

/// A tensor to be written; `data` are its raw bytes.
struct RawTensor {
  std::string dtype = "F32";
  std::vector<uint64_t> shape;
  std::string data;
};

/// The bytes of a safetensors file: header, then tensors in the order of `tensors`.
std::string safetensorsBytes(const std::vector<std::pair<std::string, RawTensor>> &tensors);
/// A file of an arbitrary header text and data.
std::string safetensorsBytes(llvm::StringRef header, llvm::StringRef data);

class TestDirectory {
public:
  TestDirectory();
  ~TestDirectory();
  TestDirectory(const TestDirectory &) = delete;
  TestDirectory &operator=(const TestDirectory &) = delete;

  const std::string &path() const { return root; }
  std::string file(llvm::StringRef name) const { return root + "/" + name.str(); }
  void write(llvm::StringRef name, llvm::StringRef content) const;

private:
  std::string root;
};

/// A checkpoint in the making: change `config` and `tensors`, then save().
class TestCheckpoint {
public:
  nlohmann::json config;
  std::map<std::string, RawTensor> tensors;

  /// Random float32 values in (-1, 1).
  void add(const std::string &name, std::vector<uint64_t> shape);
  /// config.json and model.safetensors.
  void save(const TestDirectory &directory) const;

  /// All tensors that a Falcon of these config values has, by the tables of the model's
  /// description: written independently of the importer.
  static TestCheckpoint falcon(const nlohmann::json &config, uint32_t seed);
  static TestCheckpoint llama(const nlohmann::json &config, uint32_t seed);

private:
  std::mt19937 random;
};

} // namespace stoop::test

#endif // STOOP_TEST_IMPORT_TESTCHECKPOINT_H
