//===- SafetensorsTest.cpp - Every violation of the format is refused ---------===//
//
// One case per rule of the safetensors format, with the message a user gets; and files that are odd
// but legal (padding, unaligned data, scalars, empty tensors), which must be read exactly.
//
//===----------------------------------------------------------------------===//
#include "TestCheckpoint.h"
#include "compiler/import/Checkpoint.h"
#include <array>
#include <gtest/gtest.h>

using namespace stoop::importer;
using namespace stoop::test;

namespace {

/// The error of parsing, without "FILE: "; "accepted" if there is none.
std::string refusal(const std::string &bytes) {
  auto tensors = parseSafetensors(bytes, "F");
  if (tensors)
    return "accepted";
  std::string text = llvm::toString(tensors.takeError());
  EXPECT_EQ(text.substr(0, 3), "F: ");
  return text.substr(3);
}

std::string refusal(llvm::StringRef header, llvm::StringRef data) {
  return refusal(safetensorsBytes(header, data));
}

/// A header of one entry 'a' with the given body.
std::string entry(const std::string &body) { return "{\"a\":" + body + "}"; }

TEST(Safetensors, Frame) {
  EXPECT_EQ(refusal(""), "is 0 bytes long; a safetensors file has at least 8");
  EXPECT_EQ(refusal("1234567"), "is 7 bytes long; a safetensors file has at least 8");
  EXPECT_EQ(
      refusal(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8)),
      "header length 100000001 is over the format's limit of 100000000 bytes: not a safetensors "
      "file, or damaged");
  EXPECT_EQ(
      refusal(std::string(8, '\xff')),
      "header length 18446744073709551615 is over the format's limit of 100000000 bytes: not a "
      "safetensors file, or damaged");
  EXPECT_EQ(refusal(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
            "header length 3 exceeds the 2 bytes that follow it: truncated file?");
  EXPECT_EQ(refusal(" {}", ""),
            "header does not begin with '{': not a safetensors file, or damaged");
  EXPECT_EQ(refusal("", ""), "header does not begin with '{': not a safetensors file, or damaged");
  EXPECT_EQ(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "is a Git LFS pointer, not the weights: fetch them with 'git lfs pull'");
}

TEST(Safetensors, Json) {
  EXPECT_NE(refusal("{\"a\"", "").find("header: not valid JSON: "), std::string::npos);
  EXPECT_NE(refusal("{}x", "").find("header: not valid JSON: "), std::string::npos);
  EXPECT_NE(refusal("{\"\xff\":1}", "").find("invalid string: ill-formed UTF-8 byte"),
            std::string::npos);
  EXPECT_NE(refusal("{\"\xed\xa0\x80\":1}", "").find("ill-formed UTF-8"), std::string::npos)
      << "a surrogate";
  EXPECT_NE(refusal("{\"\xc0\x80\":1}", "").find("ill-formed UTF-8"), std::string::npos)
      << "overlong";
  std::string one = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(refusal("{" + one + "," + one + "}", "x"),
            "header: key 'a' occurs twice in one object");
  EXPECT_EQ(refusal(entry(R"({"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]})"), "x"),
            "header: key 'dtype' occurs twice in one object");
  EXPECT_EQ(refusal("{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", ""),
            "header: key 'k' occurs twice in one object");
  EXPECT_EQ(refusal("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", ""),
            "header: nested deeper than 64 levels");
}

TEST(Safetensors, Metadata) {
  EXPECT_EQ(refusal(R"({"__metadata__":{"format":"pt"}})", ""), "accepted");
  EXPECT_EQ(refusal(R"({"__metadata__":{}})", ""), "accepted");
  EXPECT_EQ(refusal(R"({"__metadata__":{"n":1}})", ""),
            "'__metadata__' key 'n' must be a string, found 1");
  EXPECT_EQ(refusal(R"({"__metadata__":[]})", ""), "'__metadata__' must be an object, found []");
}

