// Words, numbers and punctuation of PTX.
#pragma once

#include "ptx.h"

namespace ptx {

[[noreturn]] void fail(int line, const char* format, ...) __attribute__((format(printf, 2, 3)));

struct Token {
    enum Kind { word, integer, single, real, text, mark, end } kind;
    std::string_view name;   // word, text (without its quotes), mark (one character)
    uint64_t value;          // integer; the bits of single and real
    int line;

    bool is(char c) const { return kind == mark && name[0] == c; }
    bool is(std::string_view s) const { return kind == word && name == s; }
};

std::vector<Token> lex(std::string_view text);

}  // namespace ptx
