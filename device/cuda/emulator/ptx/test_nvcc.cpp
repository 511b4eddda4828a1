// Kernels that the real nvcc compiled (now, where it is installed; else what it made of them before) against the host.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include "testing.h"

using namespace testing;

namespace {

std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

const std::string& text() {
    static const std::string all = [] {
        const char* nvcc = std::getenv("NVCC");
        if (nvcc && *nvcc) {
            std::string out = "/tmp/ptx-test-" + std::to_string(getpid()) + ".ptx";
            std::string home = std::string(nvcc).substr(0, std::string(nvcc).rfind("/bin/"));
            std::string command = std::string(nvcc) + " -ptx -O3 -arch=compute_90 -I " + home + "/include/cccl -o " + out + " testdata/kernels.cu";
            int status = std::system(command.c_str());
            std::string made = read(out);
            std::remove(out.c_str());
            if (status == 0 && !made.empty()) {
                std::printf("ptx: kernels compiled by %s\n", nvcc);
                return made;
            }
            FAIL("%s fails", command.c_str());
        }
        std::printf("ptx: no nvcc, so testdata/gen_kernels.ptx\n");
        return read("testdata/gen_kernels.ptx");
    }();
    return all;
}

struct Device : Arena {
    std::shared_ptr<ptx::Module> module = load(text(), *this);
    ptx::Traffic traffic;
    void run(const char* kernel, ptx::Dim3 grid, ptx::Dim3 block, const Params& params, size_t shared = 0) {
        ptx::Launch l;
        l.grid = grid, l.block = block, l.dynamic_shared = shared;
        traffic = {};
        auto fault = launch(*module, kernel, l, params, *this, &traffic, 2);
        CHECK(!fault, "%s", fault->what.c_str());
    }
};

std::vector<float> random(size_t n, float low = -3, float high = 3) {
    std::mt19937 generator(uint32_t(n) + 1);
    std::uniform_real_distribution<float> d(low, high);
    std::vector<float> v(n);
    for (auto& x : v) x = d(generator);
    return v;
}

template <class T, class F>
void same(const char* what, const std::vector<T>& got, F want, double tolerance = 0) {
    for (size_t k = 0; k < got.size(); k++) {
        double a = double(got[k]), b = double(want(k));
        if (a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= tolerance * std::max(std::fabs(b), 1e-30)) continue;
        FAIL("%s: element %zu is %.9g, not %.9g", what, k, a, b);
        return;
    }
}

ptx::Dim3 blocks(size_t n, uint32_t block) { return {uint32_t((n + block - 1) / block), 1, 1}; }

}  // namespace

TEST(nvcc_elementwise) {
    for (size_t n : {1u, 31u, 256u, 1000u, 70001u}) {
        Device d;
        auto x = random(n), y = random(n + 5);
        y.resize(n);
        uint64_t px = d.put(x), py = d.put(y);
        d.run("axpy", {37, 1, 1}, {128, 1, 1}, Params().add(int(n)).add(1.25f).add(px).add(py));
        same("axpy", d.get<float>(py, n), [&](size_t k) { return std::fma(1.25f, x[k], y[k]); });
        uint64_t sectors = (n * 4 + 31) / 32 * 32;
        CHECK(d.traffic.write_bytes == sectors && d.traffic.read_bytes == 2 * sectors, "axpy of %zu reads %llu bytes and writes %llu", n, (unsigned long long)d.traffic.read_bytes, (unsigned long long)d.traffic.write_bytes);
        if (n % 4) continue;
        x[0] = std::nanf(""), x[1] = -0.0f;
        px = d.put(x);
        d.run("relu4", blocks(n / 4, 64), {64, 1, 1}, Params().add(int(n / 4)).add(px).add(py));
        same("relu4", d.get<float>(py, n), [&](size_t k) { return std::isnan(x[k]) ? 0.0f : std::max(x[k], 0.0f); });
    }
}

