# One interface target with the warning flags and sanitizers of all host code.
add_library(StoopWarnings INTERFACE)
target_compile_options(StoopWarnings INTERFACE -Wall -Wextra -Wno-unused-parameter)
# GCC 12 misfires on concatenation of std::string (GCC bug 105651).
target_compile_options(StoopWarnings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(STOOP_WERROR)
  target_compile_options(StoopWarnings INTERFACE -Werror)
endif()
if(STOOP_ENABLE_ASAN)
  target_compile_options(StoopWarnings INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer)
  target_link_options(StoopWarnings INTERFACE -fsanitize=address,undefined)
endif()
