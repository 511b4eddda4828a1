// f32 and f64 arithmetic against the host's, one value at a time, in all four rounding modes.
#include <cfenv>
#include <limits>

#include "testing.h"

using namespace testing;
using Row = std::vector<uint64_t>;
using Names = std::vector<std::string>;

namespace {

struct Mode {
    const char* name;
    int mode;
};
const Mode modes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

template <class T, class F>
T in_mode(int mode, F f) {
    std::fesetround(mode);
    volatile T r = f();
    std::fesetround(FE_TONEAREST);
    return r;
}

// NaNs are one NaN; everything else bit for bit.
bool same32(uint64_t a, uint64_t b) { return a == b || (std::isnan(f32(a)) && std::isnan(f32(b))); }
bool same64(uint64_t a, uint64_t b) { return a == b || (std::isnan(f64(a)) && std::isnan(f64(b))); }

float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
float clamp(float x) { return std::isnan(x) || x < 0 ? 0.0f : x > 1 ? 1.0f : x == 0 ? 0.0f : x; }

#define EXPECT32(text, operands, ...) testing::expect(__FILE__, __LINE__, text, "f32", operands, __VA_ARGS__, same32)
#define EXPECT64(text, operands, ...) testing::expect(__FILE__, __LINE__, text, "f64", operands, __VA_ARGS__, same64)

template <class T>
T calculate(const std::string& op, int mode, T x, T y, T z) {
    return in_mode<T>(mode, [&]() -> T {
        volatile T a = x, b = y, c = z;
        if (op == "add") return a + b;
        if (op == "sub") return a - b;
        if (op == "mul") return a * b;
        if (op == "div") return a / b;
        if (op == "sqrt") return std::sqrt(a);
        if (op == "rcp") return T(1) / a;
        return std::fma(a, b, c);
    });
}

}  // namespace

TEST(float_rounding) {
    for (std::string op : {"add", "sub", "mul", "fma", "div", "sqrt", "rcp"})
        for (auto& mode : modes) {
            size_t n = op == "fma" ? 3 : op == "sqrt" || op == "rcp" ? 1 : 2;
            std::string list = n == 3 ? "%d, %a, %b, %c;" : n == 2 ? "%d, %a, %b;" : "%d, %a;", name = op + "." + mode.name + ".";
            auto at = [&](const Row& r, size_t k) { return k < r.size() ? r[k] : 0; };
            EXPECT32(name + "f32 " + list, Names(n, "f32"), [&](const Row& r) { return u(calculate(op, mode.mode, f32(r[0]), f32(at(r, 1)), f32(at(r, 2)))); });
            EXPECT32(name + "ftz.f32 " + list, Names(n, "f32"), [&](const Row& r) {
                return u(flush(calculate(op, mode.mode, flush(f32(r[0])), flush(f32(at(r, 1))), flush(f32(at(r, 2))))));
            });
            EXPECT64(name + "f64 " + list, Names(n, "f64"), [&](const Row& r) { return u(calculate(op, mode.mode, f64(r[0]), f64(at(r, 1)), f64(at(r, 2)))); });
            if (op != "div" && n > 1)
                EXPECT32(name + "sat.f32 " + list, Names(n, "f32"), [&](const Row& r) { return u(clamp(calculate(op, mode.mode, f32(r[0]), f32(at(r, 1)), f32(at(r, 2))))); });
        }
    EXPECT32("add.f32 %d, %a, %b;", Names(2, "f32"), [](const Row& r) { return u(f32(r[0]) + f32(r[1])); });
    EXPECT32("mul.ftz.sat.f32 %d, %a, %b;", Names(2, "f32"), [](const Row& r) { return u(clamp(flush(flush(f32(r[0])) * flush(f32(r[1]))))); });
    EXPECT32("mad.rn.f32 %d, %a, %b, %c;", Names(3, "f32"), [](const Row& r) { return u(std::fma(f32(r[0]), f32(r[1]), f32(r[2]))); });
    EXPECT32("div.full.f32 %d, %a, %b;", Names(2, "f32"), [](const Row& r) { return u(f32(r[0]) / f32(r[1])); });
    EXPECT32("div.approx.ftz.f32 %d, %a, %b;", Names(2, "f32"), [](const Row& r) { return u(flush(flush(f32(r[0])) / flush(f32(r[1])))); });
}

TEST(float_nan_is_canonical) {
    for (std::string op : {"add", "sub", "mul", "div.rn"}) {
        auto got = evaluate(op + ".f32 %d, %a, %b;", "f32", {"f32", "f32"}, {{0xFFC01234, 0x3F800000}, {0x3F800000, 0x7F800001}});
        for (uint64_t x : got) CHECK(x == 0x7FFFFFFF, "%s of a NaN gives 0x%llx", op.c_str(), (unsigned long long)x);
    }
}

