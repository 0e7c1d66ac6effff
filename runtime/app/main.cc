// main of an emitted binary: the model is the one inside this file.
#include "runtime/app/app.h"

int main(int argc, char** argv) {
  char message[512];
  stoop_image image;
  stoop_status status = stoop_image_self(&image, message, sizeof message);
  return stoop::app::app_main(argc, argv, status == STOOP_OK ? &image : nullptr, message);
}
