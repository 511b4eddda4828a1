// The decoded form of a module and the state of a running warp. A register is an array over the 32 lanes of a warp, so that one
// instruction is one loop; a predicate is a 32-bit mask. All of a function's registers, constants and call parameters lie in one
// frame per warp, and operands are byte offsets into it.
#pragma once

#include <map>

#include "ptx.h"

namespace ptx {

enum class Type : uint8_t {
    none, pred, b8, b16, b32, b64, u8, u16, u32, u64, s8, s16, s32, s64, f16, bf16, f16x2, bf16x2, f32, f64
};

size_t size_of(Type);
bool is_signed(Type);
bool is_float(Type);

enum class Op : uint8_t {
    add, sub, mul, mul_hi, mul_wide, mad, mad_hi, mad_wide, mul24, mad24, sad, div, rem, min, max, abs, neg,
    add_carry, sub_carry, mad_carry, mad_hi_carry,
    and_, or_, xor_, not_, cnot, shl, shr, shf_l, shf_r, bfe, bfi, brev, clz, popc, bfind, prmt, lop3, dp4a,
    fma, sqrt, rsqrt, rcp, ex2, lg2, sin, cos, tanh, copysign, testp,
    mov, pack, unpack, selp, slct, set, setp, cvt, cvt_pack, clock,
    ld, st, atom, red, shfl, vote, match, activemask,
    pred_and, pred_or, pred_xor, pred_not, pred_mov,
};

enum class Round : uint8_t { nearest, zero, down, up, away };
enum class Compare : uint8_t { eq, ne, lt, le, gt, ge, lo, ls, hi, hs, equ, neu, ltu, leu, gtu, geu, num, nan };
enum class Space : uint8_t { generic, global, shared, local, param, constant, kernel_param };
enum class Atomic : uint8_t { add, min, max, exch, cas, and_, or_, xor_, inc, dec };
enum class Shuffle : uint8_t { up, down, bfly, idx };
enum class Vote : uint8_t { all, any, uni, ballot };
enum class Test : uint8_t { finite, infinite, number, notanumber, normal, subnormal };

// Spec is an instruction's name taken apart: what select needs to find its function.
struct Spec {
    Op op{};
    Type type = Type::none, from = Type::none;  // from: the source of cvt, set, slct; width of a register for ld and st
    Round round = Round::nearest;
    bool ftz = false, sat = false, nan = false, xorsign = false, absolute = false, relu = false, integer = false, three = false;
    bool carry_in = false, carry_out = false, wrap = false, amount = false;
    Compare compare{};
    Space space{};
    Atomic atomic{};
    Shuffle shuffle{};
    Vote vote{};
    Test test{};
    uint8_t elements = 1;   // of a vector
};

struct Warp;
struct Instr;
using Fn = void (*)(Warp&, const Instr&, uint32_t mask);

// Flow says what the scheduler does with an instruction.
enum class Flow : uint8_t {
    plain,      // run it
    together,   // run it when every live lane that operand members names is here
    branch, indexed, call, ret, exit, trap, assertion, barrier
};

struct Instr {
    Fn run = nullptr;
    uint32_t guard = 0, flip = 0;         // active lanes: the mask at guard, xor flip
    uint32_t d = 0, a = 0, b = 0, c = 0;  // operands
    uint32_t e = 0;                       // second destination, or members of a together
    uint32_t extra = 0;                   // first of the operands in Function::extra: elements of vectors, branch targets
    uint32_t target = 0;                  // pc, index of the call or of the cached extent, second result of shfl and match
    int32_t line = 0;
    int64_t offset = 0;                   // of an address, or an immediate
    Flow flow = Flow::plain;
    uint8_t bytes = 0;                    // of an element in memory, of cvt's destination register
    uint8_t width = 0;                    // of an address register, of cvt's source register
    uint8_t mode = 0;                     // what the function makes of it
    bool relaxed = false;                 // a volatile or ordered access; a barrier that other instructions may complete
};

struct Copy {
    uint32_t from, to, bytes;  // offsets in the parameter blocks of caller and callee
};

struct Call {
    uint32_t function;
    std::vector<Copy> in, out;
};

// Fill is a constant whose value is known when the frame is entered.
struct Fill {
    enum Kind { variable, shared, local } kind;
    uint32_t slot, width;
    uint32_t index;   // of the variable
    uint64_t value;   // added; for a local the offset in the function's local memory
};

enum class Special : uint8_t {
    tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z, ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z, laneid, warpid, nwarpid,
    smid, nsmid, gridid, lanemask_eq, lanemask_le, lanemask_lt, lanemask_ge, lanemask_gt, dynamic_smem_size, total_smem_size
};

constexpr uint32_t lanes = 32;
constexpr uint32_t everyone = ~0u;
constexpr uint32_t nowhere = ~0u;     // a destination that is not wanted (_)
constexpr uint32_t carry_slot = 4;      // the carry flags of the warp
constexpr uint32_t frame_header = 64;   // 0: a mask of ones, 4: carry

struct Function {
    std::string name;
    bool entry = false, defined = false, assertion = false;
    int line = 0;
    std::vector<Instr> code;
    std::vector<uint32_t> extra;
    std::vector<Call> calls;
    uint32_t image_at = 0;               // where in the frame the constants lie, behind the registers
    std::vector<uint8_t> image;
    std::vector<Fill> fills;
    std::vector<std::pair<Special, uint32_t>> specials;
    uint32_t frame_bytes = 0;            // all of it
    uint32_t block = 0, block_bytes = 0; // per-thread parameters: offset in the frame, bytes per lane
    uint32_t local_bytes = 0;
    uint32_t stack_bytes = 0, stack_local = 0;  // with the deepest calls
    std::vector<Param> params, returns;
    std::vector<uint32_t> shared_used;   // variables
    int registers = 0;
};

struct Code {
    const Module::Parts* module;
    uint32_t function;
    std::vector<uint64_t> shared;        // where each shared variable lies in this kernel
    size_t dynamic_base = 0;             // where dynamic shared memory begins
};

struct Shared {
    std::string name;
    size_t size, align;
    bool dynamic;
};

struct Module::Parts {
    std::vector<Function> functions;
    std::map<std::string, uint32_t, std::less<>> names;
    std::vector<Variable> variables;
    std::vector<Shared> shared;
    struct Address { uint32_t variable; size_t at; uint32_t of; uint64_t add; };
    std::vector<Address> addresses;      // in initialisers
    std::vector<Kernel> kernels;
    std::vector<std::unique_ptr<Code>> codes;
    uint32_t cached = 0;                 // memory instructions in all
};

// Trouble is thrown by an instruction that faults.
struct Trouble {
    Fault::Kind kind;
    std::string what;
    int lane;
};
[[noreturn]] void trouble(Fault::Kind kind, int lane, const char* format, ...) __attribute__((format(printf, 3, 4)));

class Sectors;

// Worker is what one host thread needs to run blocks, one after another.
struct Worker {
    Memory* memory;
    const Launch* launch;
    const Kernel* kernel;
    std::vector<Extent> extents;         // per memory instruction
    std::vector<uint8_t> shared;
    std::vector<uint32_t> shadow;        // per two bytes of shared memory: who touched it since the last barrier
    uint32_t epoch = 0;
    std::vector<uint8_t> local;
    Sectors* reads = nullptr;            // null: not counted
    Sectors* writes = nullptr;
};

// find makes extent hold [address, address+bytes) or throws.
void find(Worker& worker, int lane, uint64_t address, size_t bytes, bool write, Extent& extent);
void record(Sectors& sectors, uint64_t address, size_t bytes);
uint64_t clock_now();

constexpr uint64_t shared_window = 0xF100000000000000;
constexpr uint64_t local_window = 0xF200000000000000;
constexpr uint64_t param_window = 0xF300000000000000;
constexpr uint64_t window_mask = 0xFF00000000000000;

struct Warp {
    uint8_t* frame;
    uint32_t dead;                       // lanes that returned, or that the block does not have
    uint32_t id;
    const Function* function;
    Worker* worker;
    uint8_t* shared;
    size_t shared_bytes;
    uint8_t* local;                      // of lane 0; the next lane's is local_bytes farther
    size_t local_bytes;
    uint32_t first;                      // linear thread number of lane 0
};

// select finds the function of an instruction. Null: no such instruction.
Fn select(const Spec& spec);

}  // namespace ptx