TEST(Safetensors, Entry) {
  EXPECT_EQ(refusal(entry("3"), ""), "tensor 'a': entry must be an object, found 3");
  EXPECT_EQ(refusal(entry(R"({"shape":[1],"data_offsets":[0,1]})"), "x"),
            "tensor 'a': 'dtype' is missing");
  EXPECT_EQ(refusal(entry(R"({"dtype":"U8","data_offsets":[0,1]})"), "x"),
            "tensor 'a': 'shape' is missing");
  EXPECT_EQ(refusal(entry(R"({"dtype":"U8","shape":[1]})"), "x"),
            "tensor 'a': 'data_offsets' is missing");
  EXPECT_EQ(refusal(entry(R"({"dtype":"Q4_K","shape":[1],"data_offsets":[0,1]})"), "x"),
            "tensor 'a': unknown dtype 'Q4_K'");
  EXPECT_EQ(refusal(entry(R"({"dtype":"bf16","shape":[1],"data_offsets":[0,2]})"), "xx"),
            "tensor 'a': unknown dtype 'bf16'");
  EXPECT_EQ(refusal(entry(R"({"dtype":8,"shape":[1],"data_offsets":[0,1]})"), "x"),
            "tensor 'a': 'dtype' must be a string, found 8");
  for (const char *size : {"-1", "1.0", "\"1\"", "null", "18446744073709551616"})
    EXPECT_NE(refusal(entry("{\"dtype\":\"U8\",\"shape\":[" + std::string(size) +
                            "],\"data_offsets\":[0,1]}"),
                      "x")
                  .find("'shape' must hold non-negative integers, found "),
              std::string::npos)
        << size;
  EXPECT_EQ(refusal(entry(R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})"), "x"),
            "tensor 'a': 'shape' must be an array, found 1");
  for (const char *offsets : {"[0]", "[0,1,2]", "[-1,1]", "[0,1.0]", "{}", "null", "[\"0\",\"1\"]"})
    EXPECT_EQ(refusal(entry("{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":" +
                            std::string(offsets) + "}"),
                      "x"),
              "tensor 'a': 'data_offsets' must be two non-negative integers, found " +
                  std::string(offsets));
  EXPECT_EQ(refusal(entry(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})"), "x"),
            "tensor 'a': 'data_offsets' [1, 0] run backwards");
}

TEST(Safetensors, Sizes) {
  EXPECT_EQ(refusal(entry(R"({"dtype":"BF16","shape":[2,3],"data_offsets":[0,10]})"), "0123456789"),
            "tensor 'a': shape [2, 3] of BF16 needs 12 bytes, 'data_offsets' hold 10");
  EXPECT_EQ(
      refusal(entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})"),
              "0123"),
      "tensor 'a': shape [4294967296, 4294967296] overflows 64 bits");
  // 2^61 float32 are 2^66 bits, which would be 0 bytes if the product wrapped.
  EXPECT_EQ(
      refusal(entry(R"({"dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,0]})"), ""),
      "tensor 'a': shape [2305843009213693952] overflows 64 bits");
  EXPECT_EQ(refusal(entry(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})"), "xx"),
            "tensor 'a': shape [3] of F4 does not fill whole bytes (12 bits)");
  EXPECT_EQ(refusal(entry(R"({"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]})"), "xxx"),
            "accepted");
}

/// Three tensors of 4 bytes at the given places in 12 bytes of data.
std::string three(std::array<int, 3> at, int dataBytes = 12) {
  std::string header = "{";
  for (int i = 0; i < 3; ++i)
    header += std::string(i ? "," : "") + "\"" + char('a' + i) +
              "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" + std::to_string(at[i]) +
              "," + std::to_string(at[i] + 4) + "]}";
  return refusal(header + "}", std::string(dataBytes, 'x'));
}

TEST(Safetensors, Tiling) {
  EXPECT_EQ(three({0, 4, 8}), "accepted");
  EXPECT_EQ(three({8, 0, 4}), "accepted");
  EXPECT_EQ(three({1, 5, 9}, 13),
            "tensor 'a': bytes 0 to 1 of the data before it belong to no tensor");
  EXPECT_EQ(three({0, 4, 9}, 13),
            "tensor 'c': bytes 8 to 9 of the data before it belong to no tensor");
  EXPECT_EQ(three({0, 3, 7}, 11),
            "tensor 'b': overlaps tensor 'a': begins at 3, that one ends at 4");
  EXPECT_EQ(three({0, 4, 4}, 8),
            "tensor 'c': overlaps tensor 'b': begins at 4, that one ends at 8");
  EXPECT_EQ(three({0, 4, 8}, 11),
            "tensor 'c': ends at byte 12 of 11 bytes of data: truncated file?");
  EXPECT_EQ(three({0, 4, 8}, 13),
            "1 bytes follow the last tensor's data (12 of 13 bytes are described)");
  EXPECT_EQ(refusal("{}", "x"),
            "1 bytes follow the last tensor's data (0 of 1 bytes are described)");
  EXPECT_EQ(
      refusal(entry(R"({"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615]})"), "x"),
      "tensor 'a': shape [1] of U8 needs 1 bytes, 'data_offsets' hold 18446744073709551615");
}

TEST(Safetensors, EveryDtypeHasItsWidth) {
  const std::vector<std::pair<const char *, unsigned>> widths = {
      {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"I16", 16}, {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"F8_E5M2FNUZ", 8},
      {"I32", 32}, {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64}, {"U64", 64}};
  for (auto [name, bits] : widths) {
    EXPECT_EQ(bitsOfDtype(name), bits) << name;
    uint64_t bytes = 8 * bits / 8;
    EXPECT_EQ(refusal(safetensorsBytes({{"t", {name, {8}, std::string(bytes, 'x')}}})), "accepted");
    EXPECT_NE(refusal(safetensorsBytes({{"t", {name, {8}, std::string(bytes + 1, 'x')}}})),
              "accepted");
  }
  EXPECT_EQ(bitsOfDtype("F128"), 0u);
}