TEST(nvcc_reductions) {
    for (size_t n : {1u, 100u, 5000u}) {
        Device d;
        auto x = random(n, 0, 1);
        uint64_t px = d.put(x), partial = d.allocate(64 * 4);
        double want = 0;
        for (float v : x) want += double(v);
        d.run("sum", {4, 1, 1}, {256, 1, 1}, Params().add(int(n)).add(px).add(partial));
        auto got = d.get<float>(partial, 4);
        same("sum", std::vector<double>{double(got[0]) + double(got[1]) + double(got[2]) + double(got[3])}, [&](size_t) { return want; }, 1e-5);
        d.run("sum_tree", blocks(n, 128), {128, 1, 1}, Params().add(int(n)).add(px).add(partial), 128 * 4);
        got = d.get<float>(partial, (n + 127) / 128);
        double all = 0;
        for (float v : got) all += double(v);
        same("sum_tree", std::vector<double>{all}, [&](size_t) { return want; }, 1e-5);
    }
}

TEST(nvcc_missing_barrier) {
    Device d;
    uint64_t px = d.put(random(128)), partial = d.allocate(64);
    ptx::Launch l;
    l.block.x = 128, l.dynamic_shared = 512;
    auto fault = launch(*d.module, "sum_broken", l, Params().add(128).add(px).add(partial), d);
    CHECK(fault && fault->kind == ptx::Fault::race, "the missing barrier is not found: %s", fault ? fault->what.c_str() : "no fault");
    l.dynamic_shared = 500;
    fault = launch(*d.module, "sum_tree", l, Params().add(128).add(px).add(partial), d);
    CHECK(fault && fault->kind == ptx::Fault::address, "too little shared memory is not found: %s", fault ? fault->what.c_str() : "no fault");
    l.dynamic_shared = 512;
    fault = launch(*d.module, "sum_tree", l, Params().add(128).add(px + 4).add(partial), d);
    CHECK(fault && fault->kind == ptx::Fault::address && fault->thread.x == 127, "a read past the end is not found: %s", fault ? fault->what.c_str() : "no fault");
    l.block.x = 32;
    fault = launch(*d.module, "relu4", l, Params().add(8).add(px + 4).add(px), d);
    CHECK(fault && fault->kind == ptx::Fault::alignment, "a misaligned float4 is not found: %s", fault ? fault->what.c_str() : "no fault");
}

TEST(nvcc_softmax) {
    for (size_t n : {1u, 10u, 1000u}) {
        Device d;
        const size_t rows = 5;
        auto x = random(rows * n, -20, 20);
        uint64_t px = d.put(x), py = d.allocate(rows * n * 4);
        d.run("softmax", {rows, 1, 1}, {128, 1, 1}, Params().add(int(n)).add(px).add(py), 512);
        std::vector<double> sums(rows), most(rows, -1e30);
        for (size_t k = 0; k < x.size(); k++) most[k / n] = std::max(most[k / n], double(x[k]));
        for (size_t k = 0; k < x.size(); k++) sums[k / n] += std::exp(double(x[k]) - most[k / n]);
        same("softmax", d.get<float>(py, rows * n), [&](size_t k) { return std::exp(double(x[k]) - most[k / n]) / sums[k / n]; }, 3e-6);
    }
}

TEST(nvcc_philox) {
    Device d;
    const size_t n = 300;
    uint64_t out = d.allocate(n * 16);
    d.run("philox", blocks(n, 128), {128, 1, 1}, Params().add(int(n)).add(0x12345678u).add(0x9ABCDEF0u).add(out));
    std::vector<uint32_t> want;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c[4] = {i, 0, 7, 0}, k0 = 0x12345678, k1 = 0x9ABCDEF0;
        for (int r = 0; r < 10; r++) {
            uint64_t a = uint64_t(0xD2511F53) * c[0], b = uint64_t(0xCD9E8D57) * c[2];
            uint32_t next[4] = {uint32_t(b >> 32) ^ c[1] ^ k0, uint32_t(b), uint32_t(a >> 32) ^ c[3] ^ k1, uint32_t(a)};
            std::memcpy(c, next, sizeof c);
            k0 += 0x9E3779B9, k1 += 0xBB67AE85;
        }
        want.insert(want.end(), c, c + 4);
    }
    same("philox", d.get<uint32_t>(out, n * 4), [&](size_t k) { return want[k]; });
}

