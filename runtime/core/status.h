// How a failure travels inside the runtime: a code is returned, one sentence is written into a Message.
// Invariant: no exception, no errno and no printing leaves the runtime; whoever returns a code other
// than STOOP_OK has written the message.
#ifndef STOOP_RUNTIME_CORE_STATUS_H_
#define STOOP_RUNTIME_CORE_STATUS_H_

#include "stoop/runtime.h"

namespace stoop::rt {

// The sentence about the last failure: lower case, names the limit and the actual value.
struct Message {
  char text[512] = "";
};

// Formats the message and returns `code`, so that a failure is one statement.
stoop_status fail(Message& message, stoop_status code, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// Copies a message into a caller's buffer, always terminated; a NULL or empty buffer is allowed.
void copy_message(const Message& message, char* buffer, size_t buffer_bytes);

}  // namespace stoop::rt

// Returns from the calling function when `expression` is not STOOP_OK.
#define STOOP_TRY(expression)                                    \
  do {                                                           \
    if (stoop_status status_ = (expression); status_ != STOOP_OK) return status_; \
  } while (false)

#endif  // STOOP_RUNTIME_CORE_STATUS_H_
