// Loads, stores and atomics in every state space; variables and their initialisers; traffic.
#include <algorithm>
#include <array>

#include "testing.h"

using namespace testing;

namespace {

const char* prologue = ".reg .b32 %r<30>; .reg .b64 %rd<30>; .reg .b16 %h<10>; .reg .f32 %f<20>; .reg .f64 %fd<10>; .reg .pred %p<10>;\n";

std::string kernel(const std::string& parameters, const std::string& text) { return ".visible .entry k(" + parameters + ") {\n" + prologue + text + "\nret;\n}\n"; }

// run puts the results of one kernel k with a pointer out and a pointer in into a vector.
template <class T>
std::vector<T> run(const std::string& module_text, Arena& arena, uint64_t in, size_t n, ptx::Launch shape) {
    auto module = load(header + module_text, arena);
    uint64_t out = arena.allocate(n * sizeof(T));
    if (auto fault = launch(*module, "k", shape, Params().add(out).add(in), arena)) throw std::runtime_error(fault->what);
    return arena.get<T>(out, n);
}

ptx::Launch threads(uint32_t block, uint32_t grid = 1) {
    ptx::Launch l;
    l.block.x = block, l.grid.x = grid;
    return l;
}

const std::string two = ".param .u64 out, .param .u64 in";
// %rd1 out, %rd2 in, %r1 tid, %rd3 tid as 64 bits
const std::string start = "ld.param.u64 %rd1, [out]; ld.param.u64 %rd2, [in]; mov.u32 %r1, %tid.x; cvt.u64.u32 %rd3, %r1;\n";

}  // namespace

TEST(memory_widths) {
    // every width of element into every width of register, signed and not, straight and scattered, through each qualifier
    struct { const char* type; int bytes; bool sign; } types[] = {{"u8", 1, false}, {"s8", 1, true}, {"b8", 1, false}, {"u16", 2, false}, {"s16", 2, true}, {"b16", 2, false}, {"u32", 4, false}, {"s32", 4, true},
                                                                  {"b32", 4, false}, {"f32", 4, false}, {"u64", 8, false}, {"s64", 8, true}, {"b64", 8, false}, {"f64", 8, false}};
    std::mt19937_64 generator(3);
    std::vector<uint64_t> data(256);
    for (auto& x : data) x = generator();
    for (auto& t : types)
        for (int reg : {2, 4, 8})
            for (bool scattered : {false, true})
                for (std::string qualifier : {"", ".nc", ".volatile", ".relaxed.gpu", ".nc.L1::no_allocate.L2::128B", ".cg"}) {
                    if (reg < t.bytes || (t.type[0] == 'f' && reg != t.bytes)) continue;
                    Arena arena;
                    uint64_t in = arena.put(data);
                    std::string name = reg == 2 ? "%h1" : reg == 4 ? "%r5" : "%rd10", order = qualifier == ".volatile" || qualifier == ".relaxed.gpu" ? qualifier : "";
                    std::string rest = order.empty() ? qualifier : "";
                    if (rest.find(".nc") == 0 && rest.size() > 3) rest = ".nc.L1::no_allocate.L2::128B";
                    std::string text = kernel(two, start + (scattered ? "xor.b64 %rd4, %rd3, 21;\n" : "mov.b64 %rd4, %rd3;\n") + "mad.lo.u64 %rd4, %rd4, " + std::to_string(t.bytes) + ", %rd2;\n" + "ld" + order +
                                                       ".global" + rest + "." + t.type + " " + name + ", [%rd4];\nmad.lo.u64 %rd5, %rd3, " + std::to_string(reg) + ", %rd1; st.global.b" + std::to_string(reg * 8) + " [%rd5], " + name + ";");
                    auto got = run<uint8_t>(text, arena, in, size_t(64 * reg), threads(64));
                    for (size_t k = 0; k < 64; k++) {
                        uint64_t want = 0, have = 0;
                        std::memcpy(&want, reinterpret_cast<uint8_t*>(data.data()) + (scattered ? k ^ 21 : k) * size_t(t.bytes), size_t(t.bytes));
                        if (t.sign && t.bytes < 8 && want >> (t.bytes * 8 - 1)) want |= ~uint64_t(0) << (t.bytes * 8);
                        if (reg < 8) want &= (uint64_t(1) << reg * 8) - 1;
                        std::memcpy(&have, got.data() + k * size_t(reg), size_t(reg));
                        if (have != want) {
                            FAIL("ld%s.%s into %d bytes, scattered %d: element %zu is 0x%llx, not 0x%llx", qualifier.c_str(), t.type, reg, scattered, k, (unsigned long long)have, (unsigned long long)want);
                            break;
                        }
                    }
                }
    // stores drop the upper bits
    for (auto& t : types)
        for (int reg : {2, 4, 8}) {
            if (reg < t.bytes || t.type[0] == 'f') continue;
            Arena arena;
            uint64_t in = arena.put(data);
            std::string name = reg == 2 ? "%h1" : reg == 4 ? "%r5" : "%rd10";
            auto got = run<uint8_t>(kernel(two, start + "mad.lo.u64 %rd4, %rd3, 8, %rd2; ld.global.b" + std::to_string(reg * 8) + " " + name + ", [%rd4]; mad.lo.u64 %rd5, %rd3, " + std::to_string(t.bytes) +
                                                    ", %rd1; st.global." + t.type + " [%rd5], " + name + ";"),
                                    arena, in, size_t(32 * t.bytes), threads(32));
            for (size_t k = 0; k < 32; k++)
                if (std::memcmp(got.data() + k * size_t(t.bytes), &data[k], size_t(t.bytes))) {
                    FAIL("st.%s of a register of %d bytes: element %zu differs", t.type, reg, k);
                    break;
                }
        }
}

