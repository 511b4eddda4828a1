// Planted bugs, each found and named; texts that are wrong, each refused with its line.
#include <algorithm>

#include "testing.h"

using namespace testing;

namespace {

const char* prologue = ".reg .b32 %r<30>; .reg .b64 %rd<30>; .reg .b16 %h<5>; .reg .f32 %f<20>; .reg .pred %p<10>;\nld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;\n";
constexpr int first_line = 7;  // of the text put into run

struct Planted {
    const char* name;
    std::string text;
    ptx::Fault::Kind kind;
    const char* says;
    uint32_t block = 128;
    int thread = -1, line = first_line;
};

std::string whole(const std::string& text) { return std::string(header) + ".visible .entry k(.param .u64 out) {\n" + prologue + text + "\nret;\n}\n"; }

std::optional<ptx::Fault> run(const std::string& text, uint32_t block, uint32_t grid = 1, bool races = true, int host_threads = 1) {
    Arena arena;
    auto module = load(whole(text), arena);
    ptx::Launch l;
    l.block.x = block, l.grid.x = grid, l.check_races = races, l.step_limit = 3000000;
    return launch(*module, "k", l, Params().add(arena.allocate(512)), arena, nullptr, host_threads);
}

const std::string box = ".shared .align 16 .b8 box[512]; mov.u32 %r2, box; mad.lo.u32 %r3, %r1, 4, %r2;\n";
const std::string other = "xor.b32 %r4, %r1, 32; mad.lo.u32 %r5, %r4, 4, %r2;\n";

}  // namespace