TEST(nvcc_adam) {
    Device d;
    const size_t n = 999;
    auto g = random(n), m = random(n + 1), v = random(n + 2, 0, 1), p = random(n + 3);
    uint64_t pg = d.put(g), pm = d.put(m), pv = d.put(v), pp = d.put(p);
    d.run("adam", blocks(n, 256), {256, 1, 1}, Params().add(int(n)).add(0.001f).add(0.9f).add(0.999f).add(1e-8f).add(0.19f).add(0.002f).add(pg).add(pm).add(pv).add(pp));
    auto mean = [&](size_t k) { return 0.9 * double(m[k]) + 0.1 * double(g[k]); };
    auto square = [&](size_t k) { return 0.999 * double(v[k]) + 0.001 * double(g[k]) * double(g[k]); };
    same("adam, square", d.get<float>(pv, n), square, 2e-5);
    same("adam, step", d.get<float>(pp, n), [&](size_t k) { return double(p[k]) - 0.001 * (mean(k) / 0.19) / (std::sqrt(square(k) / 0.002) + 1e-8); }, 1e-4);
}

TEST(nvcc_transpose) {
    for (auto [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {32, 32}, {70, 45}, {33, 100}}) {
        Device d;
        auto x = random(rows * columns);
        uint64_t px = d.put(x), py = d.allocate(rows * columns * 4);
        d.run("transpose", {uint32_t((columns + 31) / 32), uint32_t((rows + 31) / 32), 1}, {32, 8, 1}, Params().add(int(rows)).add(int(columns)).add(px).add(py));
        same("transpose", d.get<float>(py, rows * columns), [&, r = rows, c = columns](size_t k) { return x[k % r * c + k / r]; });
    }
}

TEST(nvcc_functions) {
    Device d;
    auto x = random(2000, -8, 8);
    for (float v : {0.0f, -0.0f, 1.0f, 1e-40f, 88.0f, -100.0f, 1e10f, INFINITY, NAN, 0.5f}) x.push_back(v);
    size_t n = x.size();
    uint64_t px = d.put(x), py = d.allocate(n * 40);
    d.run("functions", blocks(n, 96), {96, 1, 1}, Params().add(int(n)).add(px).add(py));
    auto y = d.get<float>(py, n * 10);
    double (*f[10])(double) = {[](double v) { return std::pow(std::fabs(v), double(1.7f)); }, std::exp, [](double v) { return std::log(std::fabs(v)); }, std::tanh, std::sin, [](double v) { return std::cos(double(float(v) * 1e6f)); },
                               [](double v) { return 1 / std::sqrt(std::fabs(v)); }, std::erf, [](double v) { return std::log1p(std::fabs(v)); }, [](double v) { return std::fmod(v, double(0.3f)); }};
    const char* names[] = {"powf", "expf", "logf", "tanhf", "sinf", "cosf", "rsqrtf", "erff", "log1pf", "fmodf"};
    for (size_t c = 0; c < 10; c++)
        for (size_t k = 0; k < n; k++) {
            float want = float(f[c](double(x[k]))), got = y[k * 10 + c];
            // a few units of the last place, as CUDA's manual gives them; zeros of sin and cos by their absolute error
            if (got == want || (std::isnan(got) && std::isnan(want)) || std::fabs(got - want) <= 8e-7f * std::fabs(want) + 1e-7f * float(c == 4 || c == 5)) continue;
            FAIL("%s(%.9g) is %.9g, not %.9g", names[c], double(x[k]), double(got), double(want));
            break;
        }
    std::vector<double> x64(x.begin(), x.end());
    px = d.put(x64), py = d.allocate(n * 48);
    d.run("functions64", blocks(n, 96), {96, 1, 1}, Params().add(int(n)).add(px).add(py));
    auto z = d.get<double>(py, n * 6);
    double (*f64[6])(double) = {[](double v) { return std::pow(std::fabs(v), 1.7); }, std::exp, [](double v) { return std::log(std::fabs(v)); }, std::sin, [](double v) { return v / std::fma(v, v, 1); }, [](double v) { return std::sqrt(std::fabs(v)); }};
    const char* names64[] = {"pow", "exp", "log", "sin", "division", "sqrt"};
    for (size_t c = 0; c < 6; c++)
        for (size_t k = 0; k < n; k++) {
            double want = f64[c](x64[k]), got = z[k * 6 + c];
            if (got == want || (std::isnan(got) && std::isnan(want)) || std::fabs(got - want) <= 1e-15 * std::fabs(want) + 1e-16 * double(c == 3)) continue;
            FAIL("%s(%.17g) is %.17g, not %.17g", names64[c], x64[k], got, want);
            break;
        }
}