TEST(memory_vectors) {
    std::vector<float> data(1024);
    for (size_t k = 0; k < data.size(); k++) data[k] = float(k) * 0.5f;
    for (int n : {2, 4})
        for (uint32_t block : {32u, 48u}) {  // straight and, in the half warp, lane by lane
            Arena arena;
            uint64_t in = arena.put(data);
            std::string v = ".v" + std::to_string(n), forward = n == 2 ? "{%f0, %f1}" : "{%f0, %f1, %f2, %f3}", backward = n == 2 ? "{%f1, %f0}" : "{%f3, %f2, %f1, %f0}";
            std::string bytes = std::to_string(n * 4);
            auto got = run<float>(kernel(two, start + "mad.lo.u64 %rd4, %rd3, " + bytes + ", %rd2; mad.lo.u64 %rd5, %rd3, " + bytes + ", %rd1; ld.global" + v + ".f32 " + forward + ", [%rd4]; st.global" + v + ".f32 [%rd5], " + backward + ";"),
                                  arena, in, block * size_t(n), threads(block));
            for (size_t k = 0; k < got.size(); k++) {
                float want = data[k / size_t(n) * size_t(n) + size_t(n) - 1 - k % size_t(n)];
                if (got[k] != want) {
                    FAIL("%s, block %u: element %zu is %g, not %g", v.c_str(), block, k, double(got[k]), double(want));
                    break;
                }
            }
        }
    // an unwanted element, and an immediate among those stored
    Arena arena;
    uint64_t in = arena.put(std::vector<uint32_t>{1, 2, 3, 4});
    auto got = run<uint32_t>(kernel(two, start + "ld.global.v4.u32 {%r2, _, %r3, _}, [%rd2]; st.global.v2.u32 [%rd1], {%r2, 77}; st.global.v2.u32 [%rd1+8], {%r3, 78};"), arena, in, 4, threads(1));
    CHECK(got == (std::vector<uint32_t>{1, 77, 3, 78}), "sinks and immediates: %u %u %u %u", got[0], got[1], got[2], got[3]);
}

