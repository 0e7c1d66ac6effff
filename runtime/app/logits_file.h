// Writes logits row by row into a safetensors file, one tensor after the other.
// Invariant: the final name appears only when the file is complete.
#ifndef STOOP_RUNTIME_APP_LOGITS_FILE_H_
#define STOOP_RUNTIME_APP_LOGITS_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace stoop::app {

class LogitsFile {
 public:
  // Opens `path`.tmp-<pid> beside the target, with room for the header of that many tensors. `inputs` are the
  // files that the command reads: the target may be none of them. Throws Failure(1), or Failure(2) for an input.
  LogitsFile(std::string path, uint32_t vocab, size_t tensors, const std::vector<std::string>& inputs);
  // Removes the temporary file unless finish() was called.
  ~LogitsFile();
  LogitsFile(const LogitsFile&) = delete;
  LogitsFile& operator=(const LogitsFile&) = delete;

  // Appends a row of `vocab` floats. Throws Failure(1), e.g. on a full disk.
  void add(const float* logits);
  // The rows since the last call are the tensor `name`, F32 [rows, vocab].
  void end_tensor(const std::string& name);
  // Writes the header and renames.
  void finish();

 private:
  void write_all(const void* data, size_t bytes);
  [[noreturn]] void fail(const char* what) const;

  std::string path_, temporary_, header_;
  uint32_t vocab_;
  size_t header_bytes_;
  uint64_t first_row_ = 0, rows_ = 0;
  int file_ = -1;
};

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_LOGITS_FILE_H_
