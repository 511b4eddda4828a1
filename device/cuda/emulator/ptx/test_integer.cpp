// Integer instructions against the host's own arithmetic on 128-bit integers.
#include <algorithm>

#include "testing.h"

using namespace testing;
using Row = std::vector<uint64_t>;
using Names = std::vector<std::string>;

namespace {

struct Kind {
    const char* name;
    int bits;
    bool sign;
    __int128 value(uint64_t x) const {
        if (bits < 64) x &= (uint64_t(1) << bits) - 1;
        if (!sign) return x;
        return bits == 64 ? __int128(int64_t(x)) : __int128(int64_t(x << (64 - bits)) >> (64 - bits));
    }
    uint64_t cut(__int128 x) const { return bits == 64 ? uint64_t(x) : uint64_t(x) & ((uint64_t(1) << bits) - 1); }
    __int128 least() const { return sign ? -(__int128(1) << (bits - 1)) : 0; }
    __int128 most() const { return (__int128(1) << (sign ? bits - 1 : bits)) - 1; }
};

const Kind kinds[] = {{"u16", 16, false}, {"s16", 16, true}, {"u32", 32, false}, {"s32", 32, true}, {"u64", 64, false}, {"s64", 64, true}};

std::string b(const Kind& k) { return "b" + std::to_string(k.bits); }

}  // namespace

TEST(integer_arithmetic) {
    for (auto& k : kinds) {
        std::string t = k.name;
        Names two{t, t}, three{t, t, t};
        auto V = [&](uint64_t x) { return k.value(x); };
        EXPECT("add." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return k.cut(V(r[0]) + V(r[1])); });
        EXPECT("sub." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return k.cut(V(r[0]) - V(r[1])); });
        EXPECT("mul.lo." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return k.cut(__int128(uint64_t(V(r[0])) * uint64_t(V(r[1])))); });
        EXPECT("mul.hi." + t + " %d, %a, %b;", t, two, [&](const Row& r) {
            if (k.bits == 64 && !k.sign) return uint64_t((unsigned __int128)(r[0]) * r[1] >> 64);
            return k.cut((V(r[0]) * V(r[1])) >> k.bits);
        });
        EXPECT("mad.lo." + t + " %d, %a, %b, %c;", t, three, [&](const Row& r) { return k.cut(__int128(uint64_t(V(r[0])) * uint64_t(V(r[1])) + uint64_t(V(r[2])))); });
        EXPECT("mad.hi." + t + " %d, %a, %b, %c;", t, three, [&](const Row& r) {
            __int128 high = k.bits == 64 && !k.sign ? __int128((unsigned __int128)(r[0]) * r[1] >> 64) : (V(r[0]) * V(r[1])) >> k.bits;
            return k.cut(high + V(r[2]));
        });
        EXPECT("sad." + t + " %d, %a, %b, %c;", t, three, [&](const Row& r) { return k.cut(V(r[2]) + (V(r[0]) < V(r[1]) ? V(r[1]) - V(r[0]) : V(r[0]) - V(r[1]))); });
        EXPECT("div." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return V(r[1]) == 0 ? k.cut(-1) : k.cut(V(r[0]) / V(r[1])); });
        EXPECT("rem." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return V(r[1]) == 0 ? k.cut(V(r[0])) : k.cut(V(r[0]) % V(r[1])); });
        EXPECT("min." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return k.cut(std::min(V(r[0]), V(r[1]))); });
        EXPECT("max." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return k.cut(std::max(V(r[0]), V(r[1]))); });
        EXPECT("shr." + t + " %d, %a, %b;", t, (Names{t, "u32"}), [&](const Row& r) { return k.cut(r[1] >= 100 ? (V(r[0]) < 0 ? -1 : 0) : V(r[0]) >> std::min<uint64_t>(r[1], 100)); });
        if (k.sign) {
            EXPECT("abs." + t + " %d, %a;", t, Names{t}, [&](const Row& r) { return k.cut(V(r[0]) < 0 ? -V(r[0]) : V(r[0])); });
            EXPECT("neg." + t + " %d, %a;", t, Names{t}, [&](const Row& r) { return k.cut(-V(r[0])); });
        }
        if (k.bits < 64) {
            std::string w = std::string(1, t[0]) + std::to_string(k.bits * 2);
            Kind wide{w.c_str(), k.bits * 2, k.sign};
            EXPECT("mul.wide." + t + " %d, %a, %b;", w, two, [&](const Row& r) { return wide.cut(V(r[0]) * V(r[1])); });
            EXPECT("mad.wide." + t + " %d, %a, %b, %c;", w, (Names{t, t, w}), [&](const Row& r) { return wide.cut(V(r[0]) * V(r[1]) + wide.value(r[2])); });
        }
    }
    const Kind& s32 = kinds[3];
    auto clamp = [&](__int128 x) { return s32.cut(std::clamp(x, s32.least(), s32.most())); };
    EXPECT("add.sat.s32 %d, %a, %b;", "s32", (Names{"s32", "s32"}), [&](const Row& r) { return clamp(s32.value(r[0]) + s32.value(r[1])); });
    EXPECT("sub.sat.s32 %d, %a, %b;", "s32", (Names{"s32", "s32"}), [&](const Row& r) { return clamp(s32.value(r[0]) - s32.value(r[1])); });
    EXPECT("mad.hi.sat.s32 %d, %a, %b, %c;", "s32", (Names{"s32", "s32", "s32"}), [&](const Row& r) { return clamp(((s32.value(r[0]) * s32.value(r[1])) >> 32) + s32.value(r[2])); });
    for (auto& k : {kinds[2], kinds[3]}) {
        std::string t = k.name;
        Kind narrow{"", 24, k.sign};
        auto product = [&](const Row& r) { return narrow.value(r[0]) * narrow.value(r[1]); };
        EXPECT("mul24.lo." + t + " %d, %a, %b;", t, (Names{t, t}), [&](const Row& r) { return k.cut(product(r)); });
        EXPECT("mul24.hi." + t + " %d, %a, %b;", t, (Names{t, t}), [&](const Row& r) { return k.cut(product(r) >> 16); });
        EXPECT("mad24.lo." + t + " %d, %a, %b, %c;", t, (Names{t, t, t}), [&](const Row& r) { return k.cut(product(r) + k.value(r[2])); });
    }
}

