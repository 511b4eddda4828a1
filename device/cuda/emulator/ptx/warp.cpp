#include "warp.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace ptx {

namespace {

constexpr uint32_t never = ~0u;

uint32_t read_mask(const uint8_t* frame, uint32_t offset) {
    uint32_t m;
    std::memcpy(&m, frame + offset, sizeof m);
    return m;
}

}  // namespace

void trouble(Fault::Kind kind, int lane, const char* format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw Trouble{kind, text, lane};
}

Runner::Runner(Worker& w, uint32_t number, uint32_t threads) {
    worker = &w;
    id = number;
    first = number * lanes;
    uint32_t count = std::min(threads - first, lanes);
    missing = count == lanes ? 0 : ~0u << count;
    const Code& code = *w.kernel->code;
    const Function& f = code.module->functions[code.function];
    memory.resize(f.stack_bytes + 64, 0xFF);
    bottom = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    local_bytes = f.stack_local;
    shared_bytes = 0, shared = nullptr, local = nullptr, frame = bottom, function = &f, dead = missing;
}

void Runner::set_specials(const Function& f, uint8_t* frame_of) {
    const Launch& launch = *worker->launch;
    const Dim3 &n = launch.block, &g = launch.grid;
    for (auto& [which, slot] : f.specials) {
        uint32_t* to = reinterpret_cast<uint32_t*>(frame_of + slot);
        for (uint32_t l = 0; l < lanes; l++) {
            uint32_t thread = first + l, v = 0;
            switch (which) {
            case Special::tid_x: v = thread % n.x; break;
            case Special::tid_y: v = thread / n.x % n.y; break;
            case Special::tid_z: v = thread / n.x / n.y; break;
            case Special::ntid_x: v = n.x; break;
            case Special::ntid_y: v = n.y; break;
            case Special::ntid_z: v = n.z; break;
            case Special::ctaid_x: v = block.x; break;
            case Special::ctaid_y: v = block.y; break;
            case Special::ctaid_z: v = block.z; break;
            case Special::nctaid_x: v = g.x; break;
            case Special::nctaid_y: v = g.y; break;
            case Special::nctaid_z: v = g.z; break;
            case Special::laneid: v = l; break;
            case Special::warpid: v = id; break;
            case Special::nwarpid: v = (n.x * n.y * n.z + lanes - 1) / lanes; break;
            case Special::smid: v = 0; break;
            case Special::nsmid: v = 1; break;
            case Special::gridid: v = 0; break;
            case Special::lanemask_eq: v = 1u << l; break;
            case Special::lanemask_lt: v = (1u << l) - 1; break;
            case Special::lanemask_le: v = (1u << l) | ((1u << l) - 1); break;
            case Special::lanemask_gt: v = ~((1u << l) | ((1u << l) - 1)); break;
            case Special::lanemask_ge: v = ~((1u << l) - 1); break;
            case Special::dynamic_smem_size: v = uint32_t(launch.dynamic_shared); break;
            case Special::total_smem_size: v = uint32_t(shared_bytes); break;
            }
            to[l] = v;
        }
    }
}

void Runner::enter(const Function& f, uint8_t* frame_of, uint32_t local_at, bool all) {
    if (all) {
        const uint32_t ones = everyone, none = 0;
        std::memcpy(frame_of, &ones, sizeof ones);
        std::memcpy(frame_of + carry_slot, &none, sizeof none);
        if (!f.image.empty()) std::memcpy(frame_of + f.image_at, f.image.data(), f.image.size());
        const Code& code = *worker->kernel->code;
        for (auto& fill : f.fills) {
            uint64_t v = fill.value;
            switch (fill.kind) {
            case Fill::variable: v += code.module->variables[fill.index].address; break;
            case Fill::shared: v += code.shared[fill.index]; break;
            case Fill::local: v += local_at; break;
            }
            for (uint32_t l = 0; l < lanes; l++) std::memcpy(frame_of + fill.slot + l * fill.width, &v, fill.width);
        }
    }
    set_specials(f, frame_of);
}

