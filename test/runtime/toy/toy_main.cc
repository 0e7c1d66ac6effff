// The command line on the toy program. TOY_FLIP=<offset> flips a bit of the payload's byte there;
// TOY_TEXT=<folder> gives the model that folder's tokenizer.
#include <cstdio>
#include <cstdlib>

#include "runtime/app/app.h"
#include "runtime/tokenizer/formats/hf_json.h"
#include "test/runtime/toy/toy_program.h"

int main(int argc, char** argv) {
  stoop::rt::tokenizer_import text;
  std::string error;
  const char* folder = getenv("TOY_TEXT");
  if (folder && !stoop::rt::import_tokenizer(std::string(folder), &text, &error)) {
    fprintf(stderr, "%s\n", error.c_str());
    return 99;
  }
  stoop::toy::OwnImage own(text.blob);
  if (const char* offset = getenv("TOY_FLIP")) own.payload[strtoul(offset, nullptr, 10)] ^= 4;
  return stoop::app::app_main(argc, argv, &own.image, "");
}
