// Lane instructions per second of one host thread (make speed).
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>

#include "testing.h"

std::vector<testing::Test>& testing::tests() {
    static std::vector<Test> none;
    return none;
}

namespace {

struct Flat : ptx::Memory {
    std::vector<uint8_t> bytes = std::vector<uint8_t>(size_t(1) << 27, 0x3F);
    bool find(uint64_t address, size_t n, bool, ptx::Extent& extent, std::string& why) override {
        if (address < base || address + n > base + bytes.size()) return why = "no allocation", false;
        extent = {base, bytes.size(), bytes.data()};
        return true;
    }
    static constexpr uint64_t base = 0x700000000000;
};

}  // namespace

int main() {
    std::ifstream file("testdata/gen_kernels.ptx");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    auto parse = std::chrono::steady_clock::now();
    auto module = ptx::Module::parse(text);
    std::printf("%zu bytes of PTX parsed in %.1f ms\n", text.size(), std::chrono::duration<double>(std::chrono::steady_clock::now() - parse).count() * 1e3);
    Flat memory;
    module->place([](const ptx::Variable&) { return Flat::base; });
    const uint64_t a = Flat::base, b = Flat::base + (1 << 25), c = Flat::base + (2 << 25), d = Flat::base + (3 << 25);
    const int n = 1 << 22;
    struct {
        const char* name;
        ptx::Dim3 grid, block;
        size_t shared;
        testing::Params params;
    } cases[] = {
        {"axpy", {n / 1024, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n).add(0.5f).add(a).add(b)},
        {"relu4", {n / 1024, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n / 4).add(a).add(b)},
        {"sum", {256, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n).add(a).add(b)},
        {"sum_tree", {n / 256, 1, 1}, {256, 1, 1}, 1024, testing::Params().add(n).add(a).add(b)},
        {"softmax", {n / 1024, 1, 1}, {128, 1, 1}, 512, testing::Params().add(1024).add(a).add(b)},
        {"philox", {n / 1024, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n / 4).add(1u).add(2u).add(a)},
        {"adam", {n / 256, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n).add(0.1f).add(0.9f).add(0.99f).add(1e-8f).add(0.1f).add(0.1f).add(a).add(b).add(c).add(d)},
        {"transpose", {2048 / 32, 2048 / 32, 1}, {32, 8, 1}, 0, testing::Params().add(2048).add(2048).add(a).add(b)},
        {"functions", {n / 2048 / 8, 1, 1}, {256, 1, 1}, 0, testing::Params().add(n / 64).add(a).add(b)},
    };
    for (auto& k : cases)
        for (bool count : {false, true}) {
            ptx::Launch l;
            l.grid = k.grid, l.block = k.block, l.dynamic_shared = k.shared, l.params = k.params.data();
            ptx::Traffic traffic, none;
            ptx::run(*module->find(k.name), l, memory, &traffic, 1);
            auto start = std::chrono::steady_clock::now();
            if (auto fault = ptx::run(*module->find(k.name), l, memory, count ? &none : nullptr, 1)) std::printf("%s\n", fault->what.c_str());
            double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            std::printf("%-10s %s %8.1f M lane instructions in %7.1f ms: %7.0f M/s\n", k.name, count ? "counting" : "        ", double(traffic.instructions) / 1e6, seconds * 1e3, double(traffic.instructions) / seconds / 1e6);
        }
}
