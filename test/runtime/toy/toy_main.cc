// The command line on the toy program. TOY_FLIP=<offset> flips a bit of the payload's byte there.
#include <cstdlib>

#include "runtime/app/app.h"
#include "test/runtime/toy/toy_program.h"

int main(int argc, char** argv) {
  stoop::toy::OwnImage own;
  if (const char* offset = getenv("TOY_FLIP")) own.payload[strtoul(offset, nullptr, 10)] ^= 4;
  return stoop::app::app_main(argc, argv, &own.image, "");
}
