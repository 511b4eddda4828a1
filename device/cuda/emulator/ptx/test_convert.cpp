// cvt between every two types it knows, each in every rounding it has.
#include <algorithm>
#include <cfenv>
#include <limits>

#include "testing.h"

using namespace testing;
using Row = std::vector<uint64_t>;
using Names = std::vector<std::string>;

namespace {

const std::string integers[] = {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"};
const std::string floats[] = {"f16", "bf16", "f32", "f64"};
struct Mode {
    const char* name;
    int mode;
};
const Mode modes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

int bits(const std::string& t) { return int(bytes_of(t)) * 8; }

__int128 integer(const std::string& t, uint64_t x) {
    int n = bits(t);
    if (n < 64) x &= (uint64_t(1) << n) - 1;
    if (t[0] == 'u') return x;
    return n == 64 ? int64_t(x) : int64_t(x << (64 - n)) >> (64 - n);
}
uint64_t cut(const std::string& t, __int128 x) { return bits(t) == 64 ? uint64_t(x) : uint64_t(x) & ((uint64_t(1) << bits(t)) - 1); }
__int128 clamp(const std::string& t, __int128 x) {
    int n = bits(t);
    __int128 low = t[0] == 'u' ? 0 : -(__int128(1) << (n - 1)), high = (__int128(1) << (t[0] == 'u' ? n : n - 1)) - 1;
    return std::clamp(x, low, high);
}

long double real(const std::string& t, uint64_t x) { return t == "f16" ? from_half(x) : t == "bf16" ? from_brain(x) : t == "f32" ? f32(x) : f64(x); }

// The long double of x86 holds every value of these types, 64-bit integers too, so each conversion rounds once.
uint64_t narrow(const std::string& t, long double x, int mode) {
    std::fesetround(mode);
    volatile long double v = x;
    uint64_t r;
    if (t == "f64") {
        volatile double y = double(v);
        r = u(double(y));
    } else if (t == "f32") {
        volatile float y = float(v);
        r = u(float(y));
    } else {
        // to double with a sticky bit, toward zero, then to the short format
        std::fesetround(FE_TOWARDZERO);
        volatile double y = double(v);
        uint64_t b = u(double(y));
        if ((long double)(y) != x && !std::isnan(x)) b |= 1;
        r = t == "f16" ? to_half(f64(b), mode) : to_brain(f64(b), mode);
    }
    std::fesetround(FE_TONEAREST);
    return r;
}

auto same_as(const std::string& t) {
    return [t](uint64_t a, uint64_t b) { return a == b || (std::isnan(double(real(t, a))) && std::isnan(double(real(t, b)))); };
}

#define EXPECT_REAL(text, result, operands, ...) testing::expect(__FILE__, __LINE__, text, result, operands, __VA_ARGS__, same_as(result))

}  // namespace

TEST(convert_integers) {
    for (auto& d : integers)
        for (auto& s : integers)
            for (bool sat : {false, true})
                EXPECT("cvt." + std::string(sat ? "sat." : "") + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) {
                    __int128 x = integer(s, r[0]);
                    return cut(d, sat ? clamp(d, x) : x);
                });
    // registers wider than the types
    EXPECT("cvt.s32.s8 %d, %a;", "s32", Names{"u32"}, [](const Row& r) { return cut("s32", integer("s8", r[0])); });
    EXPECT("cvt.u64.u16 %d, %a;", "u64", Names{"u64"}, [](const Row& r) { return r[0] & 0xFFFF; });
    EXPECT("cvt.s16.s32 %d, %a;", "s64", Names{"s32"}, [](const Row& r) { return cut("s64", integer("s16", r[0])); });
    EXPECT("cvt.u8.u32 %d, %a;", "u32", Names{"u32"}, [](const Row& r) { return r[0] & 255; });
    EXPECT("cvt.s8.s32 %d, %a;", "s32", Names{"s32"}, [](const Row& r) { return cut("s32", integer("s8", r[0])); });
}

TEST(convert_float_to_integer) {
    for (auto& s : floats)
        for (auto& d : integers)
            for (auto& mode : modes)
                EXPECT("cvt." + std::string(mode.name) + "i." + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) {
                    long double x = real(s, r[0]);
                    if (std::isnan(x)) return s != "f64" && bits(d) < 64 ? 0 : uint64_t(1) << (bits(d) - 1);
                    std::fesetround(mode.mode);
                    volatile long double v = x;
                    long double y = std::nearbyint(v);
                    std::fesetround(FE_TONEAREST);
                    if (std::fabs(y) > 1e30L) y = y > 0 ? 1e30L : -1e30L;
                    return cut(d, clamp(d, __int128(y)));
                });
    EXPECT("cvt.rzi.ftz.s32.f32 %d, %a;", "s32", Names{"f32"}, [](const Row& r) {
        long double x = f32(r[0]);
        if (std::isnan(x)) return uint64_t(0);
        return cut("s32", clamp("s32", __int128(std::clamp<long double>(x, -1e15L, 1e15L))));
    });
    // ftz shows where a denormal rounds up
    auto got = evaluate("cvt.rpi.ftz.s32.f32 %d, %a;", "s32", {"f32"}, {{1}, {0x007FFFFF}, {0x00800000}});
    CHECK(got == (Row{0, 0, 1}), "cvt.rpi.ftz.s32.f32 of denormals: %llu %llu %llu", (unsigned long long)got[0], (unsigned long long)got[1], (unsigned long long)got[2]);
}

