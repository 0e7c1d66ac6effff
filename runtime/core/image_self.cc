// The model inside this very executable. The packager patches `stoop_payload_header` and turns the spare
// note segment into the segment that maps the payload; the placeholder section is widened over the
// payload, so that strip and objcopy carry it along.
// Invariant: the three sections below keep their names, and the header is never written at run time.
#include <sys/auxv.h>

#include "runtime/core/payload.h"

extern "C" {

// volatile: the compiler must not use the zeros that stand here before the file is patched.
__attribute__((section(".stoop"), used, retain)) static const volatile
    stoop_payload stoop_payload_header = {};

__attribute__((section(".note.stoop"), used, retain, aligned(8))) static const struct {
  uint32_t name_bytes, payload_bytes, type;
  char name[8];
  char padding[4];
  uint64_t spare;
} stoop_spare_note = {6, 8, 1, "Stoop", "", 0};

__attribute__((section(".stoop.weights"), used, retain)) static const char stoop_payload_placeholder[16] = {1};

extern const unsigned char __ehdr_start[] __attribute__((visibility("hidden")));

stoop_status stoop_image_self(stoop_image* image, char* text, size_t text_bytes) {
  using stoop::rt::Message;
  // The header lies in read-only memory that never changes while the program runs.
  const stoop_payload& layout = const_cast<const stoop_payload&>(stoop_payload_header);
  Message message;
  stoop_status status = stoop::rt::check_layout(layout, message);
  // The kernel's own name for the file needs no /proc; the link is right even when that name is
  // relative and the folder has changed since.
  const char* paths[] = {"/proc/self/exe",
                         reinterpret_cast<const char*>(getauxval(AT_EXECFN))};
  for (const char* path : paths) {
    if (status != STOOP_OK) break;
    status = stoop::rt::check_file_size(__ehdr_start, layout.vaddr, layout.bytes, path, message);
  }
  *image = stoop_image{sizeof(stoop_image), 0, stoop_program_query(STOOP_ABI_VERSION), &layout,
                       __ehdr_start + layout.vaddr};
  stoop::rt::copy_message(message, text, text_bytes);
  return status;
}

}  // extern "C"
