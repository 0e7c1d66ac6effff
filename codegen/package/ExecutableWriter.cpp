//===- ExecutableWriter.cpp - Program and payload to one file -------------===//
//
// Three edits to the linked ELF file make room for the payload: the segment of
// the spare note (.note.stoop) becomes a PT_LOAD behind all others, the
// placeholder section .stoop.weights is widened over it (a segment without a
// section is dropped by strip), and stoop_payload in .stoop is filled in.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/ExecutableWriter.h"

#include "codegen/package/Crc32c.h"
#include "codegen/package/OutputFile.h"
#include "stoop/abi.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <elf.h>

namespace stoop::codegen {

static constexpr uint64_t blockBytes = 1 << 20;
static constexpr uint64_t pageBytes = 4096;
static constexpr uint64_t segmentAlign = 65536;

namespace {

/// The linked program, edited in memory.
class ElfImage {
public:
  explicit ElfImage(llvm::StringRef program) : bytes(program.begin(), program.end()) {}

  llvm::Error check();
  /// Address behind everything that is loaded.
  uint64_t endAddress() const;
  llvm::Error addPayload(const stoop_payload &payload);
  const std::vector<char> &data() const { return bytes; }

private:
  Elf64_Ehdr &header() { return *reinterpret_cast<Elf64_Ehdr *>(bytes.data()); }
  const Elf64_Ehdr &header() const { return const_cast<ElfImage *>(this)->header(); }
  Elf64_Phdr *segments() { return reinterpret_cast<Elf64_Phdr *>(&bytes[header().e_phoff]); }
  Elf64_Shdr *sections() { return reinterpret_cast<Elf64_Shdr *>(&bytes[header().e_shoff]); }
  Elf64_Shdr *findSection(llvm::StringRef name);
  Elf64_Phdr *findSpareSegment();

