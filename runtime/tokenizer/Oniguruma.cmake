# stoop_onig: Oniguruma 6.9.10 for UTF-8, as a static library of position-independent code. Its sources are fetched by
# test/fetch_oniguruma.sh (which says why they are not Debian's) into the folder below.
set(STOOP_ONIGURUMA_DIR "${CMAKE_SOURCE_DIR}/build/deps/oniguruma" CACHE PATH "the sources of Oniguruma 6.9.10")
if(NOT EXISTS "${STOOP_ONIGURUMA_DIR}/src/oniguruma.h")
  message(FATAL_ERROR "The sources of Oniguruma are missing in ${STOOP_ONIGURUMA_DIR}: run test/setup.sh, "
    "which fetches them (or test/fetch_oniguruma.sh alone)")
endif()

set(sources)
foreach(name ascii onig_init regcomp regenc regerror regexec regext regparse regsyntax regtrav regversion st
    unicode unicode_fold1_key unicode_fold2_key unicode_fold3_key unicode_unfold_key utf8)
  list(APPEND sources "${STOOP_ONIGURUMA_DIR}/src/${name}.c")
endforeach()

# What Oniguruma's configure script would find out on x86-64 Linux.
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/oniguruma/config.h" CONTENT [[
#define HAVE_ALLOCA_H 1
#define HAVE_INTTYPES_H 1
#define HAVE_STDINT_H 1
#define HAVE_SYS_TIMES_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_TIME_H 1
#define HAVE_UNISTD_H 1
#define SIZEOF_INT 4
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOIDP 8
#define PACKAGE "onig"
#define PACKAGE_VERSION "6.9.10"
#define VERSION "6.9.10"
]])

add_library(stoop_onig STATIC ${sources})
target_include_directories(stoop_onig PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/oniguruma"
  SYSTEM PUBLIC "${STOOP_ONIGURUMA_DIR}/src")
target_compile_definitions(stoop_onig PRIVATE HAVE_CONFIG_H PUBLIC ONIG_STATIC ONIG_EXTERN=extern)
target_compile_options(stoop_onig PRIVATE -O2 -w -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections)