TEST(faults_planted) {
    using F = ptx::Fault;
    Planted cases[] = {
        {"a store past the end", "st.global.u32 [%rd3+4], %r1;", F::address, "no allocation", 128, 127},
        {"a store past the end, warp half in", "setp.lt.u32 %p1, %r1, 130; @%p1 st.global.u32 [%rd3], %r1;", F::address, "a write of 4 bytes", 160, 128},
        {"a load before the start", "ld.global.u32 %r5, [%rd1+-4];", F::address, "a read of 4 bytes", 32, 0},
        {"a null pointer", "mov.u64 %rd5, 0; ld.global.u32 %r5, [%rd5];", F::address, "0x0", 32, 0},
        {"a generic load of nonsense", "mov.u64 %rd5, 0xF700000000000000; ld.u32 %r5, [%rd5];", F::address, "no address", 32, 0},
        {"an atomic past the end", "red.global.add.u32 [%rd1+512], 1;", F::address, "no allocation", 32, 0},
        {"a misaligned vector", "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd3];", F::alignment, "multiple of 16", 32, 1},
        {"a misaligned vector, straight", "mad.lo.u64 %rd4, %rd2, 2, %rd1; ld.global.v2.f32 {%f1, %f2}, [%rd4+4];", F::alignment, "multiple of 8", 32, 0},
        {"a misaligned word", "ld.global.u32 %r5, [%rd3+2];", F::alignment, "multiple of 4", 32, 0},
        {"a misaligned shared word", box + "ld.shared.u32 %r5, [%r3+1];", F::alignment, "multiple of 4", 32, 0, first_line + 1},
        {"a misaligned local word", ".local .align 16 .b8 own[16]; ld.local.u32 %r5, [own+2];", F::alignment, "multiple of 4", 32, 0},
        {"past shared memory", box + "st.shared.u32 [%r3+4], %r1;", F::address, "512 bytes of shared memory", 128, 127, first_line + 1},
        {"past local memory", ".local .align 4 .b8 own[16]; ld.local.u32 %r5, [own+16];", F::address, "16 bytes of local memory", 32, 0},
        {"a vector past local memory", ".local .align 16 .b8 own[16]; mov.u64 %rd5, own; ld.local.v2.u32 {%r5, %r6}, [%rd5+16];", F::address, "local", 32, 0},
        {"a missing barrier, read after write", box + "st.shared.u32 [%r3], %r1;\n" + other + "ld.shared.u32 %r6, [%r5];", F::race, "warp 1 writes bytes [128, 256)", 128, 32, first_line + 1},
        {"a missing barrier, write after read", box + "ld.shared.u32 %r6, [%r3];\n" + other + "st.shared.u32 [%r5], %r1;", F::race, "warp 1 reads bytes [128, 256)", 128, 32, first_line + 1},
        {"a missing barrier, write after write", box + "st.shared.u32 [box], %r1;", F::race, "writes", 64, 32, first_line + 1},
        {"a missing barrier, half words", box + "cvt.u16.u32 %h1, %r1; st.shared.u16 [%r3], %h1;\n" + other + "ld.shared.u16 %h2, [%r5];", F::race, "warp 1 writes", 64, 32, first_line + 1},
        {"a missing barrier, vectors", box + "mad.lo.u32 %r8, %r1, 8, %r2; st.shared.v2.u32 [%r8], {%r1, %r1};\n" + other + "ld.shared.u32 %r6, [%r5];", F::race, "reads", 64, -1, first_line + 3},
        {"a missing barrier, generic", box + "st.shared.u32 [%r3], %r1;\n" + other + "cvt.u64.u32 %rd5, %r5; cvta.shared.u64 %rd5, %rd5; ld.u32 %r6, [%rd5];", F::race, "warp 1 writes", 64, 32, first_line + 1},
        {"a read of what atomics change", box + "atom.shared.add.u32 %r5, [box], 1;\nld.shared.u32 %r6, [box];", F::race, "", 64, -1, 0},
        {"the barrier of another round", box + "mov.u32 %r9, 0; again: st.shared.u32 [%r3], %r1; bar.sync 0;\n" + other + "ld.shared.u32 %r6, [%r5]; add.u32 %r9, %r9, 1; setp.lt.u32 %p1, %r9, 3; @%p1 bra again;", F::race, "warp 1 reads bytes [0, 128)", 64, 32, first_line + 3},
        {"a barrier for half a warp", "setp.lt.u32 %p1, %r1, 16; @!%p1 bra end;\nbar.sync 0;\nend: add.u32 %r5, %r5, 1; bra last; last: bar.sync 0;", F::barrier, "", 32, -1, 0},
        {"a barrier for one warp of two", "setp.lt.u32 %p1, %r1, 32; @!%p1 bra end;\nbar.sync 0;\nend:", F::barrier, "1 warps of the block wait at a barrier, 1 have returned", 64, 0, first_line + 1},
        {"two barriers for one", "setp.lt.u32 %p1, %r1, 32; @!%p1 bra other;\nbar.sync 0;\nbra end; other: bar.sync 0; end:", F::barrier, "divergent code", 64, -1, 0},
        {"a return before a barrier", "setp.ge.u32 %p1, %r1, 50; @%p1 ret;\nbar.sync 0;", F::barrier, "have returned", 64, -1, first_line + 1},
        {"a predicated barrier", "setp.lt.u32 %p1, %r1, 10;\n@%p1 bar.sync 0;", F::barrier, "skip by their predicate", 32, -1, first_line + 1},
        {"a barrier number", "bar.sync 16;", F::barrier, "barrier 16", 32, 0},
        {"a barrier's count", "bar.sync 1, 48;", F::barrier, "48 threads", 64, 0},
        {"a barrier's count, too large", "bar.sync 1, 128;", F::barrier, "128 threads", 64, 0},
        {"a shuffle from a lane that is gone", "shfl.sync.bfly.b32 %r5, %r1, 16, 31, -1;", F::barrier, "lane 16, which does not take part", 16, 0},
        {"a shuffle that some skip", "setp.lt.u32 %p1, %r1, 10; @%p1 bra end;\nshfl.sync.bfly.b32 %r5, %r1, 16, 31, -1;\nend:", F::barrier, "lane 0, which does not take part", 32, 16, first_line + 1},
        {"a shuffle without oneself", "shfl.sync.bfly.b32 %r5, %r1, 1, 31, 0xFFFF;", F::barrier, "leaves out", 32, 16},
        {"a vote that some skip", "setp.lt.u32 %p1, %r1, 10; @%p1 bra end;\nvote.sync.ballot.b32 %r5, %p1, -1; ret;\nend: bar.warp.sync -1;", F::barrier, "never come", 32, -1, 0},
        {"a trap", "setp.eq.u32 %p1, %r1, 70; @%p1 trap;", F::trap, "trap", 128, 70},
        {"an endless loop", "again: bra again;", F::limit, "3000000", 32, -1},
        {"a branch table's index", "table: .branchtargets last; brx.idx %r1, table; last:", F::trap, "brx.idx 1", 32, 1},
        {"a parameter's end", "mov.b64 %rd5, out; ld.param.u64 %rd6, [%rd5+8];", F::address, "8 bytes of parameters", 32, 0},
    };
    for (auto& c : cases) {
        std::optional<ptx::Fault> fault;
        try {
            fault = run(c.text, c.block);
        } catch (const ptx::Error& e) {
            FAIL("%s: %s", c.name, e.what());
            continue;
        }
        if (!fault) {
            FAIL("%s: no fault", c.name);
            continue;
        }
        CHECK(fault->kind == c.kind, "%s: kind %d, not %d (%s)", c.name, int(fault->kind), int(c.kind), fault->what.c_str());
        CHECK(fault->what.find(c.says) != std::string::npos, "%s: it says \"%s\", without \"%s\"", c.name, fault->what.c_str(), c.says);
        CHECK(c.line == 0 || fault->line == c.line, "%s: line %d, not %d (%s)", c.name, fault->line, c.line, fault->what.c_str());
        CHECK(c.thread < 0 || fault->thread.x == uint32_t(c.thread), "%s: thread %u, not %d (%s)", c.name, fault->thread.x, c.thread, fault->what.c_str());
    }
}

