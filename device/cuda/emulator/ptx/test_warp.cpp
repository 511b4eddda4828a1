// Divergence, calls, shuffles, votes, barriers: what the lanes of a warp and the warps of a block do together.
#include <functional>

#include "testing.h"

using namespace testing;

namespace {

const char* prologue = ".reg .b32 %r<30>; .reg .b64 %rd<30>; .reg .f32 %f<20>; .reg .pred %p<10>;\nld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd1, %rd1, %rd2;\n";

// run executes a text that leaves its result, one word per thread, in %r0.
std::vector<uint32_t> run(const std::string& before, const std::string& text, ptx::Launch shape) {
    Arena arena;
    auto module = load(header + before + ".visible .entry k(.param .u64 out) {\n" + prologue + text + "\nst.global.u32 [%rd1], %r0;\nret;\n}\n", arena);
    size_t n = shape.block.x;
    uint64_t out = arena.allocate(n * 4);
    if (auto fault = launch(*module, "k", shape, Params().add(out), arena)) throw std::runtime_error(fault->what);
    return arena.get<uint32_t>(out, n);
}

ptx::Launch threads(uint32_t n) {
    ptx::Launch l;
    l.block.x = n;
    return l;
}

void same(const char* name, const std::vector<uint32_t>& got, const std::function<uint32_t(uint32_t)>& want) {
    for (uint32_t k = 0; k < got.size(); k++)
        if (got[k] != want(k)) {
            FAIL("%s: thread %u has 0x%x, not 0x%x", name, k, got[k], want(k));
            return;
        }
}

}  // namespace

TEST(warp_divergence) {
    same("if, else and join", run("", "setp.lt.u32 %p1, %r1, 10; @%p1 bra small; mul.lo.u32 %r0, %r1, 3; bra join; small: add.u32 %r0, %r1, 100; join: add.u32 %r0, %r0, 1;", threads(64)),
         [](uint32_t k) { return (k < 10 ? k + 100 : k * 3) + 1; });
    same("loops of different length", run("", "mov.u32 %r0, 0; mov.u32 %r2, 0; again: setp.ge.u32 %p1, %r2, %r1; @%p1 bra done; add.u32 %r0, %r0, %r2; add.u32 %r2, %r2, 1; bra again; done:", threads(50)),
         [](uint32_t k) { return k ? k * (k - 1) / 2 : 0; });
    same("early return", run("", "mov.u32 %r0, 1; st.global.u32 [%rd1], %r0; and.b32 %r2, %r1, 3; setp.eq.u32 %p1, %r2, 2; @%p1 ret; mov.u32 %r0, 2;", threads(64)), [](uint32_t k) { return k % 4 == 2 ? 1u : 2u; });
    // lanes that ran apart are together again: the active mask says so
    same("reconvergence", run("", "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 0; @%p1 bra even; mov.u32 %r3, 5; bra join; even: mov.u32 %r3, 6; join: activemask.b32 %r0;", threads(32)), [](uint32_t) { return 0xFFFFFFFFu; });
    same("within a branch", run("", "mov.u32 %r0, 0; and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 0; @%p1 bra join; activemask.b32 %r0; join:", threads(32)), [](uint32_t k) { return k % 2 ? 0xAAAAAAAAu : 0; });
    same("nested", run("", "mov.u32 %r0, 0; and.b32 %r2, %r1, 1; and.b32 %r3, %r1, 2; setp.ne.u32 %p1, %r2, 0; setp.ne.u32 %p2, %r3, 0; @!%p1 bra outer; add.u32 %r0, %r0, 1; @!%p2 bra inner; add.u32 %r0, %r0, 10; inner: add.u32 %r0, %r0, 100; outer: activemask.b32 %r4; popc.b32 %r4, %r4; mad.lo.u32 %r0, %r4, 1000, %r0;", threads(32)),
         [](uint32_t k) { return 32000 + (k & 1) * (101 + (k & 2) * 5); });
    same("branch table", run("", "and.b32 %r2, %r1, 3; table: .branchtargets zero, one, two, one; brx.idx %r2, table; zero: mov.u32 %r0, 10; bra join; one: mov.u32 %r0, 11; bra join; two: mov.u32 %r0, 12; join: add.u32 %r0, %r0, 1;", threads(40)),
         [](uint32_t k) { return "\x0b\x0c\x0d\x0c"[k % 4]; });
    // a shuffle behind the join, laid out before one of its arms: the arm must come first
    same("arms in any order", run("", "setp.lt.u32 %p1, %r1, 7; @%p1 bra arm; mov.u32 %r2, %r1; bra join; join: shfl.sync.bfly.b32 %r0, %r2, 31, 31, -1; bra end; arm: add.u32 %r2, %r1, 1000; bra join; end:", threads(32)),
         [](uint32_t k) { uint32_t f = k ^ 31; return f < 7 ? f + 1000 : f; });
    // labels and registers of inner scopes
    same("scopes", run("", "mov.u32 %r0, 0; { .reg .b32 %t; mov.u32 %t, 5; bra inner; add.u32 %t, %t, 9; inner: add.u32 %r0, %r0, %t; } { .reg .b32 %t; mov.u32 %t, 7; bra inner; add.u32 %t, %t, 9; inner: add.u32 %r0, %r0, %t; }", threads(3)), [](uint32_t) { return 12u; });
}