TEST(memory_spaces) {
    // the same exchange through shared memory, by its own and by generic addresses; local memory; both
    std::vector<uint32_t> data(128);
    for (size_t k = 0; k < data.size(); k++) data[k] = uint32_t(k * k + 1);
    struct { const char* name; std::string text; } cases[] = {
        {"shared", ".shared .align 4 .b8 box[512]; shl.b32 %r2, %r1, 2; mov.u32 %r3, box; add.u32 %r3, %r3, %r2; st.shared.u32 [%r3], %r0; bar.sync 0; xor.b32 %r2, %r2, 508; mov.u32 %r3, box; add.u32 %r3, %r3, %r2; ld.shared.u32 %r0, [%r3];"},
        {"shared, generic", ".shared .align 4 .b8 box[512]; mov.u64 %rd8, box; cvta.shared.u64 %rd8, %rd8; shl.b64 %rd7, %rd3, 2; add.u64 %rd9, %rd8, %rd7; st.u32 [%rd9], %r0; bar.sync 0; xor.b64 %rd7, %rd7, 508; add.u64 %rd9, %rd8, %rd7; ld.u32 %r0, [%rd9];"},
        {"shared, generic and back", ".shared .align 4 .b8 box[512]; mov.u64 %rd8, box; cvta.shared.u64 %rd8, %rd8; cvta.to.shared.u64 %rd8, %rd8; shl.b64 %rd7, %rd3, 2; add.u64 %rd9, %rd8, %rd7; st.shared.u32 [%rd9], %r0; barrier.sync 0; xor.b64 %rd7, %rd7, 508; add.u64 %rd9, %rd8, %rd7; ld.shared::cta.u32 %r0, [%rd9];"},
    };
    for (auto& c : cases) {
        Arena arena;
        uint64_t in = arena.put(data);
        auto got = run<uint32_t>(kernel(two, start + "mad.lo.u64 %rd4, %rd3, 4, %rd2; ld.global.u32 %r0, [%rd4];\n" + c.text + "\nmad.lo.u64 %rd5, %rd3, 4, %rd1; st.global.u32 [%rd5], %r0;"), arena, in, 128, threads(128));
        for (size_t k = 0; k < 128; k++)
            if (got[k] != data[127 - k]) {
                FAIL("%s: element %zu is %u, not %u", c.name, k, got[k], data[127 - k]);
                break;
            }
    }
    for (bool generic : {false, true}) {
        Arena arena;
        uint64_t in = arena.put(data);
        std::string space = generic ? "" : ".local", convert = generic ? "cvta.local.u64 %rd8, %rd8;" : "";
        auto got = run<uint32_t>(kernel(two, ".local .align 16 .b8 depot[64];\n" + start + "mov.u64 %rd8, depot; " + convert + "mad.lo.u64 %rd4, %rd3, 4, %rd2; ld.global.u32 %r0, [%rd4]; st" + space + ".u32 [%rd8+60], %r0; st" + space + ".v2.u32 [%rd8+8], {%r1, %r1}; bar.sync 0; ld" + space +
                                           ".u32 %r2, [%rd8+60]; ld" + space + ".u32 %r3, [%rd8+12]; add.u32 %r2, %r2, %r3; mad.lo.u64 %rd5, %rd3, 4, %rd1; st.global.u32 [%rd5], %r2;"),
                                 arena, in, 128, threads(128));
        for (size_t k = 0; k < 128; k++)
            if (got[k] != data[k] + k) {
                FAIL("local, generic %d: element %zu is %u, not %zu", generic, k, got[k], data[k] + k);
                break;
            }
    }
    // dynamic shared memory lies behind the static, and memory nobody wrote is NaN
    Arena arena;
    ptx::Launch l = threads(32);
    l.dynamic_shared = 256;
    auto got = run<uint32_t>(".extern .shared .align 16 .b8 more[];\n" + kernel(two, ".shared .align 4 .b8 box[20];\n" + start + "mov.u32 %r2, more; mov.u32 %r3, box; sub.u32 %r2, %r2, %r3; ld.shared.u32 %r4, [more+252]; mov.u32 %r5, %dynamic_smem_size; "
                                                                                     "mov.u32 %r6, %total_smem_size; st.global.v4.u32 [%rd1], {%r2, %r4, %r5, %r6};"),
                             arena, 0, 4, l);
    CHECK(got == (std::vector<uint32_t>{32, 0xFFFFFFFF, 256, 288}), "dynamic shared memory: %u %x %u %u", got[0], got[1], got[2], got[3]);
}