TEST(faults_absent) {
    // what looks like the bugs above and is none
    struct { const char* name; std::string text; uint32_t block; } cases[] = {
        {"with its barrier", box + "st.shared.u32 [%r3], %r1; bar.sync 0;\n" + other + "ld.shared.u32 %r6, [%r5]; bar.sync 0; st.shared.u32 [%r5], %r6;", 128},
        {"within a warp", box + "st.shared.u32 [%r3], %r1; bar.warp.sync -1; xor.b32 %r4, %r1, 1; mad.lo.u32 %r5, %r4, 4, %r2; ld.shared.u32 %r6, [%r5];", 128},
        {"atomics only", box + "atom.shared.add.u32 %r5, [box], 1; red.shared.add.u32 [box], 1;", 128},
        {"two reads", box + "ld.shared.u32 %r5, [box]; bar.sync 0; ld.shared.u32 %r5, [box];", 128},
        {"halves of a word", box + "mad.lo.u32 %r8, %r1, 2, %r2; cvt.u16.u32 %h1, %r1; setp.lt.u32 %p1, %r1, 33; @!%p1 bra end; st.shared.u16 [%r8], %h1; end:", 64},
        {"volatile flags", box + "st.volatile.shared.u32 [box], %r1; ld.volatile.shared.u32 %r6, [box];", 64},
        {"lanes outside that do nothing", "setp.lt.u32 %p1, %r1, 128; @%p1 st.global.u32 [%rd3], %r1;", 160},
        {"a short block's barrier", "bar.sync 0; st.global.u32 [%rd3], %r1;", 40},
    };
    for (auto& c : cases) {
        auto fault = run(c.text, c.block);
        CHECK(!fault, "%s: %s", c.name, fault->what.c_str());
    }
    auto unchecked = run(box + "st.shared.u32 [box], %r1;", 64, 1, false);
    CHECK(!unchecked, "races are not to be checked: %s", unchecked->what.c_str());
}