TEST(warp_calls) {
    std::string functions =
        ".func (.param .b32 r) twice(.param .b32 x);\n"
        ".func (.param .b32 r) fact(.param .b32 x, .param .align 8 .b8 pair[16]) { .reg .b32 %r<5>; .reg .b64 %rd<3>; .local .align 4 .b8 keep[8]; .reg .pred %p; ld.param.b32 %r1, [x]; mov.u32 %r2, 1; st.local.u32 [keep+4], %r1;\n"
        "again: setp.lt.u32 %p, %r1, 2; @%p bra done; mul.lo.u32 %r2, %r2, %r1; sub.u32 %r1, %r1, 1; bra again;\n"
        "done: ld.param.u64 %rd1, [pair+8]; cvt.u32.u64 %r3, %rd1; add.u32 %r2, %r2, %r3; ld.local.u32 %r3, [keep+4]; { .param .b32 a; st.param.b32 [a], %r3; .param .b32 v; call.uni (v), twice, (a); ld.param.b32 %r3, [v]; } add.u32 %r2, %r2, %r3; st.param.b32 [r], %r2; ret; }\n"
        ".func (.param .b32 r) twice(.param .b32 x) { .reg .b32 %r<2>; .reg .pred %p; ld.param.b32 %r1, [x]; setp.eq.u32 %p, %r1, 3; @%p bra three; add.u32 %r1, %r1, %r1; st.param.b32 [r], %r1; ret; three: mov.u32 %r1, 33; st.param.b32 [r], %r1; }\n"
        ".func stop() { .reg .pred %p; .reg .b32 %r; mov.u32 %r, %tid.x; setp.gt.u32 %p, %r, 4; @%p exit; ret; }\n";
    auto factorial = [](uint32_t n) { uint32_t r = 1; for (; n > 1; n--) r *= n; return r; };
    std::string call = "{ .param .b32 a; .param .align 8 .b8 b[16]; .param .b32 v; mov.u64 %rd5, 1000; st.param.b32 [a], %r1; st.param.u64 [b+8], %rd5; call.uni (v), fact, (a, b); ld.param.b32 %r0, [v]; }";
    same("a call in a call", run(functions, call, threads(40)), [&](uint32_t k) { return factorial(k) + 1000 + (k == 3 ? 33 : 2 * k); });
    same("a divergent call", run(functions, "mov.u32 %r0, 5; setp.lt.u32 %p1, %r1, 6; @!%p1 bra skip; " + call + " skip: activemask.b32 %r3; popc.b32 %r3, %r3; add.u32 %r0, %r0, %r3;", threads(32)),
         [&](uint32_t k) { return (k < 6 ? factorial(k) + 1000 + (k == 3 ? 33 : 2 * k) : 5) + 32; });
    same("exit in a function", run(functions, "mov.u32 %r0, 1; st.global.u32 [%rd1], %r0; call stop; mov.u32 %r0, 2;", threads(32)), [](uint32_t k) { return k > 4 ? 1u : 2u; });
}

