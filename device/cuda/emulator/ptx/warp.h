// A warp that runs: its groups of lanes, each with a program counter. The group of lowest program counter runs, and groups that
// meet become one again, so divergent branches reconverge.
#pragma once

#include "code.h"

namespace ptx {

struct Group {
    uint32_t pc, mask;
    bool blocked;                        // at an instruction that waits for lanes of other groups
};

// Context is a function being executed; a call opens one above its caller's.
struct Context {
    const Function* function;
    uint8_t* frame;
    uint32_t local;                      // where its local memory begins
    std::vector<Group> groups;           // those that do not run
    const Call* call = nullptr;          // that opened it
    uint32_t return_pc = 0, returned = 0;
};

class Runner : public Warp {
public:
    enum State { ready, waiting, done };

    Runner(Worker& worker, uint32_t id, uint32_t threads);
    void begin(const Dim3& ctaid);       // a new block
    State run();                         // to a barrier or the end

    State state = done;
    uint32_t missing;                    // lanes that the block does not have
    const Instr* here = nullptr;         // what runs, or what it waits at
    uint64_t instructions = 0;           // per lane
    uint64_t steps = 0;

private:
    void enter(const Function& f, uint8_t* frame, uint32_t local, bool fresh);
    void set_specials(const Function& f, uint8_t* frame);
    void load();                         // the context on top becomes the Warp's
    bool choose();                       // the next group of the context, or of the caller's; false: all lanes are gone
    void put(uint32_t at, uint32_t mask, bool blocked);
    bool need(const Instr& i, uint32_t members, uint32_t mask);
    void call(const Instr& i, uint32_t mask);
    void leave(uint32_t mask, bool exit);
    [[noreturn]] void assertion(const Instr& i, uint32_t mask);

    std::vector<Context> stack;
    std::vector<uint8_t> memory;         // the frames
    uint8_t* bottom;
    Dim3 block;
    uint32_t pc = 0, active = 0, stop = 0;
    bool fresh = true;
};

}  // namespace ptx