  std::vector<char> bytes;
};

} // namespace

llvm::Error ElfImage::check() {
  bool whole = bytes.size() > sizeof(Elf64_Ehdr) &&
               llvm::StringRef(bytes.data(), SELFMAG) == ELFMAG &&
               header().e_phoff + header().e_phnum * sizeof(Elf64_Phdr) <= bytes.size() &&
               header().e_shoff + header().e_shnum * sizeof(Elf64_Shdr) <= bytes.size();
  if (!whole)
    return llvm::createStringError("the linked program is no whole ELF file");
  return llvm::Error::success();
}

uint64_t ElfImage::endAddress() const {
  auto *self = const_cast<ElfImage *>(this);
  uint64_t end = 0;
  for (unsigned i = 0; i < header().e_phnum; ++i)
    if (const Elf64_Phdr &segment = self->segments()[i]; segment.p_type == PT_LOAD)
      end = std::max(end, segment.p_vaddr + segment.p_memsz);
  return end;
}

Elf64_Shdr *ElfImage::findSection(llvm::StringRef name) {
  const Elf64_Shdr &names = sections()[header().e_shstrndx];
  for (unsigned i = 1; i < header().e_shnum; ++i)
    if (name == &bytes[names.sh_offset + sections()[i].sh_name])
      return &sections()[i];
  return nullptr;
}

Elf64_Phdr *ElfImage::findSpareSegment() {
  const Elf64_Shdr *note = findSection(".note.stoop");
  Elf64_Phdr *found = nullptr;
  for (unsigned i = 0; note && i < header().e_phnum; ++i) {
    Elf64_Phdr &segment = segments()[i];
    if (segment.p_type == PT_NOTE && note->sh_offset >= segment.p_offset &&
        note->sh_offset + note->sh_size <= segment.p_offset + segment.p_filesz)
      found = &segment;
    else if (segment.p_type == PT_LOAD)
      found = nullptr; // loaders want segments in the order of their addresses
  }
  return found;
}

llvm::Error ElfImage::addPayload(const stoop_payload &payload) {
  Elf64_Phdr *segment = findSpareSegment();
  Elf64_Shdr *description = findSection(".stoop"), *placeholder = findSection(".stoop.weights");
  if (!segment || !description || !placeholder || description->sh_size < sizeof(stoop_payload))
    return llvm::createStringError(
        "the runtime object lacks the payload's place (sections .stoop, "
        ".stoop.weights and .note.stoop); was it built with this stoop?");
  *segment = {PT_LOAD,       PF_R,          payload.file_offset, payload.vaddr,
              payload.vaddr, payload.bytes, payload.bytes,       segmentAlign};
  placeholder->sh_addr = payload.vaddr;
  placeholder->sh_offset = payload.file_offset;
  placeholder->sh_size = payload.bytes;
  placeholder->sh_addralign = pageBytes;
  std::memcpy(&bytes[description->sh_offset], &payload, sizeof payload);
  return llvm::Error::success();
}

/// Checksums of the blocks that packing could not make: from the last, partial block of the weights
/// to the end of what the table covers.
static llvm::Error addTailChecksums(const OutputFile &file, uint64_t fileOffset, uint64_t covered,
                                    std::vector<uint32_t> &checksums) {
  std::vector<uint8_t> block(blockBytes);
  for (uint64_t at = checksums.size() * blockBytes; at < covered; at += blockBytes) {
    uint64_t size = std::min(blockBytes, covered - at);
    if (llvm::Error failed = file.read(block.data(), size, fileOffset + at))
      return failed;
    checksums.push_back(crc32c(block.data(), size));
  }
  return llvm::Error::success();
}

/// Writes `content` behind `payload.bytes`, on a page border, and accounts for it. Gaps stay holes,
/// which read as zeros.
static llvm::Error append(OutputFile &file, stoop_payload &payload, llvm::StringRef content,
                          stoop_extent &extent) {
  extent = {llvm::alignTo(payload.bytes, pageBytes), content.size()};
  payload.bytes = extent.offset + extent.size;
  return file.write(content.data(), content.size(), payload.file_offset + extent.offset);
}

static llvm::Error writePayload(OutputFile &file, ExecutableParts &parts, stoop_payload &payload) {
  auto sink = [&](const void *data, uint64_t size, uint64_t offset) {
    return file.write(data, size, payload.file_offset + offset);
  };
  llvm::Expected<PackSummary> packed = packWeights(parts.weights, parts.weightsBytes, blockBytes,
                                                   parts.numThreads, sink, parts.progress);
  if (!packed)
    return packed.takeError();
  payload.weights = {0, parts.weightsBytes};
  payload.bytes = parts.weightsBytes;
  if (llvm::Error failed = append(file, payload, parts.tokenizer, payload.tokenizer))
    return failed;
  if (llvm::Error failed = append(file, payload, parts.manifest(*packed), payload.manifest))
    return failed;

  std::vector<uint32_t> &table = packed->checksums;
  payload.bytes = llvm::alignTo(payload.bytes, pageBytes);
  if (llvm::Error failed = file.extend(payload.file_offset + payload.bytes))
    return failed;
  if (llvm::Error failed = addTailChecksums(file, payload.file_offset, payload.bytes, table))
    return failed;
  llvm::StringRef bytes(reinterpret_cast<const char *>(table.data()), table.size() * 4);
  payload.checksums_crc = crc32c(bytes.data(), bytes.size());
  return append(file, payload, bytes, payload.checksums);
}

llvm::Error writeExecutable(ExecutableParts parts, const std::string &path) {
  ElfImage image(parts.program);
  if (llvm::Error bad = image.check())
    return bad;
  llvm::Expected<std::unique_ptr<OutputFile>> file = OutputFile::create(path);
  if (!file)
    return file.takeError();

  stoop_payload payload = {};
  payload.magic = STOOP_MAGIC;
  payload.abi_version = STOOP_ABI_VERSION;
  payload.checksum_block_bytes = blockBytes;
  payload.file_offset = llvm::alignTo(image.data().size(), segmentAlign);
  payload.vaddr = llvm::alignTo(image.endAddress(), segmentAlign);
  if (llvm::Error full = (*file)->reserve(payload.file_offset + parts.weightsBytes))
    return full;
  if (llvm::Error failed = writePayload(**file, parts, payload))
    return failed;
  if (llvm::Error failed = image.addPayload(payload))
    return failed;
  if (llvm::Error failed = (*file)->write(image.data().data(), image.data().size(), 0))
    return failed;
  return (*file)->commit(0755);
}

} // namespace stoop::codegen
