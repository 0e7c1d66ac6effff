# Data files inside the compiler.
#
# stoop_embed(TARGET SYMBOL FILE): makes TARGET (a static library) define `const char SYMBOL[]` and
# `const char SYMBOL_end[]`, the bytes of FILE, 64-byte aligned, in read-only data. FILE may be made by the build.
enable_language(ASM)

function(stoop_embed target symbol file)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S")
  file(CONFIGURE OUTPUT "${source}" CONTENT ".section .rodata
.balign 64
.global ${symbol}
.global ${symbol}_end
.type ${symbol}, @object
${symbol}:
.incbin \"${file}\"
.size ${symbol}, . - ${symbol}
${symbol}_end:
.byte 0
.section .note.GNU-stack,\"\",@progbits
")
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${file}")
  target_sources(${target} PRIVATE "${source}")
endfunction()
