// Handles: every object that was ever given out stays known, so a handle that was destroyed is told from one
// that never existed, and an address is never used twice.
#include "driver.h"

namespace emu {

std::recursive_mutex big;

static auto& objects = *new std::unordered_map<const void*, Object*>;  // never destroyed: the report at exit comes late
static size_t alive[8];  // by kind, without internal ones

const char* kind_name(Kind kind) {
    static const char* const names[] = {"context", "stream", "event", "module", "function", "graph", "graph exec", "memory pool"};
    return names[static_cast<int>(kind)];
}

void add(Object* o) {
    objects[dynamic_cast<const void*>(o)] = o;
    if (!o->internal) alive[static_cast<int>(o->kind)]++;
    object_counts_changed();
}

void retire(Object* o) {
    if (!o->alive) return;
    o->alive = false;
    if (!o->internal) alive[static_cast<int>(o->kind)]--;
    object_counts_changed();
}

Object* lookup(const void* handle, Kind kind, const char* who) {
    auto found = objects.find(handle);
    if (found == objects.end() || found->second->kind != kind) {
        emu_violation("%s: %p is not a %s", who, handle, kind_name(kind));
        return nullptr;
    }
    if (!found->second->alive) {
        emu_violation("%s: the %s %p was destroyed before", who, kind_name(kind), handle);
        return nullptr;
    }
    return found->second;
}

size_t living(Kind kind) { return alive[static_cast<int>(kind)]; }

std::vector<Object*> of_context(CUcontext ctx) {
    std::vector<Object*> all;
    for (auto& [_, o] : objects)
        if (o->alive && o->ctx == ctx) all.push_back(o);
    return all;
}

}  // namespace emu
