//===- LocalGpus.h - GPUs of this machine -------------------------*- C++ -*-===//
#ifndef STOOP_CODEGEN_CUDA_LOCALGPUS_H
#define STOOP_CODEGEN_CUDA_LOCALGPUS_H

#include <string>
#include <vector>

namespace stoop::codegen {

struct LocalGpu {
  std::string name;
  unsigned capability; ///< compute capability times 10
  unsigned multiprocessors;
};

/// GPUs that the driver names, in its order; none without a driver.
std::vector<LocalGpu> localGpus();

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_LOCALGPUS_H
