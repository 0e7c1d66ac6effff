// Formats failure messages and names status codes.
#include "runtime/core/status.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace stoop::rt {

stoop_status fail(Message& message, stoop_status code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message.text, sizeof message.text, format, arguments);
  va_end(arguments);
  return code;
}

void copy_message(const Message& message, char* buffer, size_t buffer_bytes) {
  if (!buffer || buffer_bytes == 0) return;
  size_t length = strnlen(message.text, sizeof message.text);
  if (length >= buffer_bytes) length = buffer_bytes - 1;
  memcpy(buffer, message.text, length);
  buffer[length] = '\0';
}

}  // namespace stoop::rt

extern "C" {

uint32_t stoop_runtime_version(void) { return STOOP_RUNTIME_VERSION; }

const char* stoop_status_name(stoop_status status) {
  switch (status) {
    case STOOP_OK: return "ok";
    case STOOP_INVALID_ARGUMENT: return "invalid argument";
    case STOOP_BAD_PROGRAM: return "bad program";
    case STOOP_UNSUPPORTED: return "unsupported machine";
    case STOOP_OUT_OF_MEMORY: return "out of memory";
    case STOOP_CONTEXT_FULL: return "context full";
    case STOOP_CANCELLED: return "cancelled";
    case STOOP_NO_TOKENIZER: return "no tokenizer";
    case STOOP_BAD_NUMERICS: return "bad numerics";
    case STOOP_INTERNAL: return "internal error";
    case STOOP_DEVICE_FAILED: return "device failed";
  }
  return "unknown status";
}

}  // extern "C"
