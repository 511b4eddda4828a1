// Instructions: the name taken apart, the operands put into the frame. An instruction that is not known here, or whose
// combination of modifiers no function was written for, is an error.
#include <algorithm>
#include <cstring>

#include "parser.h"

namespace ptx {

namespace {

std::string str(std::string_view s) { return std::string(s); }

constexpr Type bits_of(size_t bytes) { return bytes == 1 ? Type::b8 : bytes == 2 ? Type::b16 : bytes == 4 ? Type::b32 : Type::b64; }

Type wider(Type t) {
    switch (t) {
    case Type::u16: return Type::u32;
    case Type::s16: return Type::s32;
    case Type::u32: return Type::u64;
    case Type::s32: return Type::s64;
    default: return Type::none;
    }
}

struct CompareName {
    const char* name;
    Compare compare;
};
constexpr CompareName compare_names[] = {
    {"eq", Compare::eq}, {"ne", Compare::ne}, {"lt", Compare::lt}, {"le", Compare::le}, {"gt", Compare::gt}, {"ge", Compare::ge},
    {"lo", Compare::lo}, {"ls", Compare::ls}, {"hi", Compare::hi}, {"hs", Compare::hs}, {"equ", Compare::equ}, {"neu", Compare::neu},
    {"ltu", Compare::ltu}, {"leu", Compare::leu}, {"gtu", Compare::gtu}, {"geu", Compare::geu}, {"num", Compare::num}, {"nan", Compare::nan},
};

struct OpName {
    const char* name;
    Op op;
    uint8_t sources;
};
// What has nothing special: a type, operands of that type.
constexpr OpName plain_names[] = {
    {"add", Op::add, 2}, {"sub", Op::sub, 2}, {"mul", Op::mul, 2}, {"mad", Op::mad, 3}, {"mul24", Op::mul24, 2}, {"mad24", Op::mad24, 3},
    {"sad", Op::sad, 3}, {"div", Op::div, 2}, {"rem", Op::rem, 2}, {"min", Op::min, 2}, {"max", Op::max, 2}, {"abs", Op::abs, 1},
    {"neg", Op::neg, 1}, {"and", Op::and_, 2}, {"or", Op::or_, 2}, {"xor", Op::xor_, 2}, {"not", Op::not_, 1}, {"cnot", Op::cnot, 1},
    {"fma", Op::fma, 3}, {"sqrt", Op::sqrt, 1}, {"rsqrt", Op::rsqrt, 1}, {"rcp", Op::rcp, 1}, {"ex2", Op::ex2, 1}, {"lg2", Op::lg2, 1},
    {"sin", Op::sin, 1}, {"cos", Op::cos, 1}, {"tanh", Op::tanh, 1}, {"copysign", Op::copysign, 2}, {"brev", Op::brev, 1},
    {"addc", Op::add_carry, 2}, {"subc", Op::sub_carry, 2}, {"madc", Op::mad_carry, 3},
};

bool take_round(Mods& m, Spec& s) {
    if (m.take("rn") || m.take("rni")) s.round = Round::nearest;
    else if (m.take("rz") || m.take("rzi")) s.round = Round::zero;
    else if (m.take("rm") || m.take("rmi")) s.round = Round::down;
    else if (m.take("rp") || m.take("rpi")) s.round = Round::up;
    else if (m.take("rna")) s.round = Round::away;
    else return false;
    return true;
}

Space take_space(Mods& m) {
    if (m.take("global")) return Space::global;
    if (m.take("shared") || m.take("shared::cta")) return Space::shared;
    if (m.take("local")) return Space::local;
    if (m.take("param") || m.take("param::entry") || m.take("param::func")) return Space::param;
    if (m.take("const")) return Space::constant;
    return Space::generic;
}

// Ordering and scope of an access: all accesses of the emulation are strong.
bool take_order(Mods& m) {
    bool relaxed = false;
    for (auto name : {"volatile", "relaxed", "acquire", "release", "acq_rel", "mmio"}) relaxed |= m.take(name);
    m.take("weak");
    for (auto name : {"cta", "cluster", "gpu", "sys"}) m.take(name);
    return relaxed;
}

void take_cache(Mods& m) {
    for (auto name : {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "L2::cache_hint"}) m.take(name);
    m.drop_prefix("L1::");
    m.drop_prefix("L2::64B"), m.drop_prefix("L2::128B"), m.drop_prefix("L2::256B"), m.drop_prefix("L2::evict");
    m.drop_prefix("level::eviction_priority");
}

}  // namespace

Mods::Mods(std::string_view name) {
    size_t dot = name.find('.');
    head = name.substr(0, dot);
    while (dot != name.npos) {
        size_t from = dot + 1;
        dot = name.find('.', from);
        mods.push_back(name.substr(from, dot == name.npos ? name.npos : dot - from));
    }
}

bool Mods::take(std::string_view mod) {
    auto found = std::find(mods.begin(), mods.end(), mod);
    if (found == mods.end()) return false;
    mods.erase(found);
    return true;
}

Type Mods::take_type() {
    for (size_t k = 0; k < mods.size(); k++)
        if (Type t = type_named(mods[k]); t != Type::none) {
            mods.erase(mods.begin() + long(k));
            return t;
        }
    return Type::none;
}

bool Mods::take_width(uint8_t& elements) {
    for (uint8_t n : {2, 4, 8})
        if (take("v" + std::to_string(n))) {
            elements = n;
            return true;
        }
    return false;
}

void Mods::drop_prefix(std::string_view prefix) {
    mods.erase(std::remove_if(mods.begin(), mods.end(), [&](std::string_view m) { return m.substr(0, prefix.size()) == prefix; }), mods.end());
}

void Parser::unknown(const Token& name) const { fail(name.line, "unknown instruction %s", str(name.name).c_str()); }

void Parser::want(const std::vector<Operand>& o, size_t least, size_t most, const Token& name) const {
    if (o.size() < least || o.size() > most)
        fail(name.line, "%s has %zu operands, not %zu", str(name.name).c_str(), o.size(), o.size() < least ? least : most);
}

void Parser::instruction() {
    Instr i;
    if (accept('@')) {
        bool negate = accept('!');
        Operand p = operand();
        p.negate = negate;
        i.guard = predicate(p, i.flip);
    }
    const Token& name = expect_word("an instruction");
    i.line = name.line;
    decode(name, i);
    expect(';');
}

void Parser::decode(const Token& name, Instr& i) {
    Mods m(name.name);
    Spec s;
    std::string_view op = m.opcode();
    auto emit = [&] { code->push_back(i); };
    auto finish = [&] {  // all of the name must have been understood
        if (!m.empty()) unknown(name);
        i.run = select(s);
        if (!i.run) unknown(name);
        emit();
    };
    auto jump = [&](const Token& label) {
        if (label.kind != Token::word) fail(label.line, "expected a label, found %s", str(label.name).c_str());
        pending.push_back({uint32_t(code->size()), label, scope, -1});
    };

    // ---- control ----
    if (op == "bra") {
        m.take("uni");
        if (!m.empty()) unknown(name);
        i.flow = Flow::branch;
        jump(next());
        return emit();
    }
    if (op == "brx") {
        if (!m.take("idx")) unknown(name);
        m.take("uni");
        if (!m.empty()) unknown(name);
        i.flow = Flow::indexed;
        Operand index = operand();
        i.a = source(index, Type::u32);
        expect(',');
        const Token& table = expect_word("a branch table");
        const Entity* e = lookup(table.name);
        if (!e || e->kind != Entity::table) fail(table.line, "%s is no branch table", str(table.name).c_str());
        i.extra = uint32_t(f->extra.size()), i.offset = int64_t(e->targets.size());
        for (auto& t : e->targets) {
            pending.push_back({uint32_t(code->size()), t, scope, int(f->extra.size())});
            f->extra.push_back(0);
        }
        return emit();
    }
    if (op == "call") {
        m.take("uni");
        if (!m.empty()) unknown(name);
        call_statement(name, i);
        return emit();
    }
    if (op == "ret" || op == "exit" || op == "trap") {
        m.take("uni");
        if (!m.empty()) unknown(name);
        i.flow = op == "trap" ? Flow::trap : op == "exit" || f->entry ? Flow::exit : Flow::ret;
        return emit();
    }
    if (op == "bar" || op == "barrier") {
        if (op == "bar" && m.take("warp")) {
            if (!m.take("sync") || !m.empty()) unknown(name);
            auto o = operands();
            want(o, 1, 1, name);
            i.flow = Flow::together;
            i.e = source(o[0], Type::u32);
            i.run = [](Warp&, const Instr&, uint32_t) {};
            return emit();
        }
        m.take("cta");
        i.relaxed = op == "barrier" && !m.take("aligned");
        if (!m.take("sync") || !m.empty()) unknown(name);
        auto o = operands();
        want(o, 1, 2, name);
        i.flow = Flow::barrier;
        i.a = source(o[0], Type::u32);
        i.b = o.size() == 2 ? source(o[1], Type::u32) : nowhere;
        return emit();
    }
    if (op == "membar" || op == "fence" || op == "nanosleep" || op == "prefetch" || op == "prefetchu") {
        if (op == "membar" || op == "fence") {
            for (auto mod : {"cta", "gl", "sys", "gpu", "cluster", "sc", "acq_rel", "acquire", "release"}) m.take(mod);
            if (!m.empty() || !peek().is(';')) unknown(name);
        } else {
            for (auto mod : {"global", "local", "L1", "L2", "u32"}) m.take(mod);
            if (!m.empty()) unknown(name);
            operands();
        }
        return;
    }

    auto o = operands();
    auto type = [&] {
        s.type = m.take_type();
        if (s.type == Type::none) unknown(name);
        return s.type;
    };
    auto sources = [&](size_t from, size_t n, Type t) {
        want(o, from + n, from + n, name);
        uint32_t* fields[] = {&i.a, &i.b, &i.c};
        for (size_t k = 0; k < n; k++) *fields[k] = source(o[from + k], t);
    };
    // the result of an instruction that only computes must be wanted
    auto result = [&](Type t) {
        want(o, 1, 8, name);
        i.d = target(o[0], t);
        if (i.d == nowhere) fail(name.line, "%s without a result", str(name.name).c_str());
    };

    // ---- predicates ----
    if ((op == "and" || op == "or" || op == "xor" || op == "not" || op == "mov") && m.take("pred")) {
        s.op = op == "and" ? Op::pred_and : op == "or" ? Op::pred_or : op == "xor" ? Op::pred_xor : op == "not" ? Op::pred_not : Op::pred_mov;
        bool two = op != "not" && op != "mov";
        want(o, two ? 3 : 2, two ? 3 : 2, name);
        i.d = predicate_target(o[0]);
        if (i.d == nowhere) fail(name.line, "%s without a result", str(name.name).c_str());
        uint32_t fa = 0, fb = 0;
        i.a = predicate(o[1], fa);
        if (two) i.b = predicate(o[2], fb);
        i.offset = int64_t(uint64_t(fb) << 32 | fa);
        return finish();
    }

    // ---- plain arithmetic ----
    for (auto& plain : plain_names) {
        if (op != plain.name) continue;
        s.op = plain.op;
        size_t n = plain.sources;
        if (op == "add" || op == "sub") {
            if (m.take("cc")) s.op = op == "add" ? Op::add_carry : Op::sub_carry, s.carry_out = true;
        } else if (op == "mad") {
            s.carry_out = m.take("cc");
        } else if (op == "addc" || op == "subc" || op == "madc") {
            s.carry_in = true, s.carry_out = m.take("cc");
        }
        s.ftz = m.take("ftz"), s.sat = m.take("sat"), s.relu = m.take("relu");
        bool rounded = take_round(m, s);
        bool rough = m.take("approx"), full = m.take("full"), hi = m.take("hi"), lo = m.take("lo"), wide = m.take("wide"), noftz = m.take("noftz");
        s.nan = m.take("NaN"), s.xorsign = m.take("xorsign");
        if (s.xorsign || (op != "abs" && m.take("abs"))) {
            if (s.xorsign && !m.take("abs")) unknown(name);
            s.absolute = true;
        }
        Type t = type();
        bool real = is_float(t), half = real && t < Type::f32;
        // a modifier that the type does not have is no instruction
        if (!real && (s.ftz || rounded || rough || full || s.nan || s.xorsign || s.absolute || s.relu)) unknown(name);
        if (real && (hi || lo || wide)) unknown(name);
        if (noftz && !(half && (op == "fma" || op == "add" || op == "sub" || op == "mul"))) unknown(name);
        if (s.relu && !(half && op == "fma")) unknown(name);
        if (s.nan && !(op == "min" || op == "max")) unknown(name);
        if (s.absolute && !(op == "min" || op == "max")) unknown(name);
        if (rounded && !(op == "add" || op == "sub" || op == "mul" || op == "fma" || op == "mad" || op == "div" || op == "sqrt" || op == "rcp")) unknown(name);
        if (full && !(op == "div" && t == Type::f32)) unknown(name);
        if (rough && !(op == "div" || op == "sqrt" || op == "rcp" || op == "rsqrt" || op == "ex2" || op == "lg2" || op == "sin" || op == "cos" || op == "tanh")) unknown(name);
        if (real && t == Type::f64 && s.ftz && !(rough && (op == "rcp" || op == "rsqrt"))) unknown(name);
        if (s.ftz && half && (t == Type::bf16 || t == Type::bf16x2) && op != "ex2") unknown(name);
        if (op == "mad" && real) s.op = Op::fma;
        bool carries = s.carry_in || s.carry_out;
        if (carries && (real || s.sat)) unknown(name);
        if (op == "mul" || op == "mad" || op == "madc") {
            if (!real && int(hi) + int(lo) + int(wide) != 1) unknown(name);
            if (carries && wide) unknown(name);
            if (carries) s.op = Op::mad_carry;
            if (hi) s.op = carries ? Op::mad_hi_carry : op == "mul" ? Op::mul_hi : Op::mad_hi;
            if (wide) s.op = op == "mul" ? Op::mul_wide : Op::mad_wide;
        } else if (op == "mul24" || op == "mad24") {
            if (hi == lo || wide || (hi && op == "mad24")) unknown(name);
            s.wrap = hi;
        } else if (hi || lo || wide) {
            unknown(name);
        }
        if (s.sat && !real && (t != Type::s32 || op == "mul" || (op == "mad" && !hi))) unknown(name);
        if (s.sat && !(op == "add" || op == "sub" || op == "mul" || op == "fma" || op == "mad")) unknown(name);
        Type d = wide ? wider(t) : t;
        if (d == Type::none) unknown(name);
        result(d);
        if ((op == "min" || op == "max") && t == Type::f32 && o.size() == 4) s.three = true, n = 3;
        if (wide && n == 3) {
            want(o, 4, 4, name);
            i.a = source(o[1], t), i.b = source(o[2], t), i.c = source(o[3], d);
        } else {
            sources(1, n, t);
        }
        if (half) {
            i.mode = uint8_t((s.ftz ? 1 : 0) | (s.sat ? 2 : 0) | (s.relu ? 4 : 0) | (s.nan ? 8 : 0));
            if (s.xorsign || s.absolute) unknown(name);
            if (rough && !(op == "ex2" || op == "tanh")) unknown(name);
        } else if (op == "min" || op == "max") {
            i.mode = uint8_t((s.ftz ? 1 : 0) | (s.nan ? 2 : 0) | (s.xorsign ? 4 : 0) | (s.three ? 8 : 0) | (s.absolute ? 16 : 0));
            if (t == Type::f64 && (s.nan || s.xorsign || s.absolute)) unknown(name);
        } else if (real && s.round != Round::nearest) {
            bool exact = t == Type::f32 && (op == "add" || op == "sub" || op == "mul" || op == "fma" || op == "mad");
            i.mode = exact ? uint8_t(s.sat) : uint8_t(uint8_t(s.round) | (s.ftz ? 8 : 0) | (s.sat ? 16 : 0));
        }
        return finish();
    }

    if (op == "shl" || op == "shr") {
        s.op = op == "shl" ? Op::shl : Op::shr;
        Type t = type();
        if (is_float(t) || size_of(t) < 2 || (op == "shl" && t != bits_of(size_of(t)))) unknown(name);
        result(t);
        want(o, 3, 3, name);
        i.a = source(o[1], t), i.b = source(o[2], Type::u32);
        return finish();
    }
    if (op == "shf") {
        bool left = m.take("l"), right = m.take("r");
        s.wrap = m.take("wrap");
        if (left == right || s.wrap == m.take("clamp")) unknown(name);
        s.op = left ? Op::shf_l : Op::shf_r;
        result(type());
        sources(1, 3, Type::b32);
        return finish();
    }
    if (op == "bfe" || op == "bfi") {
        s.op = op == "bfe" ? Op::bfe : Op::bfi;
        Type t = type();
        result(t);
        size_t n = op == "bfe" ? 1 : 2;
        want(o, n + 3, n + 3, name);
        i.a = source(o[1], t);
        if (n == 2) {
            i.b = source(o[2], t), i.c = source(o[3], Type::u32), i.e = source(o[4], Type::u32);
        } else {
            i.b = source(o[2], Type::u32), i.c = source(o[3], Type::u32);
        }
        return finish();
    }
    if (op == "clz" || op == "popc" || op == "bfind") {
        s.op = op == "clz" ? Op::clz : op == "popc" ? Op::popc : Op::bfind;
        s.amount = op == "bfind" && m.take("shiftamt");
        Type t = type();
        result(Type::u32);
        sources(1, 1, t);
        return finish();
    }
    if (op == "prmt") {
        s.op = Op::prmt;
        const char* modes[] = {"", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
        for (uint8_t k = 1; k < 7; k++)
            if (m.take(modes[k])) i.mode = k;
        result(type());
        sources(1, 3, Type::b32);
        return finish();
    }
    if (op == "lop3") {
        s.op = Op::lop3;
        result(type());
        want(o, 5, 5, name);
        if (o[4].kind != Operand::number || o[4].token.value > 255) fail(name.line, "the table of lop3 is no number up to 255");
        i.mode = uint8_t(o[4].token.value);
        o.pop_back();
        sources(1, 3, Type::b32);
        return finish();
    }
    if (op == "dp4a") {
        s.op = Op::dp4a;
        s.type = m.take_type(), s.from = m.take_type();
        if ((s.type != Type::u32 && s.type != Type::s32) || (s.from != Type::u32 && s.from != Type::s32)) unknown(name);
        result(Type::b32);
        sources(1, 3, Type::b32);
        return finish();
    }
    if (op == "testp") {
        s.op = Op::testp;
        const char* tests[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
        uint8_t found = 0xFF;
        for (uint8_t k = 0; k < 6; k++)
            if (m.take(tests[k])) found = k;
        Type t = type();
        if (found == 0xFF || !is_float(t)) unknown(name);
        i.mode = found;
        want(o, 2, 2, name);
        i.d = predicate_target(o[0]);
        if (i.d == nowhere) fail(name.line, "%s without a result", str(name.name).c_str());
        i.a = source(o[1], t);
        return finish();
    }

    // ---- comparison and selection ----
    if (op == "setp" || op == "set") {
        s.op = op == "setp" ? Op::setp : Op::set;
        bool found = false;
        for (auto& c : compare_names)
            if (m.take(c.name)) s.compare = c.compare, found = true;
        if (!found) unknown(name);
        i.mode = m.take("and") ? 1 : m.take("or") ? 2 : m.take("xor") ? 3 : 0;
        s.ftz = m.take("ftz");
        size_t n = i.mode ? 4 : 3;
        uint32_t flip = 0;
        Type from;
        if (op == "setp") {
            from = type();
            want(o, n, n, name);
            i.d = predicate_target(o[0]);
            i.e = o[0].list.empty() ? nowhere : predicate_target(o[0].list[0]);
            if (i.d == nowhere && i.e == nowhere) fail(name.line, "%s without a result", str(name.name).c_str());
        } else {
            Type to = m.take_type();
            s.from = from = m.take_type();
            s.type = to;
            if (to == Type::none || from == Type::none) unknown(name);
            result(to);
            uint32_t yes = 0;
            bool two = from == Type::f16x2 || from == Type::bf16x2;
            switch (to) {
            case Type::f32: yes = 0x3F800000; break;
            case Type::f16: yes = 0x3C00; break;
            case Type::bf16: yes = 0x3F80; break;
            case Type::f16x2: yes = 0x3C003C00; break;
            case Type::bf16x2: yes = 0x3F803F80; break;
            case Type::u32: case Type::s32: yes = ~0u; break;
            case Type::u16: case Type::s16: yes = 0xFFFF; break;
            default: unknown(name);
            }
            if (two ? (size_of(to) != 4 || to == Type::f32 || i.mode) : (to == Type::f16x2 || to == Type::bf16x2)) unknown(name);
            i.offset = int64_t(uint64_t(yes) << 32);
            i.bytes = uint8_t(size_of(to));
            want(o, n, n, name);
        }
        if (s.ftz && from != Type::f32) unknown(name);
        i.a = source(o[1], from), i.b = source(o[2], from);
        if (i.mode) i.c = predicate(o[3], flip);
        i.offset |= flip;
        return finish();
    }
    if (op == "selp") {
        s.op = Op::selp;
        Type t = type();
        result(t);
        want(o, 4, 4, name);
        uint32_t flip = 0;
        i.a = source(o[1], t), i.b = source(o[2], t), i.c = predicate(o[3], flip);
        i.offset = flip;
        return finish();
    }
    if (op == "slct") {
        s.op = Op::slct;
        s.ftz = m.take("ftz");
        Type t = type();
        s.from = m.take_type();
        if (s.ftz && s.from != Type::f32) unknown(name);
        result(t);
        want(o, 4, 4, name);
        i.a = source(o[1], t), i.b = source(o[2], t), i.c = source(o[3], s.from);
        return finish();
    }

    // ---- moves and conversions ----
    if (op == "mov") {
        Type t = type();
        want(o, 2, 2, name);
        if (size_of(t) < 2) unknown(name);
        bool in = o[1].kind == Operand::vector, out = o[0].kind == Operand::vector;
        if (in || out) {
            auto& list = o[in ? 1 : 0].list;
            if (in && out) fail(name.line, "%s from a vector to a vector", str(name.name).c_str());
            if (size_of(t) % list.size()) unknown(name);
            s.op = in ? Op::pack : Op::unpack;
            s.from = bits_of(size_of(t) / list.size());
            i.extra = uint32_t(f->extra.size());
            if (in) result(t); else i.a = source(o[1], t);
            std::vector<uint32_t> slots;
            for (auto& e : list) slots.push_back(in ? source(e, s.from) : target(e, s.from));
            f->extra.insert(f->extra.end(), slots.begin(), slots.end());
            return finish();
        }
        result(t);
        if (o[1].kind == Operand::symbol && !o[1].entity) {
            std::string_view n = o[1].token.name;
            if (n == "%clock" || n == "%clock_hi" || n == "%clock64" || n == "%globaltimer" || n == "%globaltimer_lo") {
                s.op = Op::clock;
                return finish();
            }
        }
        s.op = Op::mov;
        sources(1, 1, t);
        return finish();
    }
    if (op == "cvta") {
        bool to = m.take("to");
        Space space = take_space(m);
        Type t = type();
        if (t != Type::u64 || !m.empty()) unknown(name);
        result(t);
        sources(1, 1, t);
        uint64_t window;
        switch (space) {
        case Space::global: case Space::constant: window = 0; break;
        case Space::shared: window = shared_window; break;
        case Space::local: window = local_window; break;
        case Space::param: window = param_window; break;
        default: unknown(name);
        }
        if (window == 0) {
            s.op = Op::mov;
        } else {
            s.op = to ? Op::sub : Op::add;
            i.b = constant(window, 8);
        }
        return finish();
    }
    if (op == "cvt") {
        s.op = Op::cvt;
        bool rounded = take_round(m, s);
        bool whole = name.name.find(".rni") != name.name.npos || name.name.find(".rzi") != name.name.npos || name.name.find(".rmi") != name.name.npos ||
                     name.name.find(".rpi") != name.name.npos;
        s.integer = whole, s.ftz = m.take("ftz"), s.sat = m.take("sat"), s.relu = m.take("relu");
        if (m.take("satfinite")) unknown(name);
        if (m.take("tf32")) {
            s.type = Type::b32, s.from = m.take_type();
            if (s.from != Type::f32 || !(s.round == Round::away || (rounded && s.round == Round::nearest)) || s.sat || s.ftz || s.relu || s.integer) unknown(name);
            result(Type::b32);
            sources(1, 1, Type::b32);
            return finish();
        }
        s.type = m.take_type(), s.from = m.take_type();
        Type d = s.type, a = s.from;
        if (d == Type::none || a == Type::none || d == Type::pred || a == Type::pred) unknown(name);
        if (d == bits_of(size_of(d)) || a == bits_of(size_of(a)) || a == Type::f16x2 || a == Type::bf16x2) unknown(name);
        i.mode = uint8_t(uint8_t(s.round) | (s.integer ? 8 : 0) | (s.sat ? 16 : 0) | (s.ftz ? 32 : 0) | (s.relu ? 64 : 0));
        if (d == Type::f16x2 || d == Type::bf16x2) {
            s.op = Op::cvt_pack;
            if (whole || s.ftz || !rounded || !(s.round == Round::nearest || s.round == Round::zero)) unknown(name);
            result(d);
            sources(1, 2, Type::f32);
            return finish();
        }
        // what PTX demands: a rounding exactly where the result may be inexact
        bool fd = is_float(d), fa = is_float(a);
        if (!fd && fa && !whole) unknown(name);
        if (!fd && !fa && rounded) unknown(name);
        if (fd && !fa && (whole || !rounded)) unknown(name);
        if (fd && fa) {
            bool narrows = size_of(d) < size_of(a) || (d != a && size_of(d) == 2 && size_of(a) == 2);
            if (narrows && (!rounded || whole)) unknown(name);
            if (!narrows && rounded && !whole) unknown(name);
        }
        if (s.relu && !(fd && size_of(d) == 2 && a == Type::f32)) unknown(name);
        if (s.ftz && d != Type::f32 && a != Type::f32) unknown(name);
        want(o, 2, 2, name);
        if (o[0].kind != Operand::reg || o[0].type == Type::pred || size_of(o[0].type) < size_of(d)) fail(name.line, "%s does not fit its result", str(name.name).c_str());
        i.d = o[0].slot, i.bytes = uint8_t(size_of(o[0].type));
        uint32_t width = uint32_t(size_of(a));
        i.a = any_source(o[1], width, a);
        if (o[1].kind == Operand::number) width = std::max<uint32_t>(2, uint32_t(size_of(a)));
        if (width < size_of(a)) fail(name.line, "%s of a register of %u bits", str(name.name).c_str(), width * 8);
        i.width = uint8_t(width);
        if (fd && i.bytes != size_of(d) && size_of(d) != 2) fail(name.line, "%s into a register of %u bits", str(name.name).c_str(), i.bytes * 8);
        return finish();
    }

    // ---- memory ----
    if (op == "ld" || op == "ldu" || op == "st") {
        bool load = op != "st";
        s.op = load ? Op::ld : Op::st;
        i.relaxed = take_order(m);
        Space space = take_space(m);
        take_cache(m);
        m.take_width(s.elements);
        Type t = type();
        if (t == Type::pred || t == Type::f16x2 || t == Type::bf16x2 || (!load && space == Space::constant)) unknown(name);
        if (o.size() == 3 && o[2].kind == Operand::reg) o.pop_back();  // the cache policy
        want(o, 2, 2, name);
        Operand& value = o[load ? 0 : 1];
        if (space == Space::param && f->entry) space = Space::kernel_param;
        address(o[load ? 1 : 0], i, space);
        if (!load && space == Space::kernel_param) fail(name.line, "a store to a parameter of the kernel");
        std::vector<Operand> list = value.kind == Operand::vector ? value.list : std::vector<Operand>{value};
        if (list.size() != s.elements) fail(name.line, "%s has %zu registers", str(name.name).c_str(), list.size());
        size_t width = 0;
        std::vector<uint32_t> slots;
        for (auto& e : list) {
            size_t own = std::max<size_t>(2, size_of(t));
            uint32_t slot;
            if (load) {
                if (e.kind == Operand::none) {
                    slots.push_back(nowhere);
                    continue;
                }
                if (e.kind != Operand::reg || e.type == Type::pred) fail(name.line, "%s into %s", str(name.name).c_str(), str(e.token.name).c_str());
                slot = e.slot, own = size_of(e.type);
            } else {
                uint32_t found = uint32_t(own);
                slot = any_source(e, found, t);
                own = found;
            }
            if (own < size_of(t) || (width && width != own)) fail(name.line, "%s with a register of %zu bits", str(name.name).c_str(), own * 8);
            width = own;
            slots.push_back(slot);
        }
        s.from = bits_of(width ? width : std::max<size_t>(2, size_of(t)));
        i.extra = uint32_t(f->extra.size());
        f->extra.insert(f->extra.end(), slots.begin(), slots.end());
        i.bytes = uint8_t(size_of(t)), i.mode = uint8_t(space);
        i.target = parts.cached++;
        return finish();
    }
    if (op == "atom" || op == "red") {
        s.op = op == "atom" ? Op::atom : Op::red;
        take_order(m);
        m.take("noftz");
        take_cache(m);
        Space space = take_space(m);
        if (space != Space::generic && space != Space::global && space != Space::shared) unknown(name);
        struct { const char* name; Atomic a; } ops[] = {{"add", Atomic::add}, {"min", Atomic::min}, {"max", Atomic::max}, {"exch", Atomic::exch}, {"cas", Atomic::cas},
                                                        {"and", Atomic::and_}, {"or", Atomic::or_}, {"xor", Atomic::xor_}, {"inc", Atomic::inc}, {"dec", Atomic::dec}};
        bool found = false;
        for (auto& a : ops)
            if (m.take(a.name)) s.atomic = a.a, found = true;
        if (!found || (op == "red" && (s.atomic == Atomic::exch || s.atomic == Atomic::cas))) unknown(name);
        Type t = type();
        size_t first = op == "atom" ? 1 : 0, n = first + 2 + (s.atomic == Atomic::cas ? 1 : 0);
        want(o, n, n, name);
        i.d = op == "atom" ? target(o[0], t) : nowhere;
        address(o[first], i, space);
        i.b = source(o[first + 1], t);
        if (s.atomic == Atomic::cas) i.c = source(o[first + 2], t);
        i.bytes = uint8_t(size_of(t)), i.mode = uint8_t(space);
        i.target = parts.cached++;
        return finish();
    }

    // ---- warps ----
    if (op == "shfl") {
        s.op = Op::shfl;
        struct { const char* name; Shuffle s; } kinds[] = {{"up", Shuffle::up}, {"down", Shuffle::down}, {"bfly", Shuffle::bfly}, {"idx", Shuffle::idx}};
        bool found = false;
        for (auto& k : kinds)
            if (m.take(k.name)) s.shuffle = k.s, found = true;
        if (!found || !m.take("sync") || type() != Type::b32) unknown(name);
        want(o, 5, 5, name);
        i.flow = Flow::together;
        i.d = target(o[0], Type::b32);
        i.target = o[0].kind == Operand::reg && !o[0].list.empty() ? predicate_target(o[0].list[0]) : nowhere;
        i.a = source(o[1], Type::b32), i.b = source(o[2], Type::b32), i.c = source(o[3], Type::b32), i.e = source(o[4], Type::b32);
        return finish();
    }
    if (op == "vote") {
        s.op = Op::vote;
        if (!m.take("sync")) unknown(name);
        want(o, 3, 3, name);
        i.flow = Flow::together;
        if (m.take("ballot")) {
            s.vote = Vote::ballot;
            if (type() != Type::b32) unknown(name);
            result(Type::b32);
        } else {
            if (m.take("all")) s.vote = Vote::all;
            else if (m.take("any")) s.vote = Vote::any;
            else if (m.take("uni")) s.vote = Vote::uni;
            else unknown(name);
            if (!m.take("pred")) unknown(name);
            i.d = predicate_target(o[0]);
            if (i.d == nowhere) fail(name.line, "%s without a result", str(name.name).c_str());
        }
        uint32_t flip = 0;
        i.a = predicate(o[1], flip), i.offset = flip;
        i.e = source(o[2], Type::b32);
        return finish();
    }
    if (op == "match") {
        s.op = Op::match;
        bool all = m.take("all");
        if (all == m.take("any") || !m.take("sync")) unknown(name);
        s.vote = all ? Vote::all : Vote::any;
        Type t = type();
        result(Type::b32);
        want(o, 3, 3, name);
        i.flow = Flow::together;
        i.target = all && !o[0].list.empty() ? predicate_target(o[0].list[0]) : nowhere;
        i.a = source(o[1], t), i.e = source(o[2], Type::b32);
        return finish();
    }
    if (op == "activemask") {
        s.op = Op::activemask;
        if (type() != Type::b32) unknown(name);
        result(Type::b32);
        want(o, 1, 1, name);
        return finish();
    }
    unknown(name);
}

// call.uni (results), name, (arguments); each one a .param variable of the caller.
void Parser::call_statement(const Token& name, Instr& i) {
    auto list = [&] {
        std::vector<std::pair<Token, const Entity*>> vars;
        expect('(');
        if (accept(')')) return vars;
        do {
            const Token& t = expect_word("a parameter");
            const Entity* e = lookup(t.name);
            if (!e || e->kind != Entity::param) fail(t.line, "%s is no .param variable", str(t.name).c_str());
            vars.emplace_back(t, e);
        } while (accept(','));
        expect(')');
        return vars;
    };
    std::vector<std::pair<Token, const Entity*>> results, arguments;
    if (peek().is('(')) results = list(), expect(',');
    const Token& callee = expect_word("the name of a function");
    const Entity* e = lookup(callee.name);
    if (!e || e->kind != Entity::function) fail(callee.line, "%s is no function (indirect calls are not supported)", str(callee.name).c_str());
    if (accept(',')) arguments = list();
    Function& g = parts.functions[e->slot];
    if (g.entry) fail(callee.line, "a call of the kernel %s", g.name.c_str());
    if (results.size() != g.returns.size() || arguments.size() != g.params.size())
        fail(name.line, "%s takes %zu arguments and gives %zu results, not %zu and %zu", g.name.c_str(), g.params.size(), g.returns.size(), arguments.size(), results.size());
    i.flow = g.assertion ? Flow::assertion : Flow::call;
    Call call{e->slot, {}, {}};
    auto copies = [&](auto& vars, const std::vector<Param>& formal, bool in) {
        for (size_t k = 0; k < vars.size(); k++) {
            if (vars[k].second->count != formal[k].size)
                fail(name.line, "%s has %u bytes, %s takes %zu there", str(vars[k].first.name).c_str(), vars[k].second->count, g.name.c_str(), formal[k].size);
            Copy c{vars[k].second->slot, uint32_t(formal[k].offset), uint32_t(formal[k].size)};
            if (!in) std::swap(c.from, c.to);
            (in ? call.in : call.out).push_back(c);
        }
    };
    copies(arguments, g.params, true);
    copies(results, g.returns, false);
    i.target = uint32_t(f->calls.size());
    f->calls.push_back(std::move(call));
}

}  // namespace ptx