TEST(nvcc_short_floats) {
    Device d;
    const size_t n = 700;
    auto f = random(2 * n, -4, 4);
    std::vector<uint16_t> b(n), w(2 * n), h(n);
    for (size_t k = 0; k < 2 * n; k++) w[k] = to_brain(double(f[k]), 0);
    for (size_t k = 0; k < n; k++) b[k] = to_brain(double(f[k]), 0), h[k] = to_half(double(f[k]), 0);
    uint64_t pb = d.put(b), pw = d.put(w), ph = d.put(h), py = d.allocate(n * 2), pz = d.allocate(n * 4);
    d.run("brain", blocks(n, 128), {128, 1, 1}, Params().add(int(n)).add(pb).add(pw).add(py).add(pz));
    same("bf16", d.get<uint16_t>(py, n), [&](size_t k) { return to_brain(double(std::fma(float(from_brain(b[k])), 1.5f, 0.25f)), 0); });
    same("bf16x2", d.get<uint16_t>(pz, 2 * n), [&](size_t k) { return to_brain(from_brain(w[k]) * from_brain(w[k]) + 0.5, 0); });
    d.run("half_", blocks(n, 128), {128, 1, 1}, Params().add(int(n)).add(ph).add(py));
    same("half", d.get<uint16_t>(py, n), [&](size_t k) {
        double x = from_half(h[k]), three = from_half(to_half(x * 3, 0)), e = from_half(to_half(std::exp(x), 0));
        return from_half(to_half(three + e, 0)) > 2 ? uint16_t(h[k] ^ 0x8000) : to_half(double(float(x) / 3), 0);
    });
}

TEST(nvcc_argmax) {
    Device d;
    const size_t rows = 21, columns = 77;
    auto x = random(rows * columns);
    x[5] = x[60] = 100;
    uint64_t px = d.put(x), py = d.allocate(rows * 4);
    d.run("argmax", blocks(rows * 32, 128), {128, 1, 1}, Params().add(int(rows)).add(int(columns)).add(px).add(py));
    same("argmax", d.get<int>(py, rows), [&](size_t k) { return std::max_element(&x[k * columns], &x[k * columns] + columns) - &x[k * columns]; });
}

TEST(nvcc_histogram) {
    Device d;
    const size_t n = 5003;
    std::mt19937 generator(9);
    std::vector<int> x(n);
    for (auto& v : x) v = int(generator() % 100000);
    uint64_t px = d.put(x), bins = d.put(std::vector<int>(16, 0));
    d.run("histogram", blocks(n, 256), {256, 1, 1}, Params().add(int(n)).add(px).add(bins));
    std::vector<int> want(16);
    unsigned long long total = 0;
    const int weights[] = {1, 10, 100, 1000};
    for (int v : x) {
        want[size_t(v & 15)]++;
        uint32_t r = uint32_t((v & 3) > 2 ? v / 3 : v * weights[v & 3]);
        switch (v & 7) {
        case 0: r += 5; break;
        case 1: r *= 3; break;
        case 3: r ^= 77; break;
        case 4: r -= uint32_t(v % 7); break;
        case 6: {
            uint32_t reversed = 0;
            for (int k = 0; k < 32; k++) reversed |= (r >> k & 1) << (31 - k);
            r = uint32_t(__builtin_popcount(r)) + uint32_t(r ? __builtin_clz(r) : 32) + reversed % 11;
            break;
        }
        }
        total += r & 0xFFFF;
    }
    same("histogram", d.get<int>(bins, 16), [&](size_t k) { return want[k]; });
    for (auto& v : d.module->variables())
        if (v.name == "total") same("total", d.get<unsigned long long>(v.address, 1), [&](size_t) { return total; });
}