TEST(memory_parameters) {
    Arena arena;
    auto module = load(std::string(header) + ".visible .entry k(.param .u64 out, .param .u8 a, .param .u16 b, .param .f32 c, .param .align 8 .b8 d[24], .param .u64 .ptr .global .align 4 e) {\n" + prologue +
                           "ld.param.u64 %rd1, [out]; ld.param.u8 %h1, [a]; ld.param.u16 %h2, [b]; ld.param.f32 %f1, [c]; cvt.rn.f32.u16 %f2, %h1; cvt.rn.f32.u16 %f3, %h2;\n"
                           "st.global.v2.f32 [%rd1], {%f2, %f3}; st.global.f32 [%rd1+8], %f1;\n"
                           "ld.param.v2.u32 {%r1, %r2}, [d+8]; mov.b64 %rd2, d; mov.u32 %r3, %tid.x; mul.wide.u32 %rd3, %r3, 4; add.s64 %rd2, %rd2, %rd3; ld.param.u32 %r4, [%rd2+16];\n"
                           "cvta.param.u64 %rd5, %rd2; ld.u32 %r5, [%rd5+16]; add.s32 %r4, %r4, %r5; add.s32 %r1, %r1, %r2; cvt.rn.f32.s32 %f4, %r1; st.global.f32 [%rd1+12], %f4; cvt.rn.f32.s32 %f5, %r4; add.s64 %rd1, %rd1, %rd3; st.global.f32 [%rd1+16], %f5; ret;}",
                       arena);
    const ptx::Kernel* k = module->find("k");
    std::vector<std::array<size_t, 2>> want{{0, 8}, {8, 1}, {10, 2}, {12, 4}, {16, 24}, {40, 8}};
    for (size_t n = 0; n < want.size(); n++) CHECK(k->params[n].offset == want[n][0] && k->params[n].size == want[n][1], "parameter %zu lies at %zu with %zu bytes", n, k->params[n].offset, k->params[n].size);
    CHECK(k->param_bytes == 48, "%zu bytes of parameters, not 48", k->param_bytes);
    uint64_t out = arena.allocate(64);
    struct Words { uint64_t none; uint32_t a, b, c, d; };
    Params p;
    p.add(out).add(uint8_t(200)).add(uint16_t(60000)).add(2.5f).add(Words{0, 5, 6, 100, 101}).add(uint64_t(0));
    auto fault = launch(*module, "k", threads(2), p, arena);
    CHECK(!fault, "%s", fault->what.c_str());
    auto got = arena.get<float>(out, 6);
    CHECK(got == (std::vector<float>{200, 60000, 2.5f, 11, 200, 202}), "parameters: %g %g %g %g %g %g", double(got[0]), double(got[1]), double(got[2]), double(got[3]), double(got[4]), double(got[5]));
}