TEST(faults_of_the_first_block) {
    // many blocks fault, on several host threads; the report is always block 3's, whether it gets there before the others or after
    for (int k = 0; k < 5; k++) {
        auto fault = run("mov.u32 %r5, %ctaid.x; mov.u32 %r6, 0; setp.le.u32 %p3, %r5, 3; selp.u32 %r7, 300000, 500000, %p3; setp.eq.u32 %p4, %r5, 4; selp.u32 %r7, 200000, %r7, %p4; setp.lt.u32 %p4, %r5, 3; selp.u32 %r7, 10, %r7, %p4; again: add.u32 %r6, %r6, 1; setp.lt.u32 %p2, %r6, %r7; @%p2 bra again; setp.ge.u32 %p1, %r5, 3; @%p1 trap;", 256, 200, true, 4);
        CHECK(fault && fault->block.x == 3, "the fault is of block %u", fault ? fault->block.x : 999);
        if (fault) CHECK(fault->what.find("kernel k, line 7 of the PTX, block (3,0,0), thread (0,0,0): trap") == 0, "it says \"%s\"", fault->what.c_str());
    }
}

TEST(faults_read_only) {
    Arena arena;
    auto module = load(std::string(header) + ".const .align 4 .u32 c = 5;\n.visible .entry k() { .reg .b64 %rd<2>; mov.u64 %rd1, c; cvta.const.u64 %rd1, %rd1; st.u32 [%rd1], 7; ret; }", arena);
    arena.read_only = module->variables()[0].address;
    auto fault = launch(*module, "k", {}, Params(), arena);
    CHECK(fault && fault->what.find("constant memory") != std::string::npos, "a store to a constant passes");
}

TEST(faults_of_launches) {
    Arena arena;
    auto module = load(std::string(header) + ".visible .entry k(.param .u32 n) .maxntid 128 { ret; }\n.visible .entry r() .reqntid 8, 4 { ret; }", arena);
    CHECK(module->find("k")->max_threads == 128 && module->find("r")->required[1] == 4, "the directives are lost");
    CHECK(!module->find("none"), "a kernel out of nowhere");
    auto refused = [&](const char* name, ptx::Dim3 grid, ptx::Dim3 block, const char* says) {
        ptx::Launch l;
        l.grid = grid, l.block = block;
        auto fault = launch(*module, name, l, Params().add(1u), arena);
        CHECK(says[0] ? fault && fault->kind == ptx::Fault::launch && fault->what.find(says) != std::string::npos : !fault, "\"%s\" is not what \"%s\" says", fault ? fault->what.c_str() : "", says);
    };
    refused("k", {1, 1, 1}, {128, 1, 1}, "");
    refused("k", {1, 1, 1}, {129, 1, 1}, "at most 128");
    refused("k", {0, 1, 1}, {1, 1, 1}, "an empty launch");
    refused("k", {1, 1, 1}, {1, 0, 1}, "an empty launch");
    refused("k", {1, 70000, 1}, {1, 1, 1}, "too large");
    refused("k", {1, 1, 1}, {64, 32, 1}, "more than 1024 threads");
    refused("r", {1, 1, 1}, {32, 1, 1}, "compiled for another");
    refused("r", {1, 1, 1}, {8, 4, 1}, "");
    ptx::Launch l;
    auto fault = ptx::run(*module->find("k"), l, arena, nullptr, 1);
    CHECK(fault && fault->what.find("no parameters") != std::string::npos, "a launch without parameters passes");
}