void Runner::load() {
    Context& c = stack.back();
    frame = c.frame;
    function = c.function;
}

void Runner::begin(const Dim3& ctaid) {
    block = ctaid;
    const Code& code = *worker->kernel->code;
    const Function& f = code.module->functions[code.function];
    enter(f, bottom, 0, fresh);
    fresh = false;
    stack.clear();
    stack.push_back({&f, bottom, 0, {}});
    dead = missing;
    pc = 0, active = ~missing, stop = never;
    steps = 0;
    state = ready;
    load();
}

void Runner::put(uint32_t at, uint32_t mask, bool blocked) {
    for (auto& g : stack.back().groups)
        if (g.pc == at) {
            g.mask |= mask, g.blocked = false;
            return;
        }
    stack.back().groups.push_back({at, mask, blocked});
}

bool Runner::choose() {
    for (;;) {
        Context& c = stack.back();
        if (c.groups.empty()) {
            if (stack.size() == 1) return false;
            uint32_t at = c.return_pc, mask = c.returned;
            stack.pop_back();
            load();
            if (mask) put(at, mask, false);
            continue;
        }
        Group* best = nullptr;
        for (auto& g : c.groups)
            if (!g.blocked && (!best || g.pc < best->pc)) best = &g;
        if (!best) {
            const Group& g = c.groups.front();
            here = &c.function->code[g.pc];
            uint32_t others = ~dead & ~g.mask;
            trouble(Fault::barrier, __builtin_ctz(g.mask), "lanes 0x%08x of the warp wait here for lanes 0x%08x, which wait elsewhere and never come", g.mask, others);
        }
        pc = best->pc, active = best->mask;
        *best = c.groups.back();
        c.groups.pop_back();
        stop = never;
        for (auto& g : c.groups)
            if (g.pc > pc) stop = std::min(stop, g.pc);
        return true;
    }
}

// need tells whether all members that live are here; if not, the group waits.
bool Runner::need(const Instr& i, uint32_t members, uint32_t mask) {
    uint32_t away = members & ~dead & ~mask;
    if (!away) return true;
    if (away & active)
        trouble(Fault::barrier, __builtin_ctz(away & active), "lanes 0x%08x skip by their predicate what lanes 0x%08x wait in for them", away & active, mask);
    put(static_cast<uint32_t>(&i - function->code.data()), active, true);
    return false;
}

void Runner::call(const Instr& i, uint32_t mask) {
    const Call& c = function->calls[i.target];
    const Function& f = worker->kernel->code->module->functions[c.function];
    Context& caller = stack.back();
    uint32_t rest = active & ~mask;
    if (rest) put(pc + 1, rest, false);
    uint8_t* callee = caller.frame + caller.function->frame_bytes;
    uint32_t local_at = caller.local + caller.function->local_bytes;
    enter(f, callee, local_at, true);
    for (auto& copy : c.in)
        for (uint32_t l = 0; l < lanes; l++)
            if (mask >> l & 1)
                std::memcpy(callee + f.block + l * f.block_bytes + copy.to, caller.frame + function->block + l * function->block_bytes + copy.from, copy.bytes);
    uint32_t after = pc + 1;
    stack.push_back({&f, callee, local_at, {}, &c, after, 0});
    load();
    pc = 0, active = mask, stop = never;
}

// leave takes lanes out of the function, or out of the kernel.
void Runner::leave(uint32_t mask, bool exit) {
    Context& c = stack.back();
    if (exit || stack.size() == 1) {
        dead |= mask;
        for (auto& context : stack)
            for (auto& g : context.groups) g.blocked = false;
    } else {
        c.returned |= mask;
        const Function& f = *c.function;
        const Context& caller = stack[stack.size() - 2];
        for (auto& copy : c.call->out)
            for (uint32_t l = 0; l < lanes; l++)
                if (mask >> l & 1)
                    std::memcpy(caller.frame + caller.function->block + l * caller.function->block_bytes + copy.to, c.frame + f.block + l * f.block_bytes + copy.from, copy.bytes);
    }
}

