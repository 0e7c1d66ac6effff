// Serialises a tokenizer into a blob (blob_format.h).
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_BLOB_WRITER_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_BLOB_WRITER_H

#include <cstdint>
#include <vector>

#include "runtime/tokenizer/formats/description.h"

namespace stoop::rt::formats {

/// The blob of a tokenizer; the same description always gives the same bytes. The result loads: it
/// was loaded once, which also is how the `normalized` added tokens get their normalized form.
/// Throws import_error where a regex does not compile or a token normalizes to nothing.
std::vector<uint8_t> write_blob(const tokenizer_description& description);

}  // namespace stoop::rt::formats

#endif