TEST(faults_assertion) {
    Arena arena;
    auto module = load(std::string(header) + ".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);\n.global .align 1 .b8 text[6] = {120, 32, 62, 32, 48, 0};\n.global .align 1 .b8 file[5] = {107, 46, 99, 117, 0};\n"
                       ".visible .entry k() { .reg .b64 %rd<3>; mov.u64 %rd1, text; mov.u64 %rd2, file; { .param .b64 p0; st.param.b64 [p0], %rd1; .param .b64 p1; st.param.b64 [p1], %rd2; .param .b32 p2; st.param.b32 [p2], 16; .param .b64 p3; st.param.b64 [p3], %rd2; .param .b64 p4; st.param.b64 [p4], 1; call.uni __assertfail, (p0, p1, p2, p3, p4); } ret; }", arena);
    auto fault = launch(*module, "k", {}, Params(), arena);
    CHECK(fault && fault->kind == ptx::Fault::trap && fault->what.find("assertion failed: x > 0 (k.cu:16") != std::string::npos, "it says \"%s\"", fault ? fault->what.c_str() : "nothing");
}

TEST(errors_of_parsing) {
    struct { std::string text, says; } bodies[] = {
        {"foo.bar %r1, %r2;", "line 7: unknown instruction foo.bar"},
        {"\n\nadd.f17 %r1, %r2, %r3;", "line 9: unknown instruction add.f17"},
        {"add.s32.sat.sat %r1, %r2, %r3;", "unknown instruction add.s32.sat.sat"},
        {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1}, {%r1}, {%r2}, {%f2};", "unknown instruction mma.sync"},
        {"ld.global.weird.f32 %f1, [%rd1];", "unknown instruction ld.global.weird.f32"},
        {"st.const.f32 [%rd1], %f1;", "unknown instruction st.const.f32"},
        {"setp.lt.b32 %p1, %r1, %r2;", "unknown instruction setp.lt.b32"},
        {"setp.lo.s32 %p1, %r1, %r2;", "unknown instruction setp.lo.s32"},
        {"mul.s32 %r1, %r2, %r3;", "unknown instruction mul.s32"},
        {"mul.lo.sat.s32 %r1, %r2, %r3;", "unknown instruction mul.lo.sat.s32"},
        {"add.ftz.f64 %rd1, %rd2, %rd3;", "unknown instruction add.ftz.f64"},
        {"and.s32 %r1, %r2, %r3;", "unknown instruction and.s32"},
        {"cvt.s32.f32 %r1, %f1;", "unknown instruction cvt.s32.f32"},
        {"cvt.f32.s32 %f1, %r1;", "unknown instruction cvt.f32.s32"},
        {"cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;", "unknown instruction cvt.rn.satfinite.e4m3x2.f32"},
        {"abs.u32 %r1, %r2;", "unknown instruction abs.u32"},
        {"shfl.bfly.b32 %r1, %r2, 1, 31;", "unknown instruction shfl.bfly.b32"},
        {"add.s32 %r1, %r2;", "line 7: add.s32 has 2 operands, not 3"},
        {"add.s32 %r1, %rd2, %r3;", "%rd2 is 64 bits wide, the instruction takes 32"},
        {"add.s32 %rd1, %r2, %r3;", "%rd1 is 64 bits wide, the result has 32"},
        {"add.s32 %r99, %r2, %r3;", "found %r99"},
        {"add.s32 %r1, %q2, %r3;", "unknown name %q2"},
        {"add.s32 %r1, %p2, %r3;", "%p2 is a predicate"},
        {"add.s32 %r1, 0f3F800000, %r3;", "floating-point number"},
        {"add.s32 _, %r2, %r3;", "without a result"},
        {"@%r1 add.s32 %r1, %r2, %r3;", "expected a predicate, found %r1"},
        {"bra nowhere;", "line 7: no label nowhere"},
        {"x: x: ret;", "x is declared twice"},
        {"mov.u32 %r1, 0x;", "malformed number 0x"},
        {"mov.f32 %f1, 0f3F80;", "malformed number 0f3F80"},
        {"add.s32 %r1, %r2, %r3", "expected ;, found ret"},
        {"ld.shared.u32 %r1, [out];", "another state space"},
        {"ld.global.v4.u32 {%r1, %r2}, [%rd1];", "has 2 registers"},
        {"ld.global.u64 %r1, [%rd1];", "a register of 32 bits"},
        {"call.uni missing, ();", "missing is no function"},
        {"st.param.u64 [out], %rd1;", "a store to a parameter of the kernel"},
        {".reg .b7 %x;", "unknown type .b7 of a register"},
        {".bogus;", "unknown directive .bogus"},
        {"{ add.s32 %r1, %r2, %r3;", "has no end"},
        {"lop3.b32 %r1, %r2, %r3, %r4, 256;", "no number up to 255"},
        {"brx.idx %r1, out;", "out is no branch table"},
        {"mov.u32 %r1, #;", "unexpected character #"},
    };
    for (auto& b : bodies) {
        std::string got = parse_error(whole(b.text));
        CHECK(got.find(b.says) != std::string::npos, "\"%s\" gives \"%s\", without \"%s\"", b.text.c_str(), got.c_str(), b.says.c_str());
    }
    struct { std::string text, says; } modules[] = {
        {"", "line 1: expected .version"},
        {".version 9.0\n.target sm_90\n.address_size 32\n", "only 64"},
        {std::string(header) + ".global .u32 a = {1, 2};", "more values than fit"},
        {std::string(header) + ".global .u32 a[2] = {1, b};", "b is no variable"},
        {std::string(header) + ".extern .global .u32 a;", "modules are not linked"},
        {std::string(header) + ".shared .b8 a[];", "a has no length"},
        {std::string(header) + ".global .align 3 .u32 a;", "alignment 3"},
        {std::string(header) + "\n.nonsense", "line 5: unknown directive .nonsense"},
        {std::string(header) + ".entry k() { ret; } .entry k() { ret; }", "k is defined twice"},
        {std::string(header) + ".func f() { call f; ret; }", "recursion"},
        {std::string(header) + ".extern .func g();\n.func f() { call g; ret; }", "f calls g, which has no body"},
        {std::string(header) + ".func g(.param .b32 x) { ret; }\n.func f() { call g; ret; }", "g takes 1 arguments"},
        {std::string(header) + ".entry k() {", "has no end"},
        {std::string(header) + "/* open", "comment without an end"},
        {std::string(header) + ".file 1 \"open\n", "closing quote"},
        {std::string(header) + ".global .b8 a[99999999999][99999999999];", "too large"},
    };
    for (auto& m : modules) {
        std::string got = parse_error(m.text);
        CHECK(got.find(m.says) != std::string::npos, "\"%s\" gives \"%s\", without \"%s\"", m.text.c_str(), got.c_str(), m.says.c_str());
    }
}

