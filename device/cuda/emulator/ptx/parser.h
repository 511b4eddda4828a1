// The parser: declarations in parse.cpp, bodies and operands in body.cpp, instructions in decode.cpp.
#pragma once

#include <optional>
#include <unordered_map>

#include "code.h"
#include "lex.h"

namespace ptx {

// Entity is what a name stands for.
struct Entity {
    enum Kind { reg, regs, global, constant, shared, local, kernel_param, param, label, table, function } kind;
    Type type = Type::none;              // reg, regs
    uint32_t slot = 0;                   // reg, regs (of number 0); offset of a local or parameter; index of a variable or function
    uint32_t count = 0;                  // regs; size of a local or parameter
    std::vector<Token> targets{};        // table
};

struct Operand {
    enum Kind { none, reg, number, special, symbol, vector, address } kind = none;
    Token token{};                       // where it stands, its name or number
    bool negate = false;                 // !p, -number
    Type type = Type::none;              // reg
    uint32_t slot = 0;                   // reg
    Special which{};
    const Entity* entity = nullptr;      // symbol
    int64_t add = 0;                     // symbol, address
    std::vector<Operand> list;           // vector: its elements; address: its base; else what stands behind |
};

// Mods are the parts of an instruction's name behind the first.
class Mods {
public:
    explicit Mods(std::string_view name);
    std::string_view opcode() const { return head; }
    bool take(std::string_view mod);
    Type take_type();                    // the first that is a type; none
    bool take_width(uint8_t& elements);  // .v2 .v4 .v8
    bool empty() const { return mods.empty(); }
    void drop_prefix(std::string_view prefix);  // all that begin so

private:
    std::string_view head;
    std::vector<std::string_view> mods;
};

Type type_named(std::string_view name);  // none: no such type
const char* name_of(Type);

class Parser {
public:
    Parser(std::string_view text, Module::Parts& parts);
    void module();

private:
    using Scope = std::unordered_map<std::string_view, Entity>;

    struct Pending {                     // a branch to a label that may come later
        uint32_t instr;
        Token name;
        size_t scope;
        int extra;                       // index of a branch table's entry, or -1
    };

    // tokens
    const Token& peek(size_t ahead = 0) const { return tokens[std::min(at + ahead, tokens.size() - 1)]; }
    const Token& next();
    bool accept(char c);
    bool accept(std::string_view word);
    void expect(char c);
    const Token& expect_word(const char* what);
    uint64_t expect_number(const char* what);
    void skip_line(int line);
    void skip_braces();

    // declarations
    void function_header(bool entry);
    std::vector<Param> parameters(std::vector<std::pair<std::string_view, Param>>& names, size_t start);
    Param parameter(std::string_view& name, size_t offset);
    void variable(std::string_view space, bool external, bool in_body);
    void initialiser(Variable& v, size_t& filled, Type type, uint32_t index);
    void declare(const Token& name, Entity entity);
    void finish_module();

    // bodies
    void body();
    void block();
    void statement();
    void registers(bool count_only);
    void reserve_registers();
    const Entity* lookup(std::string_view name) const;
    void finish_function();

    // operands
    Operand operand();
    std::vector<Operand> operands();
    void call_statement(const Token& name, Instr& i);
    uint32_t constant(uint64_t value, uint32_t width);
    uint32_t fill(Fill::Kind kind, uint32_t index, uint64_t value, uint32_t width);
    uint32_t special(Special which);
    uint32_t source(const Operand& o, Type type);       // frame offset of a value of that type
    uint32_t any_source(const Operand& o, uint32_t& width, Type type);  // a register of any width
    uint32_t target(const Operand& o, Type type);
    uint32_t predicate(const Operand& o, uint32_t& flip);
    uint32_t predicate_target(const Operand& o);
    uint32_t room(uint32_t bytes, uint32_t align);       // in the image
    void address(const Operand& o, Instr& i, Space& space);

    // instructions
    void instruction();
    void decode(const Token& name, Instr& i);
    [[noreturn]] void unknown(const Token& name) const;
    void want(const std::vector<Operand>& o, size_t least, size_t most, const Token& name) const;

    std::vector<Token> tokens;
    size_t at = 0;
    Module::Parts& parts;
    Scope globals;
    std::vector<std::unique_ptr<Scope>> scopes;          // of the function; kept to its end for the labels
    std::vector<size_t> parents;
    size_t scope = 0;
    Function* f = nullptr;
    uint32_t next_slot = 0;
    std::map<std::pair<uint64_t, uint32_t>, uint32_t> constants;
    std::map<Special, uint32_t> specials;
    std::map<std::tuple<int, uint32_t, uint64_t, uint32_t>, uint32_t> filled;
    std::vector<Pending> pending;
    std::vector<Instr>* code = nullptr;
};

}  // namespace ptx
