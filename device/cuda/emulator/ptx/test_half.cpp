// f16 and bf16 arithmetic: exact in double (or nearly: see fma), then rounded once.
#include <algorithm>
#include <cfenv>
#include <functional>

#include "testing.h"

using namespace testing;
using Row = std::vector<uint64_t>;
using Names = std::vector<std::string>;

namespace {

struct Format {
    std::string name;
    double (*from)(uint64_t);
    uint16_t (*to)(double, int);
};
const Format formats[] = {{"f16", from_half, to_half}, {"bf16", from_brain, to_brain}};

bool nan16(const Format& f, uint64_t x) { return std::isnan(f.from(x)); }

// The exact sum a*b+c, rounded to double toward zero with a sticky last bit: then one rounding is left.
double exact_fma(double a, double b, double c) {
    std::fesetround(FE_TOWARDZERO);
    volatile double va = a, vb = b, vc = c;
    volatile double r = std::fma(va, vb, vc);
    bool inexact;
    {
        std::feclearexcept(FE_ALL_EXCEPT);
        volatile double again = std::fma(va, vb, vc);
        (void)again;
        inexact = std::fetestexcept(FE_INEXACT);
    }
    std::fesetround(FE_TONEAREST);
    uint64_t bits = u(double(r));
    return inexact ? f64(bits | 1) : double(r);
}

double extreme(bool max, double a, double b, bool nan) {
    if (std::isnan(a) || std::isnan(b)) return nan ? std::nan("") : std::isnan(a) ? b : a;
    if (a == 0 && b == 0) return max == std::signbit(a) ? b : a;
    return (max ? a > b : a < b) ? a : b;
}

}  // namespace

TEST(half_arithmetic) {
    for (auto& f : formats) {
        using G = std::function<uint64_t(const Row&)>;
        auto flush = [&](uint64_t x) { return x & 0x7C00 ? x : x & 0x8000; };
        auto same = [&](uint64_t a, uint64_t b) { return a == b || (nan16(f, a) && nan16(f, b)); };
        auto same2 = [&](uint64_t a, uint64_t b) { return same(a & 0xFFFF, b & 0xFFFF) && same(a >> 16, b >> 16); };
        auto both = [&](const std::string& name, const std::string& mods, size_t n, const G& g) {
            std::string list = n == 3 ? " %d, %a, %b, %c;" : n == 2 ? " %d, %a, %b;" : " %d, %a;";
            testing::expect(__FILE__, __LINE__, name + mods + "." + f.name + list, f.name, Names(n, f.name), g, same);
            testing::expect(__FILE__, __LINE__, name + mods + "." + f.name + "x2" + list, f.name + "x2", Names(n, f.name + "x2"), [&](const Row& r) {
                Row low, high;
                for (uint64_t x : r) low.push_back(x & 0xFFFF), high.push_back(x >> 16);
                return g(high) << 16 | g(low);
            }, same2);
        };
        auto F = [&](uint64_t x) { return f.from(x); };
        auto N = [&](double x) { return uint64_t(f.to(x, FE_TONEAREST)); };
        both("add", ".rn", 2, [&](const Row& r) { return N(F(r[0]) + F(r[1])); });
        both("sub", "", 2, [&](const Row& r) { return N(F(r[0]) - F(r[1])); });
        both("mul", "", 2, [&](const Row& r) { return N(F(r[0]) * F(r[1])); });
        both("fma", ".rn", 3, [&](const Row& r) { return N(exact_fma(F(r[0]), F(r[1]), F(r[2]))); });
        both("fma", ".rn.relu", 3, [&](const Row& r) {
            double x = exact_fma(F(r[0]), F(r[1]), F(r[2]));
            return N(std::isnan(x) ? x : x > 0 ? x : 0);
        });
        both("min", "", 2, [&](const Row& r) { return N(extreme(false, F(r[0]), F(r[1]), false)); });
        both("max", "", 2, [&](const Row& r) { return N(extreme(true, F(r[0]), F(r[1]), false)); });
        both("min", ".NaN", 2, [&](const Row& r) { return N(extreme(false, F(r[0]), F(r[1]), true)); });
        both("max", ".NaN", 2, [&](const Row& r) { return N(extreme(true, F(r[0]), F(r[1]), true)); });
        both("neg", "", 1, [&](const Row& r) { return r[0] ^ 0x8000; });
        both("abs", "", 1, [&](const Row& r) { return r[0] & 0x7FFF; });
        if (f.name == "f16") {
            both("add", ".ftz", 2, [&](const Row& r) { return flush(N(F(flush(r[0])) + F(flush(r[1])))); });
            both("mul", ".ftz", 2, [&](const Row& r) { return flush(N(F(flush(r[0])) * F(flush(r[1])))); });
            both("mul", ".sat", 2, [&](const Row& r) {
                double x = F(r[0]) * F(r[1]);
                return N(x > 0 ? std::min(x, 1.0) : 0.0);
            });
        }
        // approximate: within one unit of the last place
        auto near = [&](uint64_t a, uint64_t b) { return same(a, b) || (std::abs(int(a & 0x7FFF) - int(b & 0x7FFF)) <= 1 && (a ^ b) < 0x8000); };
        testing::expect(__FILE__, __LINE__, "tanh.approx." + f.name + " %d, %a;", f.name, Names{f.name}, [&](const Row& r) { return N(std::tanh(F(r[0]))); }, near);
        testing::expect(__FILE__, __LINE__, "ex2.approx" + std::string(f.name == "bf16" ? ".ftz." : ".") + f.name + " %d, %a;", f.name, Names{f.name}, [&](const Row& r) { return N(std::exp2(F(r[0]))); },
                        [&](uint64_t a, uint64_t b) { return near(a, b) || (f.name == "bf16" && !(a & 0x7F80)); });
    }
}