TEST(float_functions) {
    struct { const char* name; double (*f)(double); } functions[] = {
        {"ex2", std::exp2}, {"lg2", std::log2}, {"sin", std::sin}, {"cos", std::cos}, {"tanh", std::tanh}, {"sqrt", std::sqrt},
        {"rsqrt", [](double x) { return 1 / std::sqrt(x); }}, {"rcp", [](double x) { return 1 / x; }},
    };
    for (auto& g : functions)
        for (bool ftz : {false, true}) {
            if (std::string(g.name) == "tanh" && ftz) continue;
            // good to an ulp or two; PTX allows more
            auto close = [&](uint64_t a, uint64_t b) {
                float x = f32(a), y = f32(b);
                return same32(a, b) || (std::signbit(x) == std::signbit(y) && std::fabs(double(x) - y) <= std::fabs(y) * 0x1p-22 + 0x1p-149);
            };
            testing::expect(__FILE__, __LINE__, std::string(g.name) + ".approx." + (ftz ? "ftz." : "") + "f32 %d, %a;", "f32", Names{"f32"}, [&](const Row& r) {
                float x = ftz ? flush(f32(r[0])) : f32(r[0]);
                float y = float(g.f(x));
                return u(ftz ? flush(y) : y);
            }, close);
        }
    auto close64 = [&](uint64_t a, uint64_t b) { return same64(a, b) || std::fabs(f64(a) - f64(b)) <= std::fabs(f64(b)) * 1e-15; };
    auto flush64 = [](double x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0, x) : x; };
    testing::expect(__FILE__, __LINE__, "rcp.approx.ftz.f64 %d, %a;", "f64", Names{"f64"}, [&](const Row& r) { return u(flush64(1 / flush64(f64(r[0])))); }, close64);
    testing::expect(__FILE__, __LINE__, "rsqrt.approx.ftz.f64 %d, %a;", "f64", Names{"f64"}, [&](const Row& r) { return u(flush64(1 / std::sqrt(flush64(f64(r[0]))))); }, close64);
    testing::expect(__FILE__, __LINE__, "rsqrt.approx.f64 %d, %a;", "f64", Names{"f64"}, [&](const Row& r) { return u(1 / std::sqrt(f64(r[0]))); }, close64);
}

namespace {
template <class T>
T extreme(bool max, T a, T b, bool nan) {
    if (std::isnan(a) || std::isnan(b)) {
        if (nan) return std::numeric_limits<T>::quiet_NaN();
        return std::isnan(a) ? b : a;
    }
    if (a == 0 && b == 0) return max ? (std::signbit(a) ? b : a) : (std::signbit(a) ? a : b);
    return (max ? a > b : a < b) ? a : b;
}
}  // namespace

TEST(float_min_max) {
    for (bool max : {false, true}) {
        std::string op = max ? "max" : "min";
        for (bool nan : {false, true}) {
            std::string suffix = nan ? ".NaN" : "";
            EXPECT32(op + suffix + ".f32 %d, %a, %b;", Names(2, "f32"), [&](const Row& r) { return u(extreme(max, f32(r[0]), f32(r[1]), nan)); });
            EXPECT32(op + ".ftz" + suffix + ".f32 %d, %a, %b;", Names(2, "f32"), [&](const Row& r) { return u(extreme(max, flush(f32(r[0])), flush(f32(r[1])), nan)); });
            EXPECT32(op + suffix + ".xorsign.abs.f32 %d, %a, %b;", Names(2, "f32"), [&](const Row& r) {
                float m = extreme(max, std::fabs(f32(r[0])), std::fabs(f32(r[1])), nan);
                return u(std::signbit(f32(r[0])) != std::signbit(f32(r[1])) ? -m : m);
            });
            EXPECT32(op + suffix + ".f32 %d, %a, %b, %c;", Names(3, "f32"), [&](const Row& r) { return u(extreme(max, extreme(max, f32(r[0]), f32(r[1]), nan), f32(r[2]), nan)); });
        }
        EXPECT64(op + ".f64 %d, %a, %b;", Names(2, "f64"), [&](const Row& r) { return u(extreme(max, f64(r[0]), f64(r[1]), false)); });
    }
}

TEST(float_signs) {
    EXPECT("abs.f32 %d, %a;", "f32", Names{"f32"}, [](const Row& r) { return r[0] & 0x7FFFFFFF; });
    EXPECT("neg.f32 %d, %a;", "f32", Names{"f32"}, [](const Row& r) { return r[0] ^ 0x80000000; });
    EXPECT32("abs.ftz.f32 %d, %a;", Names{"f32"}, [](const Row& r) { return u(std::fabs(flush(f32(r[0])))); });
    EXPECT32("neg.ftz.f32 %d, %a;", Names{"f32"}, [](const Row& r) { return u(-flush(f32(r[0]))); });
    EXPECT("abs.f64 %d, %a;", "f64", Names{"f64"}, [](const Row& r) { return r[0] & 0x7FFFFFFFFFFFFFFF; });
    EXPECT("neg.f64 %d, %a;", "f64", Names{"f64"}, [](const Row& r) { return r[0] ^ 0x8000000000000000; });
    EXPECT("copysign.f32 %d, %a, %b;", "f32", Names(2, "f32"), [](const Row& r) { return (r[0] & 0x80000000) | (r[1] & 0x7FFFFFFF); });
    EXPECT("copysign.f64 %d, %a, %b;", "f64", Names(2, "f64"), [](const Row& r) { return (r[0] & 0x8000000000000000) | (r[1] & 0x7FFFFFFFFFFFFFFF); });
    auto class_of = [](const std::string& test, int c) {
        if (test == "finite") return c != FP_NAN && c != FP_INFINITE;
        if (test == "infinite") return c == FP_INFINITE;
        if (test == "number") return c != FP_NAN;
        if (test == "notanumber") return c == FP_NAN;
        return test == "normal" ? c == FP_NORMAL : c == FP_SUBNORMAL;
    };
    for (std::string test : {"finite", "infinite", "number", "notanumber", "normal", "subnormal"}) {
        EXPECT("testp." + test + ".f32 %d, %a;", "pred", Names{"f32"}, [&](const Row& r) { return uint64_t(class_of(test, std::fpclassify(f32(r[0])))); });
        EXPECT("testp." + test + ".f64 %d, %a;", "pred", Names{"f64"}, [&](const Row& r) { return uint64_t(class_of(test, std::fpclassify(f64(r[0])))); });
    }
}