TEST(warp_shuffles) {
    // as the manual writes it, for whole warps and segments of 8 (c = 0x1800 and the clamp)
    struct { const char* kind; uint32_t c; } kinds[] = {{"up", 0}, {"down", 31}, {"bfly", 31}, {"idx", 31}, {"up", 0x1800}, {"down", 0x181F}, {"bfly", 0x181F}, {"idx", 0x181F}};
    for (auto& kind : kinds)
        for (uint32_t by : {0u, 1u, 3u, 8u, 16u, 31u}) {
            auto from = [&](uint32_t k, bool& in) {
                std::string s = kind.kind;
                int lane = int(k & 31), segment = int(kind.c >> 8 & 31), clamp = int(kind.c & 31), b = int(by), highest = (lane & segment) | (clamp & ~segment), j;
                if (s == "up") j = lane - b, in = j >= highest;
                else if (s == "down") j = lane + b, in = j <= highest;
                else if (s == "bfly") j = lane ^ b, in = j <= highest;
                else j = (lane & segment) | (b & ~segment), in = j <= highest;
                return uint32_t(in ? j : lane);
            };
            std::string text = std::string("mul.lo.u32 %r2, %r1, 7; shfl.sync.") + kind.kind + ".b32 %r3|%p1, %r2, " + std::to_string(by) + ", " + std::to_string(kind.c) + ", -1; selp.u32 %r0, 1, 0, %p1; mad.lo.u32 %r0, %r3, 2, %r0;";
            std::string name = std::string(kind.kind) + " by " + std::to_string(by) + ", c " + std::to_string(kind.c);
            same(name.c_str(), run("", text, threads(64)), [&](uint32_t k) {
                bool in;
                uint32_t f = from(k, in) + (k & ~31u);
                return f * 7 * 2 + in;
            });
        }
    // lanes that do not take part
    same("half a warp", run("", "mov.u32 %r0, 0; setp.ge.u32 %p1, %r1, 16; @%p1 bra end; shfl.sync.bfly.b32 %r0, %r1, 8, 31, 0xFFFF; end:", threads(32)), [](uint32_t k) { return k < 16 ? k ^ 8 : 0; });
    same("by register", run("", "xor.b32 %r2, %r1, 5; shfl.sync.idx.b32 %r0, %r1, %r2, 31, -1;", threads(32)), [](uint32_t k) { return k ^ 5; });
}

TEST(warp_votes) {
    std::string odd = "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 1; setp.lt.u32 %p2, %r1, 100; setp.gt.u32 %p3, %r1, 100;\n";
    auto say = [](const std::string& vote) { return "vote.sync." + vote + ", -1; selp.u32 %r0, 1, 0, %p5;"; };
    same("all of some", run("", odd + say("all.pred %p5, %p1"), threads(64)), [](uint32_t) { return 0u; });
    same("all of all", run("", odd + say("all.pred %p5, %p2"), threads(64)), [](uint32_t) { return 1u; });
    same("any of some", run("", odd + say("any.pred %p5, %p1"), threads(64)), [](uint32_t) { return 1u; });
    same("any of none", run("", odd + say("any.pred %p5, %p3"), threads(64)), [](uint32_t) { return 0u; });
    same("uni of some", run("", odd + say("uni.pred %p5, %p1"), threads(64)), [](uint32_t) { return 0u; });
    same("uni of none", run("", odd + say("uni.pred %p5, %p3"), threads(64)), [](uint32_t) { return 1u; });
    same("not", run("", odd + say("all.pred %p5, !%p3"), threads(64)), [](uint32_t) { return 1u; });
    same("ballot", run("", odd + "vote.sync.ballot.b32 %r0, %p1, -1;", threads(64)), [](uint32_t) { return 0xAAAAAAAAu; });
    same("ballot of a part", run("", odd + "mov.u32 %r0, 0; @!%p1 bra end; setp.lt.u32 %p4, %r1, 8; vote.sync.ballot.b32 %r0, %p4, 0xAAAAAAAA; end:", threads(32)), [](uint32_t k) { return k % 2 ? 0xAAu : 0; });
    same("match any", run("", "and.b32 %r2, %r1, 3; match.any.sync.b32 %r0, %r2, -1;", threads(32)), [](uint32_t k) { return 0x11111111u << (k % 4); });
    same("match any, 64 bits", run("", "cvt.u64.u32 %rd4, %r1; shr.u64 %rd4, %rd4, 4; match.any.sync.b64 %r0, %rd4, -1;", threads(32)), [](uint32_t k) { return k < 16 ? 0xFFFFu : 0xFFFF0000u; });
    same("match all", run("", "mov.u32 %r2, 9; match.all.sync.b32 %r3|%p1, %r2, -1; match.all.sync.b32 %r4|%p2, %r1, -1; selp.u32 %r5, 1, 0, %p1; selp.u32 %r6, 2, 0, %p2; add.u32 %r0, %r5, %r6; popc.b32 %r3, %r3; mad.lo.u32 %r0, %r3, 10, %r0; add.u32 %r0, %r0, %r4;", threads(32)), [](uint32_t) { return 321u; });
    // a warp whose last lanes do not exist
    same("short warp", run("", odd + "vote.sync.ballot.b32 %r0, %p2, -1;", threads(40)), [](uint32_t k) { return k < 32 ? 0xFFFFFFFFu : 0xFFu; });
    same("bar.warp.sync", run("", ".shared .align 4 .b8 box[128]; mov.u32 %r2, box; mad.lo.u32 %r2, %r1, 4, %r2; st.shared.u32 [%r2], %r1; bar.warp.sync -1; xor.b32 %r3, %r1, 1; mov.u32 %r2, box; mad.lo.u32 %r2, %r3, 4, %r2; ld.shared.u32 %r0, [%r2];", threads(32)), [](uint32_t k) { return k ^ 1; });
}