TEST(integer_carry) {
    // a 128-bit sum and difference in two halves: the upper half shows the carry
    EXPECT(".reg .b64 %lo; add.cc.u64 %lo, %a, %b; addc.u64 %d, %c, %e;", "u64", (Names{"u64", "u64", "u64", "u64"}), [](const Row& r) {
        return r[2] + r[3] + (r[0] + r[1] < r[0]);
    });
    EXPECT(".reg .b64 %lo; sub.cc.u64 %lo, %a, %b; subc.u64 %d, %c, %e;", "u64", (Names{"u64", "u64", "u64", "u64"}), [](const Row& r) {
        return r[2] - r[3] - (r[0] < r[1]);
    });
    EXPECT(".reg .b32 %lo<3>; add.cc.u32 %lo0, %a, %b; addc.cc.u32 %lo1, %a, %c; addc.u32 %d, 0, 0;", "u32", (Names{"u32", "u32", "u32"}), [](const Row& r) {
        uint64_t low = r[0] + r[1], middle = r[0] + r[2] + (low >> 32);
        return middle >> 32;
    });
    EXPECT(".reg .b32 %lo<3>; sub.cc.u32 %lo0, %a, %b; subc.cc.u32 %lo1, %a, %c; subc.u32 %d, 0, 0;", "u32", (Names{"u32", "u32", "u32"}), [](const Row& r) {
        int64_t middle = int64_t(r[0]) - int64_t(r[2]) - (r[0] < r[1]);
        return middle < 0 ? uint64_t(0xFFFFFFFF) : 0;
    });
}

