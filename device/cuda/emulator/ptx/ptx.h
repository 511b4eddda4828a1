// PTX as nvcc writes it, parsed and executed on the host: a Module holds the kernels of one text, run executes one launch.
// Nothing here knows the CUDA driver: memory is what a Memory says it is, and device addresses are not host addresses.
//
// Known are integer, f32, f64, f16 and bf16 arithmetic with its roundings, conversions, all state spaces, atomics, shuffles, votes,
// matches, barriers, direct calls and branch tables. Not known, and an error with name and line when met: mma and wgmma, textures
// and surfaces, cp.async and mbarrier, clusters, bar.red and bar.arrive, redux, eight-bit floats, indirect calls, recursion.
// The approximate functions are exact to the host's library; the value of NaNs is canonical; lanes of a warp run in step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ptx {

// Error is a text that cannot be parsed: "line 123: unknown instruction foo.bar".
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Param {
    size_t offset, size, align;
};

struct Code;  // the decoded instructions, private to the library

struct Kernel {
    std::string name;
    std::vector<Param> params;
    size_t param_bytes = 0;          // end of the last parameter
    size_t static_shared = 0;        // bytes of shared memory without the dynamic part
    size_t local_bytes = 0;          // local memory per thread
    int max_threads = 1024;          // .maxntid, .reqntid or 1024
    int required[3] = {0, 0, 0};     // .reqntid: the block must have this shape; zeros: any
    int registers = 0;               // virtual 32-bit registers per thread, before any allocation
    const Code* code = nullptr;
};

// Variable is a .global or .const variable of the module. Whoever loads the module gives it room in device memory (place), then
// copies initial there.
struct Variable {
    std::string name;
    size_t size, align;
    bool constant;                   // .const: kernels may only read it
    std::vector<uint8_t> initial;    // size bytes: the initialiser, zeros behind it; addresses in it are right after place
    uint64_t address = 0;
};

class Module {
public:
    // parse throws Error. The text need not end in a NUL; one at its end is ignored.
    static std::shared_ptr<Module> parse(std::string_view text);
    ~Module();
    const Kernel* find(std::string_view name) const;  // null: no such kernel
    const std::vector<Kernel>& kernels() const;
    const std::vector<Variable>& variables() const;
    // place asks for an address for each variable, before the first run.
    void place(const std::function<uint64_t(const Variable&)>& address);

    struct Parts;
    explicit Module(std::unique_ptr<Parts>);

private:
    std::unique_ptr<Parts> parts;
};

// Generic addresses from here up are windows on shared, local and parameter memory; device memory must lie below.
constexpr uint64_t first_window = 0xF000000000000000;

// Extent is an allocation: the device addresses [base, base+size) lie at host.
struct Extent {
    uint64_t base, size;
    uint8_t* host;
};

// Memory is the device memory that a launch sees. The executor keeps the extents it was given until run returns, one per memory
// instruction and host thread, so find is rarely called; several threads call it at once.
struct Memory {
    virtual ~Memory() = default;
    // find fills extent with the allocation that holds [address, address+bytes); false: a fault, and why says which
    // ("freed memory", "300 bytes past the end of an allocation of 4096 bytes").
    virtual bool find(uint64_t address, size_t bytes, bool write, Extent& extent, std::string& why) = 0;
};

struct Dim3 {
    uint32_t x = 1, y = 1, z = 1;
};

struct Launch {
    Dim3 grid, block;
    size_t dynamic_shared = 0;
    const uint8_t* params = nullptr;  // Kernel::param_bytes bytes, each parameter at its offset
    bool check_races = true;          // accesses of shared memory by two warps with no barrier between them
    uint64_t step_limit = 0;          // warp instructions a block may take; 0: no limit
};

// Traffic is added to by run. Bytes are what reaches L2: for each thread block the distinct 32-byte sectors of global memory
// that it read (wrote), times 32. An atomic operation does both; red only writes. Constant memory and parameters are not counted.
struct Traffic {
    uint64_t instructions = 0;        // lane instructions: one per active thread, those predicated off not counted
    uint64_t read_bytes = 0, write_bytes = 0;
};

struct Fault {
    // launch: refused, nothing ran. barrier: lanes or warps that wait for others in vain, or read a lane that does not take part.
    enum Kind { launch, address, alignment, barrier, race, trap, limit } kind;
    std::string what;                 // whole sentence: kernel, line of the PTX, block, thread, what happened
    int line;
    Dim3 block, thread;
};

// run executes a launch to its end on at most so many host threads. Blocks are independent, so the result does not depend on the
// number of threads as long as the kernel's atomic operations commute; the fault that is reported is the one of the first
// faulting block.
std::optional<Fault> run(const Kernel& kernel, const Launch& launch, Memory& memory, Traffic* traffic, int threads);

}  // namespace ptx