TEST(memory_variables) {
    Arena arena;
    auto module = load(std::string(header) + ".const .align 4 .f32 c[3] = {1.5, 0f40000000, -3};\n.global .align 8 .u64 g[2] = {5, c+4};\n.global .u16 h = 65535;\n.global .align 4 .b8 text[] = {104, 105, 0};\n.global .u32 zero[4];\n.global .align 4 .u32 table[2][2] = {{1, 2}, {3, 4}};\n" +
                           kernel(".param .u64 out", "ld.param.u64 %rd1, [out]; ld.const.f32 %f1, [c]; ld.const.f32 %f2, [c+8]; st.global.v2.f32 [%rd1], {%f1, %f2};\n"
                                                     "ld.global.u64 %rd2, [g+8]; ld.global.f32 %f3, [%rd2]; st.global.f32 [%rd1+8], %f3; ld.global.u16 %h1, [h]; cvt.u32.u16 %r1, %h1; st.global.u32 [%rd1+12], %r1;\n"
                                                     "mov.u64 %rd3, text; cvta.global.u64 %rd3, %rd3; ld.u8 %r2, [%rd3+1]; ld.global.u32 %r3, [zero+12]; ld.global.u32 %r4, [table+8]; ld.global.u32 %r5, [g]; st.global.v4.u32 [%rd1+16], {%r2, %r3, %r4, %r5};\n"
                                                     "mov.u32 %r6, 9; st.global.u32 [zero+4], %r6;"),
                       arena);
    CHECK(module->variables().size() == 6 && module->variables()[3].size == 3 && module->variables()[0].constant && module->variables()[1].align == 8, "variables are wrong");
    uint64_t out = arena.allocate(32);
    auto fault = launch(*module, "k", threads(1), Params().add(out), arena);
    CHECK(!fault, "%s", fault->what.c_str());
    auto f = arena.get<float>(out, 3);
    auto n = arena.get<uint32_t>(out, 8);
    CHECK(f == (std::vector<float>{1.5f, -3.0f, 2.0f}), "constants: %g %g %g", double(f[0]), double(f[1]), double(f[2]));
    CHECK(n[3] == 65535 && n[4] == 105 && n[5] == 0 && n[6] == 3 && n[7] == 5, "variables: %u %u %u %u %u", n[3], n[4], n[5], n[6], n[7]);
    CHECK(arena.get<uint32_t>(module->variables()[4].address, 4)[1] == 9, "a store to a variable is lost");
}

