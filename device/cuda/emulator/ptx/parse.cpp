// Directives of a module: versions, variables, functions.
#include <algorithm>
#include <cstring>

#include "parser.h"

namespace ptx {

namespace {

struct TypeName {
    Type type;
    const char* name;
    uint8_t size;
};

constexpr TypeName type_names[] = {
    {Type::pred, "pred", 0}, {Type::b8, "b8", 1}, {Type::b16, "b16", 2}, {Type::b32, "b32", 4}, {Type::b64, "b64", 8},
    {Type::u8, "u8", 1}, {Type::u16, "u16", 2}, {Type::u32, "u32", 4}, {Type::u64, "u64", 8},
    {Type::s8, "s8", 1}, {Type::s16, "s16", 2}, {Type::s32, "s32", 4}, {Type::s64, "s64", 8},
    {Type::f16, "f16", 2}, {Type::bf16, "bf16", 2}, {Type::f16x2, "f16x2", 4}, {Type::bf16x2, "bf16x2", 4},
    {Type::f32, "f32", 4}, {Type::f64, "f64", 8},
};

std::string str(std::string_view s) { return std::string(s); }

}  // namespace

size_t size_of(Type type) {
    for (auto& t : type_names)
        if (t.type == type) return t.size;
    return 0;
}

bool is_signed(Type type) { return type >= Type::s8 && type <= Type::s64; }
bool is_float(Type type) { return type >= Type::f16; }

Type type_named(std::string_view name) {
    for (auto& t : type_names)
        if (name == t.name) return t.type;
    return Type::none;
}

const char* name_of(Type type) {
    for (auto& t : type_names)
        if (t.type == type) return t.name;
    return "no type";
}

Parser::Parser(std::string_view text, Module::Parts& p) : tokens(lex(text)), parts(p) {}

const Token& Parser::next() {
    const Token& t = tokens[at];
    if (at + 1 < tokens.size()) at++;
    return t;
}

bool Parser::accept(char c) {
    if (!peek().is(c)) return false;
    next();
    return true;
}

bool Parser::accept(std::string_view word) {
    if (!peek().is(word)) return false;
    next();
    return true;
}

void Parser::expect(char c) {
    if (!accept(c)) fail(peek().line, "expected %c, found %s", c, str(peek().name).c_str());
}

const Token& Parser::expect_word(const char* what) {
    if (peek().kind != Token::word) fail(peek().line, "expected %s, found %s", what, str(peek().name).c_str());
    return next();
}

uint64_t Parser::expect_number(const char* what) {
    if (peek().kind != Token::integer) fail(peek().line, "expected %s, found %s", what, str(peek().name).c_str());
    return next().value;
}

void Parser::skip_line(int line) {
    while (peek().kind != Token::end && peek().line == line) next();
}

void Parser::skip_braces() {
    int line = peek().line, depth = 0;
    do {
        if (peek().kind == Token::end) fail(line, "{ without its }");
        if (peek().is('{')) depth++;
        if (peek().is('}')) depth--;
        next();
    } while (depth > 0);
}

void Parser::declare(const Token& name, Entity entity) {
    Scope& s = f ? *scopes[scope] : globals;
    if (!s.emplace(name.name, std::move(entity)).second) fail(name.line, "%s is declared twice", str(name.name).c_str());
}

void Parser::module() {
    if (!peek().is(".version")) fail(peek().line, "expected .version at the start, found %s", str(peek().name).c_str());
    bool external = false;
    while (peek().kind != Token::end) {
        const Token& t = next();
        if (t.kind != Token::word) fail(t.line, "expected a directive, found %s", str(t.name).c_str());
        std::string_view d = t.name;
        if (d == ".version" || d == ".target" || d == ".file" || d == ".loc" || d == ".address_size") {
            if (d == ".address_size" && peek().value != 64) fail(t.line, "address size %s: only 64 is known", str(peek().name).c_str());
            skip_line(t.line);
        } else if (d == ".section") {
            while (!peek().is('{')) next();
            skip_braces();
        } else if (d == ".pragma") {
            while (!accept(';'))
                if (next().kind == Token::end) fail(t.line, ".pragma without its ;");
        } else if (d == ".visible" || d == ".weak" || d == ".common" || d == ".extern") {
            external = d == ".extern";
            continue;
        } else if (d == ".global" || d == ".const" || d == ".shared") {
            variable(d, external, false);
        } else if (d == ".entry" || d == ".func") {
            function_header(d == ".entry");
        } else {
            fail(t.line, "unknown directive %s", str(d).c_str());
        }
        external = false;
    }
    finish_module();
}

// .align 4 .v2 .f32 name[2][3] = {...}, name;
void Parser::variable(std::string_view space, bool external, bool in_body) {
    size_t align = 0, vector = 1;
    Type type = Type::none;
    while (peek().kind == Token::word && peek().name[0] == '.') {
        const Token& t = next();
        if (t.is(".align")) {
            align = expect_number("an alignment");
            if (align == 0 || (align & (align - 1))) fail(t.line, "alignment %zu is no power of two", align);
        } else if (t.is(".v2") || t.is(".v4")) {
            vector = t.name[2] - '0';
        } else if (t.is(".attribute")) {
            while (!accept(')')) next();
        } else if ((type = type_named(t.name.substr(1))) == Type::none || type == Type::pred) {
            fail(t.line, "unknown type %s of a variable", str(t.name).c_str());
        }
    }
    if (type == Type::none) fail(peek().line, "a variable without a type");
    size_t unit = size_of(type);
    do {
        const Token& name = expect_word("the name of a variable");
        size_t count = vector;
        bool open = false;
        while (accept('[')) {
            if (accept(']')) {
                open = true;
                continue;
            }
            size_t n = expect_number("an array's length");
            if (n && count > (size_t(1) << 40) / n) fail(name.line, "%s is too large", str(name.name).c_str());
            count *= n;
            expect(']');
        }
        size_t size = open ? 0 : count * unit, alignment = align ? align : unit * vector;
        if (space == ".shared") {
            if (open && !external) fail(name.line, "%s has no length", str(name.name).c_str());
            Entity e{Entity::shared};
            e.slot = uint32_t(parts.shared.size());
            parts.shared.push_back({str(name.name), size, alignment, open});
            declare(name, e);
        } else if (space == ".local") {
            f->local_bytes = uint32_t((f->local_bytes + alignment - 1) & ~(alignment - 1));
            Entity e{Entity::local};
            e.slot = f->local_bytes, e.count = uint32_t(size);
            f->local_bytes += uint32_t(size);
            declare(name, e);
        } else {
            if (external) fail(name.line, "%s is defined in another module; modules are not linked", str(name.name).c_str());
            Entity e{space == ".const" ? Entity::constant : Entity::global};
            uint32_t index = uint32_t(parts.variables.size());
            e.slot = index;
            // an array without a length takes it from its initialiser
            parts.variables.push_back({str(name.name), size, alignment, space == ".const", std::vector<uint8_t>(size), 0});
            bool function = f != nullptr;
            if (function && !in_body) fail(name.line, "%s is out of place", str(name.name).c_str());
            declare(name, e);
            if (accept('=')) {
                Variable v = std::move(parts.variables[index]);
                size_t filled = 0;
                v.size = open ? 0 : size;
                if (open) v.initial.clear();
                initialiser(v, filled, type, index);
                v.size = v.initial.size();
                parts.variables[index] = std::move(v);
            }
        }
    } while (accept(','));
    expect(';');
}

void Parser::initialiser(Variable& v, size_t& filled, Type type, uint32_t index) {
    size_t unit = size_of(type);
    if (accept('{')) {
        do {
            if (peek().is('}')) break;
            initialiser(v, filled, type, index);
        } while (accept(','));
        expect('}');
        return;
    }
    uint64_t value = 0;
    const Token& t = peek();
    bool minus = accept('-');
    const Token& n = next();
    if (n.kind == Token::integer && (type == Type::f32 || type == Type::f64)) {
        double x = double(n.value);
        float s = float(x);
        if (unit == 4) std::memcpy(&value, &s, 4); else std::memcpy(&value, &x, 8);
        if (minus) value ^= uint64_t(1) << (unit * 8 - 1);
    } else if (n.kind == Token::integer) {
        value = minus ? 0 - n.value : n.value;
    } else if (n.kind == Token::single || n.kind == Token::real) {
        double x;
        std::memcpy(&x, &n.value, sizeof x);
        if (n.kind == Token::single) {
            value = n.value;
            if (unit == 8) {
                float s;
                uint32_t u = uint32_t(n.value);
                std::memcpy(&s, &u, 4);
                x = s;
                std::memcpy(&value, &x, 8);
            }
        } else if (unit == 4) {
            float s = float(x);
            std::memcpy(&value, &s, 4);
        } else {
            value = n.value;
        }
        if (minus) value ^= uint64_t(1) << (unit * 8 - 1);
    } else if (n.kind == Token::word) {
        bool generic = n.is("generic");
        if (generic) expect('(');
        const Token& name = generic ? expect_word("a variable") : n;
        auto e = globals.find(name.name);
        if (e == globals.end() || (e->second.kind != Entity::global && e->second.kind != Entity::constant))
            fail(name.line, "%s is no variable", str(name.name).c_str());
        if (unit != 8) fail(name.line, "the address of %s needs 8 bytes, the element has %zu", str(name.name).c_str(), unit);
        if (generic) expect(')');
        if (accept('+')) value = expect_number("an offset");
        parts.addresses.push_back({index, filled, e->second.slot, value});
        value = 0;
    } else {
        fail(t.line, "expected a value of an initialiser, found %s", str(t.name).c_str());
    }
    if (v.initial.size() < filled + unit) {
        if (v.size != 0) fail(t.line, "%s has %zu bytes and more values than fit", v.name.c_str(), v.size);
        v.initial.resize(filled + unit);
    }
    std::memcpy(v.initial.data() + filled, &value, unit);
    filled += unit;
}

// .param .align 8 .b8 name[240] or .param .u64 .ptr .global .align 4 name
Param Parser::parameter(std::string_view& name, size_t offset) {
    const Token& t = next();
    if (!t.is(".param")) fail(t.line, "expected .param, found %s (parameters in registers are not supported)", str(t.name).c_str());
    size_t align = 0;
    Type type = Type::none;
    bool pointer = false;
    while (peek().kind == Token::word && peek().name[0] == '.') {
        const Token& d = next();
        if (d.is(".align")) {
            size_t n = expect_number("an alignment");
            if (n == 0 || (n & (n - 1))) fail(d.line, "alignment %zu is no power of two", n);
            if (!pointer) align = n;
        } else if (d.is(".ptr")) {
            pointer = true;
        } else if (pointer && (d.is(".global") || d.is(".const") || d.is(".shared") || d.is(".local"))) {
        } else if ((type = type_named(d.name.substr(1))) == Type::none || type == Type::pred) {
            fail(d.line, "unknown type %s of a parameter", str(d.name).c_str());
        }
    }
    if (type == Type::none) fail(t.line, "a parameter without a type");
    name = expect_word("the name of a parameter").name;
    size_t size = size_of(type);
    if (!align) align = size;
    if (accept('[')) {
        size *= expect_number("the size of a parameter");
        expect(']');
    }
    offset = (offset + align - 1) & ~(align - 1);
    return {offset, size, align};
}

std::vector<Param> Parser::parameters(std::vector<std::pair<std::string_view, Param>>& names, size_t start) {
    std::vector<Param> params;
    expect('(');
    if (accept(')')) return params;
    do {
        std::string_view name;
        Param p = parameter(name, start);
        start = p.offset + p.size;
        params.push_back(p);
        names.emplace_back(name, p);
    } while (accept(','));
    expect(')');
    return params;
}

void Parser::function_header(bool entry) {
    std::vector<std::pair<std::string_view, Param>> names;
    std::vector<Param> returns, params;
    auto end = [](const std::vector<Param>& p, size_t otherwise) { return p.empty() ? otherwise : p.back().offset + p.back().size; };
    if (!entry && peek().is('(')) returns = parameters(names, 0);
    const Token& name = expect_word("the name of a function");
    if (peek().is('(')) params = parameters(names, end(returns, 0));

    auto [known, fresh] = parts.names.emplace(str(name.name), uint32_t(parts.functions.size()));
    if (fresh) parts.functions.emplace_back();
    uint32_t index = known->second;
    Function& function = parts.functions[index];
    if (!fresh && (function.entry != entry || function.params.size() != params.size() || function.returns.size() != returns.size()))
        fail(name.line, "%s was declared otherwise before", str(name.name).c_str());
    function.name = str(name.name), function.entry = entry, function.line = name.line;
    function.params = params, function.returns = returns;
    function.assertion = name.name == "__assertfail";
    if (fresh) {
        Entity e{Entity::function};
        e.slot = index;
        declare(name, e);
    }

    Kernel kernel;
    while (peek().kind == Token::word && peek().name[0] == '.') {
        const Token& d = next();
        if (d.is(".maxntid") || d.is(".reqntid")) {
            int shape[3] = {1, 1, 1}, n = 0;
            do {
                if (n == 3) fail(d.line, "%s has more than three numbers", str(d.name).c_str());
                shape[n++] = int(expect_number("a number of threads"));
            } while (accept(','));
            kernel.max_threads = shape[0] * shape[1] * shape[2];
            if (d.is(".reqntid")) std::copy(shape, shape + 3, kernel.required);
        } else if (d.is(".minnctapersm") || d.is(".maxnctapersm") || d.is(".maxnreg")) {
            expect_number("a number");
        } else if (d.is(".pragma")) {
            while (!accept(';')) next();
        } else if (!d.is(".noreturn")) {
            fail(d.line, "unknown directive %s of a function", str(d.name).c_str());
        }
    }
    if (accept(';')) return;
    if (function.defined) fail(name.line, "%s is defined twice", function.name.c_str());
    function.defined = true;

    f = &function;
    scopes.clear(), parents.clear(), scope = 0;
    scopes.push_back(std::make_unique<Scope>());
    parents.push_back(0);
    for (auto& [n, p] : names) {
        Entity e{entry ? Entity::kernel_param : Entity::param};
        e.slot = uint32_t(p.offset), e.count = uint32_t(p.size);
        scopes[0]->emplace(n, e);
    }
    if (!entry) f->block_bytes = uint32_t(end(params, end(returns, 0)));
    body();
    f = nullptr;

    if (!entry) return;
    kernel.name = parts.functions[index].name;
    kernel.params = params;
    kernel.param_bytes = end(params, 0);
    kernel.registers = parts.functions[index].registers;
    auto kernel_code = std::make_unique<Code>();
    kernel_code->module = &parts, kernel_code->function = index;
    kernel.code = kernel_code.get();
    parts.codes.push_back(std::move(kernel_code));
    parts.kernels.push_back(std::move(kernel));
}

namespace {

// Depths finds what a function needs together with the deepest chain of its calls.
struct Depths {
    std::vector<Function>& functions;
    std::vector<char> state = std::vector<char>(functions.size());