TEST(convert_integer_to_float) {
    for (auto& d : floats)
        for (auto& s : integers)
            for (auto& mode : modes) EXPECT_REAL("cvt." + std::string(mode.name) + "." + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) { return narrow(d, (long double)(integer(s, r[0])), mode.mode); });
    EXPECT_REAL("cvt.rn.sat.f32.s32 %d, %a;", "f32", Names{"s32"}, [](const Row& r) { return u(std::clamp(float(int32_t(r[0])), 0.0f, 1.0f)); });
}

TEST(convert_floats) {
    for (auto& d : floats)
        for (auto& s : floats) {
            bool narrows = bytes_of(d) < bytes_of(s) || (d != s && bytes_of(d) == 2 && bytes_of(s) == 2);
            for (auto& mode : modes) {
                // rounded to the format, or to an integer in the format
                std::string m = narrows ? std::string(mode.name) + "." : "";
                if (narrows || mode.mode == FE_TONEAREST) {
                    EXPECT_REAL("cvt." + m + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) { return narrow(d, real(s, r[0]), mode.mode); });
                    EXPECT_REAL("cvt." + m + "sat." + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) {
                        long double x = real(s, r[0]);
                        return narrow(d, x > 0 ? std::min(x, 1.0L) : 0.0L, mode.mode);
                    });
                }
                if (d == s)
                    EXPECT_REAL("cvt." + std::string(mode.name) + "i." + d + "." + s + " %d, %a;", d, Names{s}, [&](const Row& r) {
                        std::fesetround(mode.mode);
                        volatile long double v = real(s, r[0]);
                        long double y = std::copysign(std::nearbyint(v), v);
                        std::fesetround(FE_TONEAREST);
                        return narrow(d, y, FE_TONEAREST);
                    });
            }
        }
    EXPECT_REAL("cvt.ftz.f32.f32 %d, %a;", "f32", Names{"f32"}, [](const Row& r) { return r[0] & 0x7F800000 ? r[0] : r[0] & 0x80000000; });
    EXPECT_REAL("cvt.rn.ftz.f32.f64 %d, %a;", "f32", Names{"f64"}, [](const Row& r) {
        uint64_t x = u(float(f64(r[0])));
        return x & 0x7F800000 ? x : x & 0x80000000;
    });
    for (std::string d : {"f16", "bf16"})
        EXPECT_REAL("cvt.rn.relu." + d + ".f32 %d, %a;", d, Names{"f32"}, [&](const Row& r) {
            float x = f32(r[0]);
            return narrow(d, std::isnan(x) ? x : x > 0 ? x : 0, FE_TONEAREST);
        });
    // tf32: ten bits of fraction
    EXPECT("cvt.rna.tf32.f32 %d, %a;", "b32", Names{"f32"}, [](const Row& r) {
        float x = f32(r[0]);
        if (std::isnan(x)) return uint64_t(0x7FFFFFFF);
        if (std::isinf(x)) return r[0];
        return ((r[0] & 0x7FFFFFFF) + 0x1000) / 0x2000 * 0x2000 | (r[0] & 0x80000000);
    });
    EXPECT("cvt.rn.tf32.f32 %d, %a;", "b32", Names{"f32"}, [](const Row& r) {
        float x = f32(r[0]);
        if (std::isnan(x)) return uint64_t(0x7FFFFFFF);
        if (std::isinf(x)) return r[0];
        uint64_t m = r[0] & 0x7FFFFFFF, low = m / 0x2000 * 0x2000, rest = m - low;
        if (rest > 0x1000 || (rest == 0x1000 && (m & 0x2000))) low += 0x2000;
        return low | (r[0] & 0x80000000);
    });
}

TEST(convert_packed) {
    for (std::string d : {"f16", "bf16"})
        for (auto& mode : {modes[0], modes[1]})
            for (bool relu : {false, true}) {
                auto one = [&](uint64_t x) {
                    float v = f32(x);
                    if (relu && !std::isnan(v)) v = v > 0 ? v : 0;
                    return narrow(d, v, mode.mode);
                };
                testing::expect(__FILE__, __LINE__, "cvt." + std::string(mode.name) + (relu ? ".relu." : ".") + d + "x2.f32 %d, %a, %b;", "b32", Names{"f32", "f32"},
                                [&](const Row& r) { return one(r[0]) << 16 | one(r[1]); },
                                [&](uint64_t a, uint64_t b) { return same_as(d)(a & 0xFFFF, b & 0xFFFF) && same_as(d)(a >> 16, b >> 16); });
            }
}