TEST(memory_atomics) {
    // 96 threads update one cell; each also sees what was there before
    struct { const char* op; const char* type; uint64_t start, want; } cases[] = {
        {"add", "u32", 7, 7 + 96 * 95 / 2}, {"add", "s32", 7, 7 + 96 * 95 / 2}, {"add", "u64", 7, 7 + 96 * 95 / 2}, {"min", "u32", 50, 0}, {"min", "s32", 0xFFFFFFFB, 0xFFFFFFFB}, {"max", "u32", 3, 95}, {"max", "s32", 0xFFFFFFFB, 95}, {"min", "u64", 50, 0}, {"max", "s64", uint64_t(-5), 95},
        {"and", "b32", 0xFF, 0}, {"or", "b32", 0x80, 0xFF}, {"xor", "b32", 1, 1}, {"or", "b64", 0x80, 0xFF}, {"inc", "u32", 0, 0}, {"dec", "u32", 0, 0},
        {"add", "f32", 0x40000000, 0}, {"add", "f64", 0x4000000000000000, 0}};
    for (auto& c : cases)
        for (std::string space : {"global", "shared", ""})
            for (std::string op : {"atom", "red"}) {
                std::string t = c.type;
                size_t bytes = bytes_of(t);
                uint64_t want = c.want;
                if (t == "f32") want = u(2.0f + 96 * 95 / 2);
                if (t == "f64") want = u(2.0 + 96 * 95 / 2);
                if (std::string(c.op) == "inc" || std::string(c.op) == "dec") {
                    uint32_t x = uint32_t(c.start);
                    for (uint32_t k = 0; k < 96; k++) x = std::string(c.op) == "inc" ? (x >= k ? 0 : x + 1) : (x == 0 || x > k ? k : x - 1);
                    want = x;
                }
                Arena arena;
                uint64_t in = arena.put(std::vector<uint64_t>{c.start});
                std::string b = "b" + std::to_string(bytes * 8), reg = bytes == 8 ? "%rd" : "%r", cell = space == "shared" ? "box" : "%rd2";
                std::string value = t == "f32" ? "cvt.rn.f32.u32 %f1, %r1;" : t == "f64" ? "cvt.rn.f64.u32 %fd1, %r1;" : bytes == 8 ? "mov.b64 %rd11, %rd3;" : "mov.b32 %r11, %r1;";
                std::string from = t == "f32" ? "%f1" : t == "f64" ? "%fd1" : reg + "11", to = t == "f32" ? "%f2" : t == "f64" ? "%fd2" : reg + "12";
                std::string dot = space.empty() ? "" : "." + space;
                std::string text = ".shared .align 8 .b8 box[8];\n" + start + "ld.global." + b + " " + reg + "10, [%rd2]; setp.ne.u32 %p1, %r1, 0; @!%p1 st.shared." + b + " [box], " + reg + "10; bar.sync 0;\n" + value + "\n" +
                                   (op == "atom" ? "atom" + dot + "." + c.op + "." + t + " " + to + ", " : "red.relaxed.gpu" + dot + "." + c.op + "." + t + " ") + "[" + cell + "], " + from + ";\nbar.sync 0; ld" + (space == "shared" ? ".shared." : ".global.") + b + " " + reg + "13, [" + cell + "]; @!%p1 st.global." + b + " [%rd1], " + reg + "13;";
                auto got = run<uint8_t>(kernel(two, text), arena, in, bytes, threads(96));
                uint64_t have = 0;
                std::memcpy(&have, got.data(), bytes);
                if (bytes == 4) want &= 0xFFFFFFFF;
                CHECK(have == want, "%s%s.%s.%s gives 0x%llx, not 0x%llx", op.c_str(), dot.c_str(), c.op, c.type, (unsigned long long)have, (unsigned long long)want);
            }
    Arena arena;
    // old values; compare and swap; exchange
    uint64_t in = arena.put(std::vector<uint32_t>{10, 20, 30});
    auto got = run<uint32_t>(kernel(two, start + "atom.global.add.u32 %r2, [%rd2], 1; atom.global.cas.b32 %r3, [%rd2+4], 20, 99; atom.global.cas.b32 %r4, [%rd2+4], 20, 50; atom.global.exch.b32 %r5, [%rd2+8], 7; st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r5};"), arena, in, 4, threads(1));
    CHECK(got == (std::vector<uint32_t>{10, 20, 99, 30}), "old values: %u %u %u %u", got[0], got[1], got[2], got[3]);
    auto now = arena.get<uint32_t>(in, 3);
    CHECK(now == (std::vector<uint32_t>{11, 99, 7}), "new values: %u %u %u", now[0], now[1], now[2]);
    // short floats
    in = arena.put(std::vector<uint16_t>{to_half(1, 0), to_half(2, 0), to_brain(3, 0), to_brain(4, 0)});
    run<uint32_t>(kernel(two, start + "mov.b32 %r2, 0x38003C00; red.global.add.noftz.f16x2 [%rd2], %r2; mov.b16 %h1, 0x3F80; atom.global.add.noftz.bf16 %h2, [%rd2+4], %h1; mov.b32 %r3, 0x3F800000; atom.global.add.noftz.bf16x2 %r4, [%rd2+4], %r3; mov.b16 %h3, 0x3C00; red.global.add.noftz.f16 [%rd2+2], %h3;"), arena, in, 1, threads(1));
    auto h = arena.get<uint16_t>(in, 4);
    CHECK(from_half(h[0]) == 2 && from_half(h[1]) == 3.5 && from_brain(h[2]) == 4 && from_brain(h[3]) == 5, "short atomics: %g %g %g %g", from_half(h[0]), from_half(h[1]), from_brain(h[2]), from_brain(h[3]));
}

