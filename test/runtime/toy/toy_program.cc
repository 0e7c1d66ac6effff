// Payload of the toy in memory, and its oracle.
#include "test/runtime/toy/toy_program.h"

#include <algorithm>
#include <cstring>

#include "runtime/core/crc32c.h"

namespace stoop::toy {
namespace {

constexpr char kManifest[] = "{\"schema_version\":1,\"model\":{\"name\":\"toy\"}}";
constexpr uint32_t kBlock = 4096;

int32_t weight(uint32_t token, uint32_t v) { return static_cast<int32_t>(token * 37 + v * v) % 211; }

}  // namespace

OwnImage::OwnImage(const std::vector<unsigned char>& blob)
    : layout{}, program(*stoop_program_query(STOOP_ABI_VERSION)), image{} {
  constexpr uint64_t kWeights = kVocab * kVocab * sizeof(int32_t), kManifestAt = 12288, kBlobAt = 16384;
  const uint64_t sums_at = kBlobAt + (blob.size() + kBlock - 1) / kBlock * kBlock;
  const uint64_t blocks = sums_at / kBlock;
  payload.resize(sums_at + blocks * sizeof(uint32_t));
  std::copy(blob.begin(), blob.end(), payload.begin() + kBlobAt);
  for (uint32_t token = 0; token < kVocab; ++token) {
    for (uint32_t v = 0; v < kVocab; ++v) {
      int32_t value = weight(token, v);
      memcpy(&payload[(token * kVocab + v) * sizeof value], &value, sizeof value);
    }
  }
  memcpy(&payload[kManifestAt], kManifest, sizeof kManifest - 1);
  for (uint64_t i = 0; i < blocks; ++i) {
    uint32_t sum = rt::crc32c(&payload[i * kBlock], kBlock);
    memcpy(&payload[sums_at + i * sizeof sum], &sum, sizeof sum);
  }
  layout.magic = STOOP_MAGIC;
  layout.abi_version = STOOP_ABI_VERSION;
  layout.checksum_block_bytes = kBlock;
  layout.bytes = payload.size();
  layout.weights = {0, kWeights};
  layout.tokenizer = {kBlobAt, blob.size()};
  layout.manifest = {kManifestAt, sizeof kManifest - 1};
  layout.checksums = {sums_at, blocks * sizeof(uint32_t)};
  layout.checksums_crc = rt::crc32c(&payload[sums_at], layout.checksums.size);
  program.model.has_tokenizer = !blob.empty();
  image = stoop_image{sizeof(stoop_image), 0, &program, &layout, payload.data()};
}

const stoop_image& image() {
  static const OwnImage own;
  return own.image;
}

std::vector<float> expected_logits(const std::vector<uint32_t>& tokens) {
  int64_t sum = 0;
  for (size_t j = 0; j < tokens.size(); ++j) sum += static_cast<int64_t>(j + 1) * tokens[j];
  std::vector<float> logits(kVocab, 1000.0f);
  for (uint32_t v = 0; v < kIds; ++v)
    logits[v] = static_cast<float>((sum * 31 + v * 17 + weight(tokens.back(), v)) % 997) / 100.0f;
  return logits;
}

std::vector<uint32_t> expected_greedy(std::vector<uint32_t> tokens, size_t count) {
  std::vector<uint32_t> ids;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> logits = expected_logits(tokens);
    uint32_t id =
        static_cast<uint32_t>(std::max_element(logits.begin(), logits.begin() + kIds) - logits.begin());
    ids.push_back(id);
    tokens.push_back(id);
  }
  return ids;
}

}  // namespace stoop::toy
