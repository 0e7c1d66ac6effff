// Entry point and the few symbols that crt files and the loader would give, so that linking a model needs
// nothing but this object and libc.so.6.
// Invariant: referenced by the final link alone; ordinary executables (tests) leave this file out.
#include <dlfcn.h>
#include <elf.h>

#include <cstdint>

extern "C" {

extern const unsigned char __ehdr_start[] __attribute__((visibility("hidden")));

// Names this module to __cxa_atexit; NULL is the main program.
__attribute__((visibility("hidden"))) void* __dso_handle = nullptr;

// Where the unwinder finds the frame tables of a program counter. The loader's function of this name
// (GLIBC 2.35) would add a library and a newer version to what a binary needs; all frames that an
// exception may cross are the program's own.
__attribute__((visibility("hidden"))) int _dl_find_object(
    void* address, struct dl_find_object* result) noexcept {
  const unsigned char* base = __ehdr_start;
  const Elf64_Ehdr* header = reinterpret_cast<const Elf64_Ehdr*>(base);
  const Elf64_Phdr* segments = reinterpret_cast<const Elf64_Phdr*>(base + header->e_phoff);
  const unsigned char* pc = static_cast<const unsigned char*>(address);
  const unsigned char* end = base;
  const unsigned char* eh_frame = nullptr;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const Elf64_Phdr& segment = segments[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
      end = base + segment.p_vaddr + segment.p_memsz;
    if (segment.p_type == PT_GNU_EH_FRAME) eh_frame = base + segment.p_vaddr;
  }
  if (pc < base || pc >= end || !eh_frame) return -1;
  *result = {};
  result->dlfo_map_start = const_cast<unsigned char*>(base);
  result->dlfo_map_end = const_cast<unsigned char*>(end);
  result->dlfo_eh_frame = const_cast<unsigned char*>(eh_frame);
  return 0;
}

// Named by libstdc++'s code for thread-local data of any module; a linker that makes an executable turns
// each such access into a plain one, so that this is never called and the loader's is not needed.
__attribute__((visibility("hidden"))) void* __tls_get_addr(void*) { __builtin_trap(); }

}  // extern "C"

// System V ABI: the stack holds argc, argv; rdx is the loader's function to run at exit. Constructors
// run from DT_INIT_ARRAY because `init` is NULL.
__asm__(
    ".globl _start\n"
    ".type _start, @function\n"
    "_start:\n"
    "  .cfi_startproc\n"
    "  .cfi_undefined rip\n"
    "  xor %ebp, %ebp\n"
    "  mov %rdx, %r9\n"
    "  pop %rsi\n"
    "  mov %rsp, %rdx\n"
    "  and $-16, %rsp\n"
    "  push %rax\n"
    "  push %rsp\n"
    "  xor %r8d, %r8d\n"
    "  xor %ecx, %ecx\n"
    "  lea main(%rip), %rdi\n"
    "  call *__libc_start_main@GOTPCREL(%rip)\n"
    "  hlt\n"
    "  .cfi_endproc\n"
    ".size _start, . - _start\n");