TEST(memory_atomics_of_many_threads) {
    // blocks on several host threads: not one update may be lost
    Arena arena;
    uint64_t in = arena.put(std::vector<uint32_t>(1, 0));
    auto module = load(header + kernel(two, start + "mov.u32 %r5, 0; again: red.global.add.u32 [%rd2], 1; add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 50; @%p1 bra again;"), arena);
    auto fault = launch(*module, "k", threads(256, 400), Params().add(uint64_t(0)).add(in), arena, nullptr, 4);
    CHECK(!fault, "%s", fault->what.c_str());
    CHECK(arena.get<uint32_t>(in, 1)[0] == 256 * 400 * 50, "%u updates, not %u", arena.get<uint32_t>(in, 1)[0], 256 * 400 * 50);
}

TEST(memory_traffic) {
    struct { const char* name; std::string text; uint64_t read, write; } cases[] = {
        // two blocks of 64 threads: 256 bytes in, 256 bytes out, per block
        {"float each", "mov.u32 %r2, %ctaid.x; shl.b32 %r2, %r2, 6; add.u32 %r2, %r2, %r1; mul.wide.u32 %rd4, %r2, 4; add.u64 %rd5, %rd2, %rd4; ld.global.f32 %f1, [%rd5]; add.u64 %rd5, %rd1, %rd4; st.global.f32 [%rd5], %f1;", 512, 512},
        {"read twice", "mul.wide.u32 %rd4, %r1, 4; add.u64 %rd5, %rd2, %rd4; ld.global.f32 %f1, [%rd5]; ld.global.f32 %f2, [%rd5];", 512, 0},
        {"stride of 64 bytes", "mul.wide.u32 %rd4, %r1, 64; add.u64 %rd5, %rd2, %rd4; ld.global.u8 %h1, [%rd5];", 2 * 64 * 32, 0},
        {"one cell", "ld.global.f32 %f1, [%rd2]; st.global.f32 [%rd1], %f1;", 64, 64},
        {"atomics", "atom.global.add.u32 %r5, [%rd2], 1; red.global.add.u32 [%rd1], 1;", 64, 128},
        {"float4", "mul.wide.u32 %rd4, %r1, 16; add.u64 %rd5, %rd2, %rd4; ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd5];", 2048, 0},
        {"generic", "mul.wide.u32 %rd4, %r1, 4; add.u64 %rd5, %rd2, %rd4; ld.f32 %f1, [%rd5];", 512, 0},
        {"shared and local are free", ".shared .align 4 .b8 box[512]; .local .align 4 .b8 own[4]; mov.u32 %r2, box; mad.lo.u32 %r2, %r1, 4, %r2; st.shared.u32 [%r2], %r1; st.local.u32 [own], %r1;", 0, 0},
    };
    for (auto& c : cases) {
        Arena arena;
        auto module = load(header + kernel(two, start + c.text), arena);
        uint64_t out = arena.allocate(1 << 16), in = arena.allocate(1 << 16);
        ptx::Traffic traffic;
        auto fault = launch(*module, "k", threads(64, 2), Params().add(out).add(in), arena, &traffic);
        CHECK(!fault, "%s: %s", c.name, fault->what.c_str());
        CHECK(traffic.read_bytes == c.read && traffic.write_bytes == c.write, "%s: %llu bytes read and %llu written, not %llu and %llu", c.name, (unsigned long long)traffic.read_bytes, (unsigned long long)traffic.write_bytes, (unsigned long long)c.read, (unsigned long long)c.write);
    }
    // instructions count active lanes
    Arena arena;
    auto module = load(std::string(header) + ".visible .entry k() { .reg .b32 %r<3>; .reg .pred %p; mov.u32 %r0, %tid.x; setp.lt.u32 %p, %r0, 5; @%p add.u32 %r1, %r0, 1; ret; }", arena);
    ptx::Traffic traffic;
    launch(*module, "k", threads(40), Params(), arena, &traffic);
    CHECK(traffic.instructions == 3 * 40 + 5, "%llu instructions, not %d", (unsigned long long)traffic.instructions, 3 * 40 + 5);
}
