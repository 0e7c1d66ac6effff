// The header is written last into room that was left for it: safetensors allows spaces behind its
// JSON.
#include "runtime/app/logits_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/app/console.h"
#include "runtime/app/options.h"

namespace stoop::app {
namespace {

constexpr size_t kTensorBytes = 256;  // no tensor's description is longer; data starts at a multiple of it

}  // namespace

LogitsFile::LogitsFile(std::string path, uint32_t vocab, size_t tensors, const std::vector<std::string>& inputs)
    : path_(std::move(path)),
      temporary_(path_ + ".tmp-" + std::to_string(getpid())),
      vocab_(vocab),
      header_bytes_(tensors * kTensorBytes - sizeof(uint64_t)) {
  // The rename would put a file in the place of a device or a pipe.
  struct stat status, read;
  const bool exists = stat(path_.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode))
    throw Failure(kExitBadInput, "cannot write " + path_ + ": it exists and is not a regular file");
  for (const std::string& input : inputs)
    if (exists && stat(input.c_str(), &read) == 0 && read.st_dev == status.st_dev && read.st_ino == status.st_ino)
      throw Failure(kExitUsage, "--logits " + path_ + " would replace " + input + ", which this command reads");
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) fail("cannot create");
  const std::string room(sizeof(uint64_t) + header_bytes_, '\0');
  write_all(room.data(), room.size());
}

LogitsFile::~LogitsFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(temporary_.c_str());
}

void LogitsFile::fail(const char* what) const {
  std::string reason = strerror(errno);
  throw Failure(kExitBadInput, std::string(what) + " " + path_ + ": " + reason);
}

void LogitsFile::write_all(const void* data, size_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    ssize_t wrote = write(file_, from, bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("cannot write");
    from += wrote;
    bytes -= static_cast<size_t>(wrote);
  }
}

void LogitsFile::add(const float* logits) {
  write_all(logits, vocab_ * sizeof(float));
  ++rows_;
}

void LogitsFile::end_tensor(const std::string& name) {
  const uint64_t row_bytes = vocab_ * sizeof(float);
  header_ += (header_.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"F32\",\"shape\":[" +
             std::to_string(rows_ - first_row_) + "," + std::to_string(vocab_) + "],\"data_offsets\":[" +
             std::to_string(first_row_ * row_bytes) + "," + std::to_string(rows_ * row_bytes) + "]}";
  first_row_ = rows_;
}

void LogitsFile::finish() {
  std::string header = header_ + "}";
  header.resize(header_bytes_, ' ');
  uint64_t length = header_bytes_;
  if (lseek(file_, 0, SEEK_SET) < 0) fail("cannot write");
  write_all(&length, sizeof length);
  write_all(header.data(), header.size());
  int file = file_;
  file_ = -1;
  bool good = close(file) == 0 && rename(temporary_.c_str(), path_.c_str()) == 0;
  if (good) return;
  int error = errno;
  unlink(temporary_.c_str());
  errno = error;
  fail("cannot write");
}

}  // namespace stoop::app
