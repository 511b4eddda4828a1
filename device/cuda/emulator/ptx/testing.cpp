#include "testing.h"

#include <algorithm>
#include <cfenv>
#include <chrono>
#include <limits>

namespace testing {

namespace {
int failures = 0;
const char* running = "";
}  // namespace

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

void failure(const char* file, int line, const char* format, ...) {
    if (++failures > 60) return;
    std::printf("%s:%d: %s: ", file, line, running);
    va_list args;
    va_start(args, format);
    std::vprintf(format, args);
    va_end(args);
    std::printf("\n");
}

uint64_t Arena::allocate(size_t bytes, size_t misalign) {
    uint64_t a = next + misalign;
    next += (bytes + misalign + 4095) / 4096 * 4096 + 65536;
    blocks[a] = std::vector<uint8_t>(bytes, 0xFF);
    return a;
}

uint8_t* Arena::host(uint64_t address) {
    auto found = blocks.upper_bound(address);
    --found;
    return found->second.data() + (address - found->first);
}

bool Arena::find(uint64_t address, size_t bytes, bool write, ptx::Extent& extent, std::string& why) {
    auto found = blocks.upper_bound(address);
    if (found == blocks.begin()) return why = "no allocation", false;
    --found;
    uint64_t from = address - found->first;
    if (from >= found->second.size() || found->second.size() - from < bytes) return why = "no allocation", false;
    if (write && read_only && found->first == read_only) return why = "constant memory", false;
    extent = {found->first, found->second.size(), found->second.data()};
    return true;
}

std::optional<ptx::Fault> launch(const ptx::Module& module, const char* kernel, const ptx::Launch& shape, const Params& params, Arena& arena, ptx::Traffic* traffic, int threads) {
    const ptx::Kernel* k = module.find(kernel);
    if (!k) throw std::runtime_error(std::string("no kernel ") + kernel);
    ptx::Launch l = shape;
    l.params = params.data();
    return ptx::run(*k, l, arena, traffic, threads);
}

const char* header = ".version 9.0\n.target sm_90\n.address_size 64\n";

std::shared_ptr<ptx::Module> load(const std::string& text, Arena& arena) {
    auto module = ptx::Module::parse(text);
    module->place([&](const ptx::Variable& v) { return arena.allocate(v.size); });
    for (auto& v : module->variables()) std::memcpy(arena.host(v.address), v.initial.data(), v.size);
    return module;
}

std::string parse_error(const std::string& text) {
    try {
        ptx::Module::parse(text);
    } catch (const ptx::Error& e) {
        return e.what();
    }
    return "";
}

size_t bytes_of(const std::string& type) {
    if (type == "pred") return 1;
    if (type.find("x2") != type.npos) return 4;
    return size_t(std::stoi(type.substr(type.find_first_of("0123456789")))) / 8;
}

std::vector<uint64_t> evaluate(const std::string& text, const std::string& result, const std::vector<std::string>& operands, const std::vector<std::vector<uint64_t>>& table) {
    Arena arena;
    size_t n = table.size();
    const char* names[] = {"%a", "%b", "%c", "%e"};
    std::ostringstream s;
    s << header << ".visible .entry k(.param .u64 n, .param .u64 out";
    for (size_t k = 0; k < operands.size(); k++) s << ", .param .u64 in" << k;
    s << ") {\n.reg .b64 %rd<4>; .reg .b32 %i<4>; .reg .pred %end; .reg .b16 %h<4>;\n";
    // registers are untyped here, as those of current compilers
    auto reg = [](const std::string& type) { return type == "pred" ? type : "b" + std::to_string(std::max<size_t>(2, bytes_of(type)) * 8); };
    s << ".reg ." << reg(result) << " %d;\n";
    for (size_t k = 0; k < operands.size(); k++) s << ".reg ." << reg(operands[k]) << " " << names[k] << ";\n";
    s << "mov.u32 %i0, %ctaid.x; mov.u32 %i1, %ntid.x; mov.u32 %i2, %tid.x; mad.lo.s32 %i0, %i0, %i1, %i2; cvt.u64.u32 %rd0, %i0;\n"
         "ld.param.u64 %rd1, [n]; setp.ge.u64 %end, %rd0, %rd1; @%end bra done;\n";
    for (size_t k = 0; k < operands.size(); k++) {
        size_t bytes = bytes_of(operands[k]);
        s << "ld.param.u64 %rd2, [in" << k << "]; mad.lo.u64 %rd3, %rd0, " << bytes << ", %rd2; ";
        if (operands[k] == "pred")
            s << "ld.global.u8 %h0, [%rd3]; setp.ne.u16 " << names[k] << ", %h0, 0;\n";
        else
            s << "ld.global.b" << bytes * 8 << " " << names[k] << ", [%rd3];\n";
    }
    if (result != "pred") s << "mov.b" << std::max<size_t>(2, bytes_of(result)) * 8 << " %d, -1;\n";
    s << text << "\n";
    size_t bytes = bytes_of(result);
    s << "ld.param.u64 %rd2, [out]; mad.lo.u64 %rd3, %rd0, " << bytes << ", %rd2; ";
    if (result == "pred")
        s << "selp.u16 %h0, 1, 0, %d; st.global.u8 [%rd3], %h0;\n";
    else
        s << "st.global.b" << bytes * 8 << " [%rd3], %d;\n";
    s << "done: ret;\n}\n";
    auto module = load(s.str(), arena);
    Params params;
    uint64_t out = arena.allocate(n * bytes);
    params.add(uint64_t(n)).add(out);
    for (size_t k = 0; k < operands.size(); k++) {
        size_t size = bytes_of(operands[k]);
        uint64_t in = arena.allocate(n * size);
        for (size_t r = 0; r < n; r++) std::memcpy(arena.host(in) + r * size, &table[r][k], size);
        params.add(in);
    }
    ptx::Launch shape;
    shape.block.x = 128;
    shape.grid.x = uint32_t((n + 127) / 128);
    if (auto fault = launch(*module, "k", shape, params, arena)) throw std::runtime_error(fault->what);
    std::vector<uint64_t> got(n);
    for (size_t r = 0; r < n; r++) std::memcpy(&got[r], arena.host(out) + r * bytes, bytes);
    return got;
}

std::vector<uint64_t> interesting(const std::string& type, size_t random) {
    std::vector<uint64_t> v;
    if (type == "pred") return {0, 1};
    size_t bytes = bytes_of(type);
    uint64_t all = bytes == 8 ? ~uint64_t(0) : (uint64_t(1) << bytes * 8) - 1;
    static std::mt19937_64 generator(7);
    auto add_short = [&](bool brain) {
        for (uint64_t x : {0x0000, 0x8000, 0x0001, 0x8001, 0x3C00, 0x3F80, 0xBF80, 0xBC00, 0x03FF, 0x007F, 0x0400, 0x0080, 0x7BFF, 0x7F7F, 0xFBFF, 0x4248, 0x3555, 0x2E66, 0x3800, 0x3801, 0x4049})
            v.push_back(x);
        if (brain) for (uint64_t x : {0x7F80, 0xFF80, 0x7FC0, 0x7F81, 0xFFC1}) v.push_back(x);
        else for (uint64_t x : {0x7C00, 0xFC00, 0x7E00, 0x7C01, 0xFE01}) v.push_back(x);
    };
    if (type == "f32") {
        const float inf = std::numeric_limits<float>::infinity(), most = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::min(), tiny = std::numeric_limits<float>::denorm_min();
        for (float x : {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 1.5f, 2.5f, -2.5f, 3.0f, 0.1f, 1e10f, -3e9f, 2147483648.0f, 4294967296.0f, 9.3e18f, 1e20f, 255.5f, 1.0f + 0x1p-23f, 16777217.0f, inf, -inf, most, -most, least, least / 3, -least / 5, tiny, -tiny,
                        65519.9f, 65520.0f, 6.1e-5f, 5.9e-8f, 2.9e-8f, 3e-8f, -0.7f, 88.7f, 0x1.fffffep-1f})
            v.push_back(u(x));
        v.push_back(0x7FC00000), v.push_back(0xFFC00001), v.push_back(0x7F800001);
    } else if (type == "f64") {
        const double inf = std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::max(), least = std::numeric_limits<double>::min(), tiny = std::numeric_limits<double>::denorm_min();
        for (double x : {0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3.0, 0.1, 1e10, -3e9, 2147483647.5, 9.3e18, 1e20, 1e300, 1.0 + 0x1p-52, 1.0 + 0x1p-24, 1.0 + 0x1.8p-24, inf, -inf, most, -most, least, least / 3, tiny, -tiny, 3.4028236e38, 1e-40, 1.1e-45, 65520.0, 1e-8, -0.7})
            v.push_back(u(x));
        v.push_back(0x7FF8000000000000), v.push_back(0xFFF8000000000001), v.push_back(0x7FF0000000000001);
    } else if (type == "f16" || type == "bf16") {
        add_short(type == "bf16");
    } else if (type == "f16x2" || type == "bf16x2") {
        add_short(type == "bf16x2");
        std::vector<uint64_t> low = v;
        for (size_t k = 0; k < v.size(); k++) v[k] |= low[(k * 7 + 3) % low.size()] << 16;
    } else {
        for (uint64_t x : {uint64_t(0), uint64_t(1), uint64_t(2), uint64_t(3), uint64_t(7), uint64_t(16), uint64_t(31), uint64_t(32), uint64_t(33), uint64_t(63), uint64_t(64), uint64_t(65), uint64_t(100), uint64_t(255), uint64_t(256), uint64_t(0x7FFF), uint64_t(0x8000), uint64_t(0x7FFFFF),
                           uint64_t(0x7FFFFFFF), uint64_t(0x80000000), uint64_t(0xFFFFFFFF), uint64_t(0x123456789ABCDEF0), uint64_t(0x7FFFFFFFFFFFFFFF), uint64_t(0x8000000000000000), ~uint64_t(0), ~uint64_t(1), ~uint64_t(6), ~uint64_t(255)})
            v.push_back(x & all);
    }
    std::uniform_int_distribution<int> shift(0, int(bytes * 8 - 1));
    for (size_t k = 0; k < random; k++) v.push_back(generator() & all);
    if (type[0] != 'f' && type[0] != 'b')
        for (size_t k = 0; k < random; k++) v.push_back((generator() & all) >> shift(generator));
    return v;
}

std::vector<std::vector<uint64_t>> rows(const std::vector<std::string>& types) {
    std::vector<std::vector<uint64_t>> table;
    static std::mt19937_64 generator(11);
    size_t random = types.size() == 1 ? 2000 : 24;
    std::vector<std::vector<uint64_t>> values;
    for (auto& t : types) values.push_back(interesting(t, random));
    if (types.size() == 1) {
        for (uint64_t x : values[0]) table.push_back({x});
    } else if (types.size() == 2) {
        for (uint64_t x : values[0])
            for (uint64_t y : values[1]) table.push_back({x, y});
    } else {
        for (size_t k = 0; k < 6000; k++) {
            table.emplace_back();
            for (auto& v : values) table.back().push_back(v[generator() % v.size()]);
        }
    }
    return table;
}

double rounded(double x, int precision, int least, double most) {
    if (x == 0 || std::isnan(x) || std::isinf(x)) return x;
    int e = std::max(std::ilogb(x), least);
    volatile double scaled = std::ldexp(x, precision - 1 - e);  // exact
    double r = std::ldexp(std::nearbyint(scaled), e - precision + 1);
    if (std::fabs(r) <= most) return std::copysign(r, x);
    int mode = std::fegetround();
    bool finite = mode == FE_TOWARDZERO || (mode == FE_DOWNWARD && x > 0) || (mode == FE_UPWARD && x < 0);
    return std::copysign(finite ? most : std::numeric_limits<double>::infinity(), x);
}

namespace {
uint16_t to_short(double x, int mode, int exponent_bits, int fraction_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    double most = std::ldexp(2.0 - std::ldexp(1.0, -fraction_bits), bias);
    int old = std::fegetround();
    std::fesetround(mode);
    double r = rounded(x, fraction_bits + 1, 1 - bias, most);
    std::fesetround(old);
    if (std::isnan(r)) return 0x7FFF;
    uint16_t sign = uint16_t(std::signbit(r) << 15);
    double m = std::fabs(r);
    if (std::isinf(m)) return uint16_t(sign | ((1 << exponent_bits) - 1) << fraction_bits);
    if (m == 0) return sign;
    int e = std::ilogb(m);
    if (e < 1 - bias) return uint16_t(sign | int(std::ldexp(m, bias - 1 + fraction_bits)));
    return uint16_t(sign | (e + bias) << fraction_bits | (int(std::ldexp(m, fraction_bits - e)) & ((1 << fraction_bits) - 1)));
}

double from_short(uint64_t x, int exponent_bits, int fraction_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1, e = int(x >> fraction_bits) & ((1 << exponent_bits) - 1), m = int(x) & ((1 << fraction_bits) - 1);
    double r = e == (1 << exponent_bits) - 1 ? (m ? std::nan("") : std::numeric_limits<double>::infinity())
               : e == 0 ? std::ldexp(m, 1 - bias - fraction_bits) : std::ldexp(m + (1 << fraction_bits), e - bias - fraction_bits);
    return x & 0x8000 ? -r : r;
}
}  // namespace

uint16_t to_half(double x, int mode) { return to_short(x, mode, 5, 10); }
uint16_t to_brain(double x, int mode) { return to_short(x, mode, 8, 7); }
double from_half(uint64_t x) { return from_short(x, 5, 10); }
double from_brain(uint64_t x) { return from_short(x, 8, 7); }

}  // namespace testing

// The one argument selects tests by a part of their name.
int main(int count, char** arguments) {
    std::string wanted = count > 1 ? arguments[1] : "";
    int ran = 0;
    auto start = std::chrono::steady_clock::now();
    for (auto& t : testing::tests()) {
        if (std::string(t.name).find(wanted) == std::string::npos) continue;
        testing::running = t.name;
        ran++;
        try {
            t.run();
        } catch (const std::exception& e) {
            testing::failure("exception", 0, "%s", e.what());
        }
    }
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("ptx: %d tests, %d failures, %.1f s\n", ran, testing::failures, seconds);
    return testing::failures || ran == 0;
}