void Runner::assertion(const Instr& i, uint32_t mask) {
    uint32_t lane = uint32_t(__builtin_ctz(mask));
    const Call& c = function->calls[i.target];
    const uint8_t* parameters = frame + function->block + lane * function->block_bytes;
    auto number = [&](size_t k) {
        uint64_t v = 0;
        if (k < c.in.size()) std::memcpy(&v, parameters + c.in[k].from, std::min<size_t>(c.in[k].bytes, 8));
        return v;
    };
    auto text = [&](size_t k) {
        std::string s, why;
        for (uint64_t a = number(k); s.size() < 200; a++) {
            Extent x{};
            if (!worker->memory->find(a, 1, false, x, why)) break;
            char ch = char(x.host[a - x.base]);
            if (!ch) break;
            s += ch;
        }
        return s;
    };
    trouble(Fault::trap, int(lane), "assertion failed: %s (%s:%u, %s)", text(0).c_str(), text(1).c_str(), uint32_t(number(2)), text(3).c_str());
}

Runner::State Runner::run() {
    const Instr* code = function->code.data();
    const uint64_t limit = worker->launch->step_limit ? worker->launch->step_limit : ~uint64_t(0);
    for (;;) {
        const Instr& i = code[pc];
        here = &i;
        const uint32_t m = active & (read_mask(frame, i.guard) ^ i.flip);
        instructions += uint64_t(__builtin_popcount(m));
        if (++steps > limit) trouble(Fault::limit, __builtin_ctz(active), "the block has taken %llu warp instructions and is not done", (unsigned long long)limit);
        bool again = false;  // another group may have to run
        switch (i.flow) {
        case Flow::plain:
            if (m) i.run(*this, i, m);
            if (++pc == stop) {
                put(pc, active, false);
                again = true;
            }
            break;
        case Flow::together:
            if (m) {
                uint32_t members = 0;
                for (uint32_t l = 0; l < lanes; l++)
                    if (m >> l & 1) members |= read_mask(frame, i.e + l * 4);
                if (!need(i, members, m)) {
                    again = true;
                    break;
                }
                i.run(*this, i, m);
            }
            if (++pc == stop) {
                put(pc, active, false);
                again = true;
            }
            break;
        case Flow::branch:
            if (m == active) {
                pc = i.target;
                if (!stack.back().groups.empty()) {
                    put(pc, active, false);
                    again = true;
                }
            } else if (m == 0) {
                if (++pc == stop) {
                    put(pc, active, false);
                    again = true;
                }
            } else {
                put(i.target, m, false);
                put(pc + 1, active & ~m, false);
                again = true;
            }
            break;
        case Flow::indexed:
            for (uint32_t l = 0; l < lanes; l++) {
                if (!(m >> l & 1)) continue;
                uint32_t index = read_mask(frame, i.a + l * 4);
                if (index >= uint64_t(i.offset)) trouble(Fault::trap, int(l), "brx.idx %u of a table of %lld branches", index, (long long)i.offset);
                put(function->extra[i.extra + index], 1u << l, false);
            }
            if (active & ~m) put(pc + 1, active & ~m, false);
            again = true;
            break;
        case Flow::call:
            if (m) {
                call(i, m);
                code = function->code.data();
            } else if (++pc == stop) {
                put(pc, active, false);
                again = true;
            }
            break;
        case Flow::ret:
        case Flow::exit:
            if (m) leave(m, i.flow == Flow::exit);
            if (active & ~m) put(pc + 1, active & ~m, false);
            again = true;
            break;
        case Flow::trap:
            if (m) trouble(Fault::trap, __builtin_ctz(m), "trap");
            ++pc;
            break;
        case Flow::assertion:
            if (m) assertion(i, m);
            ++pc;
            break;
        case Flow::barrier:
            if (m) {
                if (!need(i, everyone, m)) {
                    again = true;
                    break;
                }
                ++pc;
                return state = waiting;
            }
            ++pc;
            break;
        }
        if (again) {
            if (!choose()) return state = done;
            code = function->code.data();
        }
    }
}

}  // namespace ptx
