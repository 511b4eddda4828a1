// setp, set, selp, slct, predicate logic, mov with its packing.
#include <functional>

#include "testing.h"

using namespace testing;
using Row = std::vector<uint64_t>;
using Names = std::vector<std::string>;

namespace {

// less, equal, greater or unordered
enum Order { less, equal_, greater, unordered };
Order order(const std::string& t, uint64_t a, uint64_t b, bool ftz = false) {
    auto of = [](auto x, auto y) { return x < y ? less : x > y ? greater : x == y ? equal_ : unordered; };
    auto flush = [&](uint64_t x) { return !ftz || (x & 0x7F800000) ? x : x & 0x80000000; };
    if (t == "f32") return of(f32(flush(a)), f32(flush(b)));
    if (t == "f64") return of(f64(a), f64(b));
    if (t == "f16") return of(from_half(a), from_half(b));
    if (t == "bf16") return of(from_brain(a), from_brain(b));
    if (t[0] == 's') {
        int shift = 64 - int(bytes_of(t)) * 8;
        return of(int64_t(a << shift) >> shift, int64_t(b << shift) >> shift);
    }
    return of(a, b);
}

bool holds(const std::string& compare, Order o) {
    std::string c = compare;
    if (c == "num") return o != unordered;
    if (c == "nan") return o == unordered;
    if (c == "lo") c = "lt";
    if (c == "ls") c = "le";
    if (c == "hi") c = "gt";
    if (c == "hs") c = "ge";
    if (c.size() == 3) {
        if (o == unordered) return true;
        c.pop_back();
    }
    if (o == unordered) return false;
    if (c == "eq") return o == equal_;
    if (c == "ne") return o != equal_;
    if (c == "lt") return o == less;
    if (c == "le") return o != greater;
    if (c == "gt") return o == greater;
    return o != less;
}

std::vector<std::string> compares(const std::string& t) {
    if (t[0] == 'b' && t != "bf16") return {"eq", "ne"};
    if (t[0] == 'u') return {"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"};
    if (t[0] == 's') return {"eq", "ne", "lt", "le", "gt", "ge"};
    return {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
}

const std::string types[] = {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f16", "bf16", "f32", "f64"};

}  // namespace

TEST(compare_setp) {
    for (auto& t : types)
        for (auto& c : compares(t)) EXPECT("setp." + c + "." + t + " %d, %a, %b;", "pred", (Names{t, t}), [&](const Row& r) { return uint64_t(holds(c, order(t, r[0], r[1]))); });
    for (auto& c : compares("f32"))
        EXPECT("setp." + c + ".ftz.f32 %d, %a, %b;", "pred", (Names{"f32", "f32"}), [&](const Row& r) { return uint64_t(holds(c, order("f32", r[0], r[1], true))); });
    for (std::string op : {"and", "or", "xor"})
        for (bool negate : {false, true}) {
            auto join = [&](bool x, bool p) {
                p ^= negate;
                return op == "and" ? x && p : op == "or" ? x || p : x != p;
            };
            std::string third = negate ? "!%c" : "%c";
            // both results: the comparison and its complement, each joined with the third
            EXPECT(".reg .pred %p; setp.lt." + op + ".s32 %p|%d, %a, %b, " + third + ";", "pred", (Names{"s32", "s32", "pred"}), [&](const Row& r) {
                return uint64_t(join(!holds("lt", order("s32", r[0], r[1])), r[2]));
            });
            EXPECT(".reg .pred %p; setp.geu." + op + ".f32 %d|%p, %a, %b, " + third + ";", "pred", (Names{"f32", "f32", "pred"}), [&](const Row& r) {
                return uint64_t(join(holds("geu", order("f32", r[0], r[1])), r[2]));
            });
        }
    for (std::string t : {"f16", "bf16"})
        for (auto& c : compares(t)) {
            EXPECT(".reg .pred %p; setp." + c + "." + t + "x2 %d|%p, %a, %b;", "pred", (Names{t + "x2", t + "x2"}), [&](const Row& r) { return uint64_t(holds(c, order(t, r[0] & 0xFFFF, r[1] & 0xFFFF))); });
            EXPECT(".reg .pred %p; setp." + c + "." + t + "x2 %p|%d, %a, %b;", "pred", (Names{t + "x2", t + "x2"}), [&](const Row& r) { return uint64_t(holds(c, order(t, r[0] >> 16, r[1] >> 16))); });
            EXPECT("set." + c + "." + t + "x2." + t + "x2 %d, %a, %b;", "b32", (Names{t + "x2", t + "x2"}), [&](const Row& r) {
                uint64_t one = t == "f16" ? 0x3C00 : 0x3F80;
                return (holds(c, order(t, r[0] >> 16, r[1] >> 16)) ? one << 16 : 0) | (holds(c, order(t, r[0] & 0xFFFF, r[1] & 0xFFFF)) ? one : 0);
            });
        }
}

TEST(compare_set) {
    for (auto& t : types)
        for (auto& c : compares(t)) {
            if (t.substr(1) == "16") continue;
            EXPECT("set." + c + ".u32." + t + " %d, %a, %b;", "u32", (Names{t, t}), [&](const Row& r) { return holds(c, order(t, r[0], r[1])) ? uint64_t(0xFFFFFFFF) : 0; });
            EXPECT("set." + c + ".f32." + t + " %d, %a, %b;", "f32", (Names{t, t}), [&](const Row& r) { return holds(c, order(t, r[0], r[1])) ? u(1.0f) : 0; });
        }
    EXPECT("set.lt.f16.f16 %d, %a, %b;", "f16", (Names{"f16", "f16"}), [](const Row& r) { return uint64_t(holds("lt", order("f16", r[0], r[1])) ? 0x3C00 : 0); });
    EXPECT("set.gtu.bf16.bf16 %d, %a, %b;", "bf16", (Names{"bf16", "bf16"}), [](const Row& r) { return uint64_t(holds("gtu", order("bf16", r[0], r[1])) ? 0x3F80 : 0); });
    EXPECT("set.ge.and.u32.s32 %d, %a, %b, !%c;", "u32", (Names{"s32", "s32", "pred"}), [](const Row& r) { return holds("ge", order("s32", r[0], r[1])) && !r[2] ? uint64_t(0xFFFFFFFF) : 0; });
}

TEST(compare_select) {
    for (std::string t : {"b16", "b32", "b64", "u16", "s32", "u64", "f32", "f64"}) {
        EXPECT("selp." + t + " %d, %a, %b, %c;", t, (Names{t, t, "pred"}), [](const Row& r) { return r[2] ? r[0] : r[1]; });
        EXPECT("selp." + t + " %d, %a, %b, !%c;", t, (Names{t, t, "pred"}), [](const Row& r) { return r[2] ? r[1] : r[0]; });
        EXPECT("slct." + t + ".s32 %d, %a, %b, %c;", t, (Names{t, t, "s32"}), [](const Row& r) { return int32_t(r[2]) >= 0 ? r[0] : r[1]; });
        EXPECT("slct." + t + ".f32 %d, %a, %b, %c;", t, (Names{t, t, "f32"}), [](const Row& r) { return f32(r[2]) >= 0 ? r[0] : r[1]; });
    }
}

TEST(predicates) {
    struct { const char* op; bool (*f)(bool, bool); } table[] = {
        {"and", [](bool a, bool b) { return a && b; }}, {"or", [](bool a, bool b) { return a || b; }}, {"xor", [](bool a, bool b) { return a != b; }}};
    for (auto& t : table) {
        EXPECT(std::string(t.op) + ".pred %d, %a, %b;", "pred", (Names{"pred", "pred"}), [&](const Row& r) { return uint64_t(t.f(r[0], r[1])); });
        EXPECT(std::string(t.op) + ".pred %d, %a, !%b;", "pred", (Names{"pred", "pred"}), [&](const Row& r) { return uint64_t(t.f(r[0], !r[1])); });
        EXPECT(std::string("mov.pred %d, 1; ") + t.op + ".pred %d, %a, %d;", "pred", (Names{"pred"}), [&](const Row& r) { return uint64_t(t.f(r[0], true)); });
    }
    EXPECT("not.pred %d, %a;", "pred", Names{"pred"}, [](const Row& r) { return uint64_t(!r[0]); });
    EXPECT("mov.pred %d, %a;", "pred", Names{"pred"}, [](const Row& r) { return r[0]; });
    EXPECT("mov.pred %d, 0;", "pred", Names{"pred"}, [](const Row&) { return uint64_t(0); });
    EXPECT("mov.pred %d, -1;", "pred", Names{"pred"}, [](const Row&) { return uint64_t(1); });
    // guarded instructions leave the other lanes alone
    EXPECT("mov.u32 %d, %b; @%a add.u32 %d, %b, 5;", "u32", (Names{"pred", "u32"}), [](const Row& r) { return (r[1] + (r[0] ? 5 : 0)) & 0xFFFFFFFF; });
    EXPECT("mov.u32 %d, %b; @!%a add.u32 %d, %b, 5;", "u32", (Names{"pred", "u32"}), [](const Row& r) { return (r[1] + (r[0] ? 0 : 5)) & 0xFFFFFFFF; });
    EXPECT("mov.pred %d, %b; @%a setp.eq.u32 %d, %c, 7;", "pred", (Names{"pred", "pred", "u32"}), [](const Row& r) { return r[0] ? uint64_t(r[2] == 7) : r[1]; });
}

TEST(moves) {
    for (std::string t : {"b16", "u16", "b32", "s32", "f32", "b64", "u64", "f64"}) EXPECT("mov." + t + " %d, %a;", t, Names{t}, [](const Row& r) { return r[0]; });
    EXPECT("mov.b32 %d, {%a, %b};", "b32", (Names{"b16", "b16"}), [](const Row& r) { return r[1] << 16 | r[0]; });
    EXPECT("mov.b64 %d, {%a, %b};", "b64", (Names{"b32", "b32"}), [](const Row& r) { return r[1] << 32 | r[0]; });
    EXPECT("mov.b64 %d, {%a, %b, %c, %e};", "b64", (Names{"b16", "b16", "b16", "b16"}), [](const Row& r) { return r[3] << 48 | r[2] << 32 | r[1] << 16 | r[0]; });
    EXPECT(".reg .b32 %x; mov.b64 {%x, %d}, %a;", "b32", Names{"b64"}, [](const Row& r) { return r[0] >> 32; });
    EXPECT("mov.b64 {%d, _}, %a;", "b32", Names{"b64"}, [](const Row& r) { return r[0] & 0xFFFFFFFF; });
    EXPECT(".reg .b16 %x<3>; mov.b64 {%x0, %x1, %d, %x2}, %a;", "b16", Names{"b64"}, [](const Row& r) { return r[0] >> 32 & 0xFFFF; });
    EXPECT("mov.b32 {_, %d}, %a;", "b16", Names{"b32"}, [](const Row& r) { return r[0] >> 16; });
    // immediates
    EXPECT("mov.f32 %d, 0fBF800000;", "f32", Names{"b32"}, [](const Row&) { return u(-1.0f); });
    EXPECT("mov.f64 %d, 0d3FF8000000000000;", "f64", Names{"b32"}, [](const Row&) { return u(1.5); });
    EXPECT("mov.f32 %d, -2.5;", "f32", Names{"b32"}, [](const Row&) { return u(-2.5f); });
    EXPECT("mov.b32 %d, 0xFFU;", "b32", Names{"b32"}, [](const Row&) { return uint64_t(255); });
    EXPECT("mov.b32 %d, 0b101;", "b32", Names{"b32"}, [](const Row&) { return uint64_t(5); });
    EXPECT("mov.s64 %d, -3;", "s64", Names{"b32"}, [](const Row&) { return ~uint64_t(2); });
    EXPECT("mov.b32 %d, %laneid;", "b32", Names{"b32"}, [k = 0](const Row&) mutable { return uint64_t(k++ % 32); });
}
