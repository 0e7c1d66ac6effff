// The command-line program of a compiled model.
#ifndef STOOP_RUNTIME_APP_APP_H_
#define STOOP_RUNTIME_APP_APP_H_

#include "stoop/runtime.h"

namespace stoop::app {

// Runs one command on `image`; the result is the process's exit code. `image` may be NULL: then the
// command line is parsed and `image_message` reported when a model is needed.
int app_main(int argc, char** argv, const stoop_image* image, const char* image_message);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_APP_H_
