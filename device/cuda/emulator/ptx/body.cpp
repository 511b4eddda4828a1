// Bodies of functions: registers, labels, statements, operands.
#include <cctype>
#include <cstring>

#include "parser.h"

namespace ptx {

namespace {

std::string str(std::string_view s) { return std::string(s); }

struct SpecialName {
    const char* name;
    Special which;
};

constexpr SpecialName special_names[] = {
    {"%tid.x", Special::tid_x}, {"%tid.y", Special::tid_y}, {"%tid.z", Special::tid_z},
    {"%ntid.x", Special::ntid_x}, {"%ntid.y", Special::ntid_y}, {"%ntid.z", Special::ntid_z},
    {"%ctaid.x", Special::ctaid_x}, {"%ctaid.y", Special::ctaid_y}, {"%ctaid.z", Special::ctaid_z},
    {"%nctaid.x", Special::nctaid_x}, {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z},
    {"%laneid", Special::laneid}, {"%warpid", Special::warpid}, {"%nwarpid", Special::nwarpid},
    {"%smid", Special::smid}, {"%nsmid", Special::nsmid}, {"%gridid", Special::gridid},
    {"%lanemask_eq", Special::lanemask_eq}, {"%lanemask_le", Special::lanemask_le}, {"%lanemask_lt", Special::lanemask_lt},
    {"%lanemask_ge", Special::lanemask_ge}, {"%lanemask_gt", Special::lanemask_gt},
    {"%dynamic_smem_size", Special::dynamic_smem_size}, {"%total_smem_size", Special::total_smem_size},
};

constexpr uint32_t aligned(uint32_t n, uint32_t to) { return (n + to - 1) & ~(to - 1); }

uint32_t slot_bytes(Type type) { return type == Type::pred ? 4 : uint32_t(size_of(type)) * lanes; }

}  // namespace

// Registers come first in the frame so that their offsets are known before the constants are.
void Parser::reserve_registers() {
    size_t start = at;
    int depth = 0;
    next_slot = frame_header;
    do {
        if (peek().kind == Token::end) fail(f->line, "the body of %s has no end", f->name.c_str());
        if (peek().is('{')) depth++;
        if (peek().is('}')) depth--;
        if (peek().is(".reg")) {
            next();
            registers(true);
        } else {
            next();
        }
    } while (depth > 0);
    f->image_at = aligned(next_slot, 64);
    next_slot = frame_header;
    at = start;
}

// .reg .b32 %r<57>, %temp;
void Parser::registers(bool count_only) {
    const Token& t = expect_word("the type of a register");
    Type type = t.name[0] == '.' ? type_named(t.name.substr(1)) : Type::none;
    if (type == Type::none || (type != Type::pred && size_of(type) < 2)) fail(t.line, "unknown type %s of a register", str(t.name).c_str());
    do {
        const Token& name = expect_word("the name of a register");
        Entity e{Entity::reg};
        e.type = type, e.count = 1;
        if (accept('<')) {
            uint64_t n = expect_number("a number of registers");
            if (n > 1000000) fail(name.line, "%llu registers are too many", (unsigned long long)n);
            e.kind = Entity::regs, e.count = uint32_t(n);
            expect('>');
        }
        next_slot = aligned(next_slot, type == Type::pred ? 4 : 64);
        e.slot = next_slot;
        next_slot += e.count * slot_bytes(type);
        if (count_only) f->registers += int(e.count * size_of(type) + 3) / 4;
        else declare(name, e);
    } while (accept(','));
    expect(';');
}

const Entity* Parser::lookup(std::string_view name) const {
    for (size_t s = scope;; s = parents[s]) {
        auto found = scopes[s]->find(name);
        if (found != scopes[s]->end()) return &found->second;
        if (s == 0) break;
    }
    auto found = globals.find(name);
    return found == globals.end() ? nullptr : &found->second;
}

void Parser::body() {
    constants.clear(), specials.clear(), filled.clear(), pending.clear();
    code = &f->code;
    reserve_registers();
    expect('{');
    block();
    Instr end;
    end.flow = f->entry ? Flow::exit : Flow::ret;
    end.line = peek().line;
    code->push_back(end);
    finish_function();
}

// block reads statements up to the closing brace.
void Parser::block() {
    while (!accept('}')) statement();
}

void Parser::statement() {
    const Token& t = peek();
    if (t.kind == Token::end) fail(t.line, "the body of %s has no end", f->name.c_str());
    if (accept(';')) return;
    if (accept('{')) {
        size_t outer = scope;
        scopes.push_back(std::make_unique<Scope>());
        parents.push_back(outer);
        scope = scopes.size() - 1;
        block();
        scope = outer;
        return;
    }
    if (t.kind != Token::word && !t.is('@')) fail(t.line, "expected an instruction, found %s", str(t.name).c_str());
    if (t.kind == Token::word && peek(1).is(':')) {
        next(), next();
        Entity e{Entity::label};
        e.slot = uint32_t(code->size());
        if (accept(".branchtargets")) {
            e.kind = Entity::table;
            do {
                e.targets.push_back(expect_word("a label"));
            } while (accept(','));
            expect(';');
        } else if (peek().is(".callprototype")) {
            fail(t.line, "indirect calls (.callprototype) are not supported");
        }
        declare(t, e);
        return;
    }
    if (t.kind == Token::word && t.name[0] == '.') {
        next();
        if (t.is(".reg")) {
            registers(false);
        } else if (t.is(".shared") || t.is(".local") || t.is(".const") || t.is(".global")) {
            variable(t.name, false, true);
        } else if (t.is(".param")) {
            at--;
            std::string_view name;
            const Token& where = peek();
            Param p = parameter(name, f->block_bytes);
            expect(';');
            f->block_bytes = uint32_t(p.offset + p.size);
            Entity e{Entity::param};
            e.slot = uint32_t(p.offset), e.count = uint32_t(p.size);
            declare(Token{Token::word, name, 0, where.line}, e);
        } else if (t.is(".loc") || t.is(".file")) {
            skip_line(t.line);
        } else if (t.is(".pragma")) {
            while (!accept(';'))
                if (next().kind == Token::end) fail(t.line, ".pragma without its ;");
        } else {
            fail(t.line, "unknown directive %s", str(t.name).c_str());
        }
        return;
    }
    instruction();
}

void Parser::finish_function() {
    for (auto& p : pending) {
        const Entity* label = nullptr;
        for (size_t s = p.scope;; s = parents[s]) {
            auto found = scopes[s]->find(p.name.name);
            if (found != scopes[s]->end() && found->second.kind == Entity::label) {
                label = &found->second;
                break;
            }
            if (s == 0) break;
        }
        if (!label) fail(p.name.line, "no label %s", str(p.name.name).c_str());
        if (p.extra < 0)
            f->code[p.instr].target = label->slot;
        else
            f->extra[size_t(p.extra)] = label->slot;
    }
    f->image.resize(aligned(uint32_t(f->image.size()), 64));
    f->block = f->image_at + uint32_t(f->image.size());
    f->block_bytes = aligned(f->block_bytes, 16);
    f->frame_bytes = aligned(f->block + f->block_bytes * lanes, 64);
}

uint32_t Parser::room(uint32_t bytes, uint32_t align) {
    uint32_t offset = aligned(uint32_t(f->image.size()), align);
    f->image.resize(offset + bytes);
    return offset;
}

uint32_t Parser::constant(uint64_t value, uint32_t width) {
    if (width < 8) value &= (uint64_t(1) << (width * 8)) - 1;
    auto [found, fresh] = constants.emplace(std::make_pair(value, width), 0);
    if (fresh) {
        uint32_t offset = room(width * lanes, 64);
        for (uint32_t l = 0; l < lanes; l++) std::memcpy(f->image.data() + offset + l * width, &value, width);
        found->second = f->image_at + offset;
    }
    return found->second;
}

uint32_t Parser::fill(Fill::Kind kind, uint32_t index, uint64_t value, uint32_t width) {
    auto [found, fresh] = filled.emplace(std::make_tuple(int(kind), index, value, width), 0);
    if (fresh) {
        found->second = f->image_at + room(width * lanes, 64);
        f->fills.push_back({kind, found->second, width, index, value});
        if (kind == Fill::shared) f->shared_used.push_back(index);
    }
    return found->second;
}

uint32_t Parser::special(Special which) {
    auto [found, fresh] = specials.emplace(which, 0);
    if (fresh) {
        found->second = f->image_at + room(4 * lanes, 64);
        f->specials.emplace_back(which, found->second);
    }
    return found->second;
}

std::vector<Operand> Parser::operands() {
    std::vector<Operand> list;
    if (peek().is(';')) return list;
    do {
        list.push_back(operand());
    } while (accept(','));
    return list;
}

Operand Parser::operand() {
    Operand o;
    o.token = peek();
    if (accept('[')) {
        o.kind = Operand::address;
        o.list.push_back(operand());
        if (o.list[0].kind == Operand::number) {
            o.add = int64_t(o.list[0].token.value);
            if (o.list[0].negate) o.add = -o.add;
        }
        if (o.list[0].kind == Operand::symbol) o.add = o.list[0].add;
        while (peek().is('+') || peek().is('-')) {
            bool minus = next().is('-');
            if (accept('-')) minus = !minus;
            int64_t n = int64_t(expect_number("an offset"));
            o.add += minus ? -n : n;
        }
        expect(']');
        return o;
    }
    if (accept('{')) {
        o.kind = Operand::vector;
        do {
            o.list.push_back(operand());
        } while (accept(','));
        expect('}');
        return o;
    }
    if (accept('!') || accept('-')) {
        bool predicate = o.token.is('!');
        Operand inner = operand();
        if (predicate ? inner.kind != Operand::reg || inner.type != Type::pred : inner.kind != Operand::number)
            fail(o.token.line, "%s before %s", str(o.token.name).c_str(), str(inner.token.name).c_str());
        inner.negate = !inner.negate;
        return inner;
    }
    const Token& t = next();
    o.token = t;
    if (t.kind == Token::integer || t.kind == Token::single || t.kind == Token::real) {
        o.kind = Operand::number;
        return o;
    }
    if (t.kind != Token::word) fail(t.line, "expected an operand, found %s", str(t.name).c_str());
    if (t.name == "_") return o;
    if (t.name[0] == '%') {
        for (auto& s : special_names)
            if (t.name == s.name) {
                o.kind = Operand::special, o.which = s.which;
                return o;
            }
    }
    const Entity* e = lookup(t.name);
    uint64_t number = 0;
    if (!e) {
        size_t digits = t.name.size();
        while (digits > 0 && std::isdigit(static_cast<unsigned char>(t.name[digits - 1]))) digits--;
        const Entity* base = digits < t.name.size() && t.name.size() - digits < 9 ? lookup(t.name.substr(0, digits)) : nullptr;
        if (base && base->kind == Entity::regs) {
            for (char c : t.name.substr(digits)) number = number * 10 + uint64_t(c - '0');
            if (number < base->count) e = base;
        }
    }
    if (!e) {
        // labels may come later; clocks and unknown names are left to the instruction
        o.kind = Operand::symbol;
        return o;
    }
    if (e->kind == Entity::reg || e->kind == Entity::regs) {
        o.kind = Operand::reg, o.type = e->type;
        o.slot = e->slot + uint32_t(number) * slot_bytes(e->type);
        if (accept('|')) o.list.push_back(operand());
        return o;
    }
    o.kind = Operand::symbol, o.entity = e;
    if (peek().is('+') && peek(1).kind == Token::integer) {
        next();
        o.add = int64_t(next().value);
    }
    return o;
}

uint32_t Parser::source(const Operand& o, Type type) {
    uint32_t width = uint32_t(size_of(type)), found = width;
    uint32_t slot = any_source(o, found, type);
    if (found != width) fail(o.token.line, "%s is %u bits wide, the instruction takes %u", str(o.token.name).c_str(), found * 8, width * 8);
    return slot;
}

uint32_t Parser::any_source(const Operand& o, uint32_t& width, Type type) {
    const Token& t = o.token;
    switch (o.kind) {
    case Operand::reg:
        if (o.type == Type::pred) fail(t.line, "%s is a predicate, the instruction takes a value", str(t.name).c_str());
        if (!o.list.empty()) fail(t.line, "%s| where one operand is wanted", str(t.name).c_str());
        width = uint32_t(size_of(o.type));
        return o.slot;
    case Operand::number: {
        uint64_t value = t.value;
        if (t.kind == Token::integer) {
            if (type == Type::f32 || type == Type::f64) {
                double x = double(value);
                float s = float(x);
                value = 0;
                if (type == Type::f32)
                    std::memcpy(&value, &s, 4);
                else
                    std::memcpy(&value, &x, 8);
                if (o.negate) value ^= uint64_t(1) << (width * 8 - 1);
            } else if (o.negate) {
                value = 0 - value;
            }
        } else {
            double x;
            float s;
            if (t.kind == Token::single) {
                uint32_t u = uint32_t(value);
                std::memcpy(&s, &u, 4);
                x = s;
            } else {
                std::memcpy(&x, &value, 8);
                s = float(x);
            }
            if (type != Type::f32 && type != Type::f64 && type != Type::b32 && type != Type::b64)
                fail(t.line, "the floating-point number %s for an operand of type %s", str(t.name).c_str(), name_of(type));
            uint64_t kept = value;
            value = 0;
            if (width == 4) {
                if (t.kind == Token::single) value = kept; else std::memcpy(&value, &s, 4);
            } else {
                if (t.kind == Token::real) value = kept; else std::memcpy(&value, &x, 8);
            }
            if (o.negate) value ^= uint64_t(1) << (width * 8 - 1);
        }
        // registers are at least 16 bits wide
        if (width < 2) width = 2;
        return constant(value, width);
    }
    case Operand::special:
        width = 4;
        return special(o.which);
    case Operand::symbol:
        if (!o.entity) fail(t.line, "unknown name %s", str(t.name).c_str());
        switch (o.entity->kind) {
        case Entity::global: case Entity::constant: return fill(Fill::variable, o.entity->slot, uint64_t(o.add), width);
        case Entity::shared: return fill(Fill::shared, o.entity->slot, uint64_t(o.add), width);
        case Entity::local: return fill(Fill::local, 0, o.entity->slot + uint64_t(o.add), width);
        case Entity::kernel_param: case Entity::param: return constant(o.entity->slot + uint64_t(o.add), width);
        default: fail(t.line, "%s is no value", str(t.name).c_str());
        }
    default: fail(t.line, "expected a value, found %s", o.kind == Operand::none ? "_" : str(t.name).c_str());
    }
}

uint32_t Parser::target(const Operand& o, Type type) {
    const Token& t = o.token;
    if (o.kind == Operand::none) return nowhere;
    if (o.kind != Operand::reg || o.type == Type::pred) fail(t.line, "expected a register for the result, found %s", str(t.name).c_str());
    if (size_of(o.type) != size_of(type)) fail(t.line, "%s is %zu bits wide, the result has %zu", str(t.name).c_str(), size_of(o.type) * 8, size_of(type) * 8);
    return o.slot;
}

uint32_t Parser::predicate(const Operand& o, uint32_t& flip) {
    if (o.kind == Operand::number && o.token.kind == Token::integer) {  // true or false: the frame begins with a mask of ones
        flip = o.token.value != 0 ? 0 : ~0u;
        return 0;
    }
    if (o.kind != Operand::reg || o.type != Type::pred) fail(o.token.line, "expected a predicate, found %s", str(o.token.name).c_str());
    flip = o.negate ? ~0u : 0;
    return o.slot;
}

uint32_t Parser::predicate_target(const Operand& o) {
    if (o.kind == Operand::none) return nowhere;
    if (o.kind != Operand::reg || o.type != Type::pred || o.negate) fail(o.token.line, "expected a predicate, found %s", str(o.token.name).c_str());
    return o.slot;
}

// address fills i.a, width and offset: of a register, or (width 0) nothing but the offset, or a constant.
void Parser::address(const Operand& o, Instr& i, Space& space) {
    if (o.kind != Operand::address) fail(o.token.line, "expected an address in [ ], found %s", str(o.token.name).c_str());
    const Operand& base = o.list[0];
    i.offset = o.add;
    if (base.kind == Operand::number) {
        i.width = 0;
    } else if (base.kind == Operand::reg) {
        uint32_t width = 8;
        i.a = any_source(base, width, Type::b64);
        if (width < 4) fail(o.token.line, "%s of %u bits as an address", str(base.token.name).c_str(), width * 8);
        i.width = uint8_t(width);
    } else if (base.kind == Operand::symbol && base.entity) {
        Space own{};
        i.width = 8;
        switch (base.entity->kind) {
        case Entity::global: own = Space::global; break;
        case Entity::constant: own = Space::constant; break;
        case Entity::shared: own = Space::shared; break;
        case Entity::local: own = Space::local; break;
        case Entity::kernel_param: own = Space::kernel_param, i.width = 0; break;
        case Entity::param: own = Space::param, i.width = 0; break;
        default: fail(o.token.line, "%s is no variable", str(base.token.name).c_str());
        }
        if (i.width == 0) {
            i.offset += base.entity->slot;
        } else {
            Operand plain = base;
            plain.add = 0;
            uint32_t width = 8;
            i.a = any_source(plain, width, Type::b64);
        }
        bool fits = own == space || (space == Space::generic && (own == Space::global || own == Space::constant)) || (space == Space::kernel_param && own == Space::param);
        if (!fits) fail(o.token.line, "%s lies in another state space than the instruction's", str(base.token.name).c_str());
        if (space != Space::generic) space = own;
    } else {
        fail(o.token.line, "unknown name %s", str(base.token.name).c_str());
    }
}

}  // namespace ptx