TEST(block_barriers) {
    // each round hands a value to the next warp
    std::string pass = ".shared .align 4 .b8 box[512]; mov.u32 %r0, %r1; mov.u32 %r5, 0;\n"
                       "again: mov.u32 %r2, box; mad.lo.u32 %r2, %r1, 4, %r2; st.shared.u32 [%r2], %r0; bar.sync 0; add.u32 %r3, %r1, 32; and.b32 %r3, %r3, 127; mov.u32 %r2, box; mad.lo.u32 %r2, %r3, 4, %r2; ld.shared.u32 %r0, [%r2]; bar.sync 0;\n"
                       "add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 3; @%p1 bra again;";
    same("rounds", run("", pass, threads(128)), [](uint32_t k) { return (k + 96) % 128; });
    // more barriers than the race detector has epochs
    same("many rounds", run("", "mov.u32 %r0, 0; again: bar.sync 0; add.u32 %r0, %r0, 1; setp.lt.u32 %p1, %r0, 40000; @%p1 bra again;", threads(64)), [](uint32_t) { return 40000u; });
    // two pairs of warps at barriers of their own
    std::string pairs = ".shared .align 4 .b8 box[512]; shr.u32 %r6, %r1, 6; add.u32 %r6, %r6, 1; mov.u32 %r2, box; mad.lo.u32 %r2, %r1, 4, %r2; st.shared.u32 [%r2], %r1; barrier.sync.aligned %r6, 64; xor.b32 %r3, %r1, 32; mov.u32 %r2, box; mad.lo.u32 %r2, %r3, 4, %r2; ld.shared.u32 %r0, [%r2];";
    same("named barriers", run("", pairs, threads(128)), [](uint32_t k) { return k ^ 32; });
    same("fences", run("", "membar.gl; membar.cta; membar.sys; fence.acq_rel.gpu; fence.sc.cta; nanosleep.u32 5; mov.u32 %r0, 4;", threads(32)), [](uint32_t) { return 4u; });
}

TEST(block_special_registers) {
    Arena arena;
    auto module = load(std::string(header) + ".visible .entry k(.param .u64 out) { .reg .b32 %r<30>; .reg .b64 %rd<5>; ld.param.u64 %rd1, [out];\n"
                       "mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y; mov.u32 %r6, %ctaid.x; mov.u32 %r7, %ctaid.y; mov.u32 %r8, %ctaid.z; mov.u32 %r9, %nctaid.x; mov.u32 %r10, %nctaid.y;\n"
                       "mad.lo.u32 %r11, %r8, %r10, %r7; mad.lo.u32 %r11, %r11, %r9, %r6; mad.lo.u32 %r12, %r3, %r5, %r2; mad.lo.u32 %r12, %r12, %r4, %r1; mad.lo.u32 %r13, %r11, 70, %r12; mul.wide.u32 %rd2, %r13, 32; add.s64 %rd1, %rd1, %rd2;\n"
                       "mov.u32 %r14, %laneid; mov.u32 %r15, %warpid; mov.u32 %r16, %lanemask_lt; mov.u32 %r17, %lanemask_ge; mov.u32 %r18, %ntid.z; mov.u32 %r19, %nctaid.z; mov.u32 %r20, %nwarpid; mov.u64 %rd3, %clock64; mov.u32 %r21, %clock;\n"
                       "st.global.v4.u32 [%rd1], {%r13, %r14, %r15, %r16}; st.global.v4.u32 [%rd1+16], {%r17, %r18, %r19, %r20}; ret; }", arena);
    ptx::Launch l;
    l.grid = {3, 2, 2}, l.block = {7, 5, 2};
    size_t n = 12 * 70;
    uint64_t out = arena.allocate(n * 32);
    auto fault = launch(*module, "k", l, Params().add(out), arena, nullptr, 3);
    CHECK(!fault, "%s", fault->what.c_str());
    auto got = arena.get<uint32_t>(out, n * 8);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t t = k % 70, lane = t % 32;
        uint32_t want[8] = {k, lane, t / 32, (1u << lane) - 1, ~((1u << lane) - 1), 2, 2, 3};
        if (std::memcmp(&got[k * 8], want, sizeof want)) {
            FAIL("thread %u: %u %u %u %x %x %u %u %u", k, got[k * 8], got[k * 8 + 1], got[k * 8 + 2], got[k * 8 + 3], got[k * 8 + 4], got[k * 8 + 5], got[k * 8 + 6], got[k * 8 + 7]);
            break;
        }
    }
}