TEST(integer_carry_of_products) {
    // a 64-bit product and sum in words
    EXPECT(".reg .b32 %lo; mad.lo.cc.u32 %lo, %a, %b, %c; madc.hi.u32 %d, %a, %b, %e;", "u32", (Names{"u32", "u32", "u32", "u32"}), [](const Row& r) {
        return ((r[0] * r[1] + (r[3] << 32 | r[2])) >> 32) & 0xFFFFFFFF;
    });
    EXPECT(".reg .b32 %lo<2>; mad.hi.cc.s32 %lo0, %a, %b, %c; madc.lo.cc.s32 %lo1, %a, %e, %c; addc.u32 %d, 0, 0;", "u32", (Names{"s32", "s32", "s32", "s32"}), [](const Row& r) {
        uint64_t first = (uint64_t((int64_t(int32_t(r[0])) * int32_t(r[1])) >> 32) & 0xFFFFFFFF) + r[2];
        uint64_t second = (r[0] * r[3] & 0xFFFFFFFF) + r[2] + (first >> 32);
        return second >> 32;
    });
    EXPECT(".reg .b64 %lo; mad.lo.cc.u64 %lo, %a, %b, %c; madc.hi.u64 %d, %a, %b, %e;", "u64", (Names{"u64", "u64", "u64", "u64"}), [](const Row& r) {
        return uint64_t(((unsigned __int128)(r[0]) * r[1] + ((unsigned __int128)(r[3]) << 64 | r[2])) >> 64);
    });
}

TEST(integer_logic) {
    for (int bits : {16, 32, 64}) {
        Kind k{"", bits, false};
        std::string t = b(k);
        Names two{t, t};
        EXPECT("and." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return r[0] & r[1]; });
        EXPECT("or." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return r[0] | r[1]; });
        EXPECT("xor." + t + " %d, %a, %b;", t, two, [&](const Row& r) { return r[0] ^ r[1]; });
        EXPECT("not." + t + " %d, %a;", t, Names{t}, [&](const Row& r) { return k.cut(~__int128(r[0])); });
        EXPECT("cnot." + t + " %d, %a;", t, Names{t}, [&](const Row& r) { return uint64_t(r[0] == 0); });
        EXPECT("shl." + t + " %d, %a, %b;", t, (Names{t, "u32"}), [&](const Row& r) { return r[1] >= uint64_t(bits) ? 0 : k.cut(__int128(r[0]) << r[1]); });
        EXPECT("shr." + t + " %d, %a, %b;", t, (Names{t, "u32"}), [&](const Row& r) { return r[1] >= uint64_t(bits) ? 0 : r[0] >> r[1]; });
        if (bits == 16) continue;
        EXPECT("brev." + t + " %d, %a;", t, Names{t}, [&](const Row& r) {
            uint64_t x = 0;
            for (int n = 0; n < bits; n++)
                if (r[0] >> n & 1) x |= uint64_t(1) << (bits - 1 - n);
            return x;
        });
        EXPECT("popc." + t + " %d, %a;", "u32", Names{t}, [&](const Row& r) {
            uint64_t n = 0;
            for (int p = 0; p < bits; p++) n += r[0] >> p & 1;
            return n;
        });
        EXPECT("clz." + t + " %d, %a;", "u32", Names{t}, [&](const Row& r) {
            int n = 0;
            while (n < bits && !(r[0] >> (bits - 1 - n) & 1)) n++;
            return uint64_t(n);
        });
        EXPECT("bfi." + t + " %d, %a, %b, %c, %e;", t, (Names{t, t, "u32", "u32"}), [&](const Row& r) {
            uint64_t x = r[1], position = r[2] & 255, length = r[3] & 255;
            for (uint64_t n = 0; n < length && position + n < uint64_t(bits); n++) {
                uint64_t bit = uint64_t(1) << (position + n);
                x = n < uint64_t(bits) && (r[0] >> n & 1) ? x | bit : x & ~bit;
            }
            return x;
        });
    }
    for (auto& k : kinds) {
        if (k.bits == 16) continue;
        std::string t = k.name;
        EXPECT("bfe." + t + " %d, %a, %b, %c;", t, (Names{t, "u32", "u32"}), [&](const Row& r) {
            // as the manual writes it
            uint64_t position = r[1] & 255, length = r[2] & 255, most = uint64_t(k.bits - 1), x = 0;
            bool sign = k.sign && length != 0 && (r[0] >> std::min(position + length - 1, most) & 1);
            for (uint64_t n = 0; n <= most; n++) {
                bool bit = n < length && position + n <= most ? r[0] >> (position + n) & 1 : sign;
                x |= uint64_t(bit) << n;
            }
            return x;
        });
        for (bool amount : {false, true})
            EXPECT(std::string("bfind.") + (amount ? "shiftamt." : "") + t + " %d, %a;", "u32", Names{t}, [&](const Row& r) {
                __int128 v = k.value(r[0]);
                if (v < 0) v = ~v;
                for (int n = k.bits - 1; n >= 0; n--)
                    if (v >> n & 1) return uint64_t(amount ? k.bits - 1 - n : n);
                return uint64_t(0xFFFFFFFF);
            });
    }
    for (int table : {0x00, 0x96, 0xE8, 0xCA, 0x1B, 0xFF})
        EXPECT("lop3.b32 %d, %a, %b, %c, " + std::to_string(table) + ";", "b32", (Names{"b32", "b32", "b32"}), [&](const Row& r) {
            uint64_t x = 0;
            for (int n = 0; n < 32; n++) {
                int index = int((r[0] >> n & 1) << 2 | (r[1] >> n & 1) << 1 | (r[2] >> n & 1));
                x |= uint64_t(table >> index & 1) << n;
            }
            return x;
        });
    for (std::string side : {"l", "r"})
        for (std::string mode : {"wrap", "clamp"})
            EXPECT("shf." + side + "." + mode + ".b32 %d, %a, %b, %c;", "b32", (Names{"b32", "b32", "u32"}), [&](const Row& r) {
                uint64_t n = mode == "wrap" ? r[2] & 31 : std::min<uint64_t>(r[2], 32), both = r[1] << 32 | r[0];
                return side == "l" ? (both << n) >> 32 : (both >> n) & 0xFFFFFFFF;
            });
}