TEST(errors_of_cut_texts) {
    // a text that ends anywhere is refused or read, without more
    std::string text = whole(".shared .align 4 .b8 box[64]; { .reg .b32 %t; mov.u32 %t, box; @%p1 bra out_; setp.lt.and.s32 %p1|%p2, %r1, 0f, !%p3; } out_: ld.global.v2.f32 {%f1, %f2}, [%rd1+-8]; atom.global.add.u32 %r1, [%rd1], 1;");
    std::string good = whole(".shared .align 4 .b8 box[64]; { .reg .b32 %t; mov.u32 %t, box; @%p1 bra out_; setp.lt.and.s32 %p1|%p2, %r1, 5, !%p3; } out_: ld.global.v2.f32 {%f1, %f2}, [%rd1+-8]; atom.global.add.u32 %r1, [%rd1], 1;");
    CHECK(parse_error(good).empty(), "%s", parse_error(good).c_str());
    CHECK(!parse_error(text).empty(), "0f is no number");
    for (size_t n = 0; n < good.size(); n++) parse_error(good.substr(0, n));
    std::mt19937 generator(5);
    for (int k = 0; k < 3000; k++) {
        std::string bad = good;
        for (int c = 0; c < 3; c++) bad[generator() % bad.size()] = char(" ;,.{}[]()<>%@!|+-_x01"[generator() % 22]);
        parse_error(bad);
    }
}
