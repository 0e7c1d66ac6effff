# How Stoop's targets are declared. A library names its layer; linking one of a higher layer, or an
# unlisted one of its own, is a configure-time error, so the dependency order of README.md holds.
include(TableGen)
include(AddMLIR)

# stoop_add_library(NAME LAYER n SOURCES ... [DEPS ...] [LIBS ...])
#   DEPS: Stoop libraries, each of a lower layer or, within one layer, named here deliberately.
#   LIBS: everything else (MLIR, LLVM, third-party targets).
function(stoop_add_library name)
  cmake_parse_arguments(ARG "" "LAYER" "SOURCES;DEPS;LIBS" ${ARGN})
  if(NOT DEFINED ARG_LAYER)
    message(FATAL_ERROR "${name}: LAYER is missing")
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  set_property(TARGET ${name} PROPERTY STOOP_LAYER ${ARG_LAYER})
  foreach(dep ${ARG_DEPS})
    get_property(layer TARGET ${dep} PROPERTY STOOP_LAYER)
    if(NOT layer STREQUAL "" AND layer GREATER ${ARG_LAYER})
      message(FATAL_ERROR "${name} (layer ${ARG_LAYER}) may not link ${dep} (layer ${layer})")
    endif()
  endforeach()
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/runtime/include")
  target_include_directories(${name} SYSTEM PUBLIC "${CMAKE_BINARY_DIR}" ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS} PRIVATE StoopWarnings)
endfunction()

# Runs mlir-tblgen on FILE of this folder: pairs of OUTPUT and its generator flags follow.
# stoop_tablegen(TARGET FILE  out1 "flag flag" out2 "flag" ...)
function(stoop_tablegen target file)
  set(LLVM_TARGET_DEFINITIONS ${file})
  set(args ${ARGN})
  while(args)
    list(POP_FRONT args out flags)
    separate_arguments(flags)
    mlir_tablegen(${out} ${flags} EXTRA_INCLUDES ${MLIR_INCLUDE_DIRS} ${CMAKE_SOURCE_DIR})
  endwhile()
  add_custom_target(${target} DEPENDS ${TABLEGEN_OUTPUT})
endfunction()

# stoop_add_passes(NAME): Passes.td of this folder -> Passes.h.inc; NAME is the registration group.
function(stoop_add_passes name)
  stoop_tablegen(Stoop${name}PassesIncGen Passes.td Passes.h.inc "-gen-pass-decls -name=${name}")
endfunction()

# stoop_add_tool(NAME SOURCES ... LIBS ...): an executable under build/bin.
function(stoop_add_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} StoopWarnings)
  set_target_properties(${name} PROPERTIES BUILD_RPATH /usr/lib/llvm-22/lib)
endfunction()

# stoop_add_unittest(NAME SOURCES ... LIBS ...): a GoogleTest program, known to ctest as unit.NAME.
function(stoop_add_unittest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gtest_main StoopWarnings)
  set_target_properties(${name} PROPERTIES BUILD_RPATH /usr/lib/llvm-22/lib
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/test/bin")
  target_compile_definitions(${name} PRIVATE STOOP_SOURCE_DIR="${CMAKE_SOURCE_DIR}" STOOP_BUILD_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit)
endfunction()