TEST(Safetensors, LegalOddities) {
  // Header padded with spaces; data that begins at an odd address; a scalar; empty tensors.
  std::string header = R"({"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                       R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
                       R"("tail":{"dtype":"U8","shape":[3],"data_offsets":[2,5]},)"
                       R"("void":{"dtype":"U8","shape":[0],"data_offsets":[5,5]}})";
  header += header.size() % 2 ? "  " : " ";
  TestDirectory directory;
  directory.write("x.safetensors", safetensorsBytes(header, "ABcde"));
  auto file = SafetensorsFile::open(directory.file("x.safetensors"));
  ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->find("scalar")->offsetBytes, 8 + header.size());
  EXPECT_EQ(file->find("scalar")->offsetBytes % 2, 1u);
  EXPECT_EQ(file->bytes(*file->find("scalar")), "AB");
  EXPECT_EQ(file->bytes(*file->find("tail")), "cde");
  EXPECT_EQ(file->bytes(*file->find("empty")), "");
  EXPECT_EQ(file->bytes(*file->find("void")), "");
  EXPECT_EQ(file->find("none"), nullptr);
}

//===----------------------------------------------------------------------===//
// Shards
//===----------------------------------------------------------------------===//

class Shards : public testing::Test {
protected:
  TestDirectory directory;

  void SetUp() override {
    directory.write("one.safetensors",
                    safetensorsBytes({{"a", {"U8", {2}, "aa"}}, {"b", {"U8", {1}, "b"}}}));
    directory.write("two.safetensors", safetensorsBytes({{"c", {"U8", {3}, "ccc"}}}));
  }

  /// The error of opening with this index, without "INDEX: ".
  std::string refusal(const std::string &index) {
    directory.write("model.safetensors.index.json", index);
    auto checkpoint = Checkpoint::open(directory.path());
    if (checkpoint)
      return "accepted";
    std::string text = llvm::toString(checkpoint.takeError());
    size_t cut = text.find(".json: ");
    return cut == std::string::npos ? text : text.substr(cut + 7);
  }
  std::string map(const std::string &body) { return "{\"weight_map\":{" + body + "}}"; }
};

TEST_F(Shards, Opens) {
  EXPECT_EQ(
      refusal(
          R"({"metadata":{"total_size":6.0},"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"}})"),
      "accepted");
  auto checkpoint = Checkpoint::open(directory.path());
  ASSERT_TRUE(bool(checkpoint));
  EXPECT_EQ(checkpoint->names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(checkpoint->find("c").bytes(), "ccc");
  EXPECT_EQ(Checkpoint::fileName(checkpoint->find("b")), "one.safetensors");
  EXPECT_FALSE(checkpoint->contains("d"));
}

TEST_F(Shards, SingleFileWins) {
  directory.write("model.safetensors", safetensorsBytes({{"z", {"U8", {1}, "z"}}}));
  EXPECT_EQ(refusal("not even JSON"), "accepted");
}

TEST_F(Shards, Refused) {
  EXPECT_EQ(refusal(map(R"("a":"one.safetensors","b":"two.safetensors","c":"two.safetensors")")),
            "tensor 'b' lies in one.safetensors, the index places it in two.safetensors");
  EXPECT_EQ(refusal(map(R"("a":"one.safetensors","d":"two.safetensors")")),
            "tensor 'd' is in no shard; the index places it in two.safetensors");
  EXPECT_EQ(refusal(map(R"("a":"one.safetensors","e":"three.safetensors")")),
            "shard 'three.safetensors' (tensor 'e', …) is missing");
  for (const char *name : {"../x", "/etc/passwd", "sub/x", "..", ".", "", "a\\\\b"})
    EXPECT_NE(refusal(map("\"a\":\"" + std::string(name) + "\""))
                  .find("must name a file beside the index"),
              std::string::npos)
        << name;
  EXPECT_NE(refusal(map("\"a\":3")).find("must name a file beside the index, found 3"),
            std::string::npos);
  EXPECT_EQ(refusal("{}"), "'weight_map' must be an object that maps tensors to shard files");
  EXPECT_EQ(refusal("{\"weight_map\":{}}"),
            "'weight_map' must be an object that maps tensors to shard files");
  EXPECT_EQ(refusal("[]"), "must hold a JSON object, not array");
  EXPECT_EQ(refusal(map(R"("a":"one.safetensors","a":"one.safetensors")")),
            "key 'a' occurs twice in one object");
}

TEST_F(Shards, TensorInTwoShards) {
  directory.write("two.safetensors", safetensorsBytes({{"a", {"U8", {3}, "ccc"}}}));
  std::string text = refusal(map(R"("a":"one.safetensors","b":"two.safetensors")"));
  EXPECT_NE(text.find("two.safetensors: tensor 'a' is also in one.safetensors"), std::string::npos)
      << text;
}

TEST_F(Shards, DamagedShardIsNamed) {
  directory.write("two.safetensors", "short");
  std::string text = refusal(map(R"("a":"one.safetensors","c":"two.safetensors")"));
  EXPECT_NE(text.find("two.safetensors: is 5 bytes long"), std::string::npos) << text;
}

} // namespace
