// entries.h is what gen_stubs.py tells the rest of the driver about cuda.h.
#pragma once

#include <cuda.h>

#include <cstddef>

namespace emu {

struct Entry {
    const char* name;
    void* address;
};
extern const Entry entries[];  // every function
extern const size_t entry_count;

struct Alias {
    const char *name, *entry;  // what the header of this version maps a plain name to
};
extern const Alias aliases[];
extern const size_t alias_count;

struct Status {
    CUresult code;
    const char *name, *words;
};
extern const Status statuses[];
extern const size_t status_count;

}  // namespace emu