TEST(integer_bytes) {
    EXPECT("prmt.b32 %d, %a, %b, %c;", "b32", (Names{"b32", "b32", "b32"}), [](const Row& r) {
        uint64_t both = r[1] << 32 | r[0], x = 0;
        for (int n = 0; n < 4; n++) {
            uint64_t control = r[2] >> (4 * n) & 15, byte = both >> (8 * (control & 7)) & 255;
            if (control & 8) byte = byte & 128 ? 255 : 0;
            x |= byte << (8 * n);
        }
        return x;
    });
    // the manual's tables: which byte of {b,a} becomes byte 3, 2, 1, 0 for selector 0 to 3
    struct { const char* mode; const char* bytes[4]; } modes[] = {
        {"f4e", {"3210", "4321", "5432", "6543"}}, {"b4e", {"5670", "6701", "7012", "0123"}}, {"rc8", {"0000", "1111", "2222", "3333"}},
        {"ecl", {"3210", "3211", "3222", "3333"}}, {"ecr", {"0000", "1110", "2210", "3210"}}, {"rc16", {"1010", "3232", "1010", "3232"}},
    };
    for (auto& mode : modes)
        EXPECT(std::string("prmt.b32.") + mode.mode + " %d, %a, %b, %c;", "b32", (Names{"b32", "b32", "b32"}), [&](const Row& r) {
            uint64_t both = r[1] << 32 | r[0], x = 0;
            for (int n = 0; n < 4; n++) x |= (both >> (8 * (mode.bytes[r[2] & 3][3 - n] - '0')) & 255) << (8 * n);
            return x;
        });
    for (std::string a : {"u32", "s32"})
        for (std::string c : {"u32", "s32"})
            EXPECT("dp4a." + a + "." + c + " %d, %a, %b, %c;", "b32", (Names{"b32", "b32", "b32"}), [&](const Row& r) {
                int64_t sum = int64_t(r[2]);
                for (int n = 0; n < 4; n++) {
                    int64_t x = int64_t(r[0] >> (8 * n) & 255), y = int64_t(r[1] >> (8 * n) & 255);
                    if (a == "s32" && x > 127) x -= 256;
                    if (c == "s32" && y > 127) y -= 256;
                    sum += x * y;
                }
                return uint64_t(sum) & 0xFFFFFFFF;
            });
}