    void visit(uint32_t index) {
        Function& f = functions[index];
        if (state[index] == 2) return;
        if (state[index] == 1) fail(f.line, "%s calls itself; recursion is not supported", f.name.c_str());
        state[index] = 1;
        uint32_t stack = 0, local = 0;
        for (auto& call : f.calls) {
            Function& g = functions[call.function];
            if (g.assertion) continue;
            if (!g.defined) fail(f.line, "%s calls %s, which has no body here", f.name.c_str(), g.name.c_str());
            visit(call.function);
            stack = std::max(stack, g.stack_bytes), local = std::max(local, g.stack_local);
            for (uint32_t s : g.shared_used)
                if (std::find(f.shared_used.begin(), f.shared_used.end(), s) == f.shared_used.end()) f.shared_used.push_back(s);
        }
        f.local_bytes = (f.local_bytes + 15) & ~15u;
        f.stack_bytes = f.frame_bytes + stack, f.stack_local = f.local_bytes + local;
        std::sort(f.shared_used.begin(), f.shared_used.end());
        state[index] = 2;
    }
};

}  // namespace

void Parser::finish_module() {
    Depths depths{parts.functions};
    for (uint32_t i = 0; i < parts.functions.size(); i++) depths.visit(i);
    for (size_t k = 0; k < parts.kernels.size(); k++) {
        Kernel& kernel = parts.kernels[k];
        Code& c = *parts.codes[k];
        Function& function = parts.functions[c.function];
        c.shared.resize(parts.shared.size());
        size_t end = 0, align = 16;
        for (bool dynamic : {false, true})
            for (uint32_t s : function.shared_used) {
                Shared& v = parts.shared[s];
                if (v.dynamic != dynamic) continue;
                if (dynamic) {
                    align = std::max(align, v.align);
                    continue;
                }
                end = (end + v.align - 1) & ~(v.align - 1);
                c.shared[s] = end;
                end += v.size;
            }
        kernel.static_shared = end;
        // all dynamic arrays begin at the same place
        c.dynamic_base = (end + align - 1) & ~(align - 1);
        for (uint32_t s : function.shared_used)
            if (parts.shared[s].dynamic) c.shared[s] = c.dynamic_base;
        kernel.local_bytes = function.stack_local;
    }
}

Module::Module(std::unique_ptr<Parts> p) : parts(std::move(p)) {}
Module::~Module() = default;

std::shared_ptr<Module> Module::parse(std::string_view text) {
    auto parts = std::make_unique<Parts>();
    Parser(text, *parts).module();
    return std::make_shared<Module>(std::move(parts));
}

const Kernel* Module::find(std::string_view name) const {
    for (auto& k : parts->kernels)
        if (k.name == name) return &k;
    return nullptr;
}

const std::vector<Kernel>& Module::kernels() const { return parts->kernels; }
const std::vector<Variable>& Module::variables() const { return parts->variables; }

void Module::place(const std::function<uint64_t(const Variable&)>& address) {
    for (auto& v : parts->variables) v.address = address(v);
    for (auto& a : parts->addresses) {
        uint64_t value = parts->variables[a.of].address + a.add;
        std::memcpy(parts->variables[a.variable].initial.data() + a.at, &value, sizeof value);
    }
}

}  // namespace ptx
