// What the tests share: registration, checks that print what is needed, a small device memory, and a kernel around one instruction.
#pragma once

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <sstream>
#include <vector>

#include "ptx.h"

namespace testing {

struct Test {
    const char* name;
    void (*run)();
};
std::vector<Test>& tests();
void failure(const char* file, int line, const char* format, ...) __attribute__((format(printf, 3, 4)));

struct Register {
    Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

#define TEST(name)                                                \
    static void test_##name();                                    \
    static testing::Register register_##name(#name, test_##name); \
    static void test_##name()

#define FAIL(...) testing::failure(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition, ...)                 \
    do {                                      \
        if (!(condition)) FAIL(__VA_ARGS__);  \
    } while (0)

// Arena is device memory: allocations far apart, at addresses that are no host addresses.
class Arena : public ptx::Memory {
public:
    uint64_t allocate(size_t bytes, size_t misalign = 0);
    template <class T>
    uint64_t put(const std::vector<T>& v) {
        uint64_t a = allocate(v.size() * sizeof(T));
        std::memcpy(host(a), v.data(), v.size() * sizeof(T));
        return a;
    }
    template <class T>
    std::vector<T> get(uint64_t address, size_t n) {
        std::vector<T> v(n);
        std::memcpy(v.data(), host(address), n * sizeof(T));
        return v;
    }
    uint8_t* host(uint64_t address);
    void forget(uint64_t address) { blocks.erase(address); }
    bool find(uint64_t address, size_t bytes, bool write, ptx::Extent& extent, std::string& why) override;
    uint64_t read_only = 0;  // an allocation that may not be written

private:
    std::map<uint64_t, std::vector<uint8_t>> blocks;
    uint64_t next = 0x700000000000;
};

// Params lays out kernel parameters as C does.
class Params {
public:
    template <class T>
    Params& add(T value) {
        size_t at = (bytes.size() + alignof(T) - 1) / alignof(T) * alignof(T);
        bytes.resize(at + sizeof(T));
        std::memcpy(bytes.data() + at, &value, sizeof value);
        return *this;
    }
    const uint8_t* data() const { return bytes.data(); }

private:
    std::vector<uint8_t> bytes;
};

// launch runs a kernel that must exist; a fault is returned.
std::optional<ptx::Fault> launch(const ptx::Module& module, const char* kernel, const ptx::Launch& shape, const Params& params, Arena& arena, ptx::Traffic* traffic = nullptr,
                                 int threads = 1);

extern const char* header;                       // .version and so on

// Parsed is a module whose variables have been put into the arena.
std::shared_ptr<ptx::Module> load(const std::string& text, Arena& arena);

std::string parse_error(const std::string& text);  // "" where it parses

// An instruction under test: its operands by type ("f32", "b64", "pred"), its result, and the values of the operands, one row per
// thread, as bits. The text names the result %d and the operands %a %b %c %e. Predicates are stored as 0 and 1.
std::vector<uint64_t> evaluate(const std::string& text, const std::string& result, const std::vector<std::string>& operands, const std::vector<std::vector<uint64_t>>& rows);

size_t bytes_of(const std::string& type);

// interesting gives the bit patterns that break things, for a type, and some random ones.
std::vector<uint64_t> interesting(const std::string& type, size_t random);

// rows gives combinations of interesting values for operands of those types.
std::vector<std::vector<uint64_t>> rows(const std::vector<std::string>& types);

// expect evaluates an instruction on rows and compares with f(row); same decides.
template <class F, class Same>
void expect(const char* file, int line, const std::string& text, const std::string& result, const std::vector<std::string>& operands, F f, Same same) {
    auto table = rows(operands);
    std::vector<uint64_t> got;
    try {
        got = evaluate(text, result, operands, table);
    } catch (const std::exception& e) {
        failure(file, line, "%s: %s", text.c_str(), e.what());
        return;
    }
    int shown = 0;
    for (size_t k = 0; k < table.size() && shown < 3; k++) {
        uint64_t want = f(table[k]);
        if (same(got[k], want)) continue;
        shown++;
        std::string inputs;
        for (uint64_t x : table[k]) {
            char s[32];
            std::snprintf(s, sizeof s, " 0x%llx", (unsigned long long)x);
            inputs += s;
        }
        failure(file, line, "%s of%s gives 0x%llx, not 0x%llx (row %zu)", text.c_str(), inputs.c_str(), (unsigned long long)got[k], (unsigned long long)want, k);
    }
}

inline bool equal(uint64_t a, uint64_t b) { return a == b; }

template <class T, class U>
T as(U x) {
    T y;
    std::memcpy(&y, &x, sizeof(T) < sizeof(U) ? sizeof(T) : sizeof(U));
    return y;
}
inline float f32(uint64_t x) { return as<float>(uint32_t(x)); }
inline double f64(uint64_t x) { return as<double>(x); }
inline uint64_t u(float x) { return as<uint32_t>(x); }
inline uint64_t u(double x) { return as<uint64_t>(x); }

#define EXPECT(text, result, operands, ...) testing::expect(__FILE__, __LINE__, text, result, operands, __VA_ARGS__, testing::equal)

// rounded gives x in a format of so many significant bits and that least exponent, in the host's rounding mode.
double rounded(double x, int precision, int least, double most);
uint16_t to_half(double x, int mode);    // mode as fesetround takes it
uint16_t to_brain(double x, int mode);
double from_half(uint64_t x);
double from_brain(uint64_t x);

}  // namespace testing
