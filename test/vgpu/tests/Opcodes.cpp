// Lists the opcodes of the executor's table, one a line: what coverage.py compares a run with.
#include "test/vgpu/exec/Handlers.h"
#include <cstdio>

int main() {
  vgpu::HandlerTable::get().forEach([](const std::string &name, const vgpu::TableEntry &) { puts(name.c_str()); });
}
