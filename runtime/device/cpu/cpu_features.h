// What this CPU and kernel offer, in bits of stoop_cpu_feature.
#ifndef STOOP_RUNTIME_DEVICE_CPU_CPU_FEATURES_H_
#define STOOP_RUNTIME_DEVICE_CPU_CPU_FEATURES_H_

#include <cstdint>

namespace stoop::rt {

// Detects by CPUID and XGETBV. With `request_amx` the kernel is asked for permission to use AMX
// tiles, which holds for the whole process and for threads started later; AMX bits are set only when
// it was given.
uint64_t detect_cpu_features(bool request_amx);

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_DEVICE_CPU_CPU_FEATURES_H_
