#include "lex.h"

#include <cctype>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ptx {

void fail(int line, const char* format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw Error("line " + std::to_string(line) + ": " + text);
}

namespace {

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool in_word(char c) { return starts_word(c) || std::isdigit(static_cast<unsigned char>(c)); }

Token number(std::string_view s, int line) {
    std::string text(s);
    Token token{Token::integer, s, 0, line};
    char second = s.size() > 1 ? s[1] : 0;
    errno = 0;
    char* end = nullptr;
    if (s[0] == '0' && (second == 'f' || second == 'F' || second == 'd' || second == 'D')) {
        bool wide = second == 'd' || second == 'D';
        if (s.size() != (wide ? 18u : 10u)) fail(line, "malformed number %s", text.c_str());
        token.kind = wide ? Token::real : Token::single;
        token.value = std::strtoull(text.c_str() + 2, &end, 16);
    } else if (text.find('.') != text.npos || ((text.find('e') != text.npos || text.find('E') != text.npos) && second != 'x' && second != 'X')) {
        double value = std::strtod(text.c_str(), &end);
        token.kind = Token::real;
        std::memcpy(&token.value, &value, sizeof value);
    } else {
        if (text.back() == 'U' || text.back() == 'u') text.pop_back();
        if (second == 'b' || second == 'B')
            token.value = std::strtoull(text.c_str() + 2, &end, 2);
        else
            token.value = std::strtoull(text.c_str(), &end, 0);
    }
    if (*end != 0 || errno != 0) fail(line, "malformed number %s", std::string(s).c_str());
    return token;
}

}  // namespace

std::vector<Token> lex(std::string_view text) {
    while (!text.empty() && text.back() == 0) text.remove_suffix(1);
    std::vector<Token> tokens;
    tokens.reserve(text.size() / 4);
    int line = 1;
    size_t i = 0, n = text.size();
    while (i < n) {
        char c = text[i];
        if (c == '\n') {
            line++, i++;
        } else if (std::isspace(static_cast<unsigned char>(c))) {
            i++;
        } else if (c == '/' && i + 1 < n && text[i + 1] == '/') {
            while (i < n && text[i] != '\n') i++;
        } else if (c == '/' && i + 1 < n && text[i + 1] == '*') {
            int opened = line;
            for (i += 2; i + 1 < n && !(text[i] == '*' && text[i + 1] == '/'); i++) line += text[i] == '\n';
            if (i + 1 >= n) fail(opened, "comment without an end");
            i += 2;
        } else if (std::isdigit(static_cast<unsigned char>(c))) {
            size_t from = i;
            // directives may touch (.reg.b32); the parts of an instruction's name belong together
            while (i < n && !(c == '.' && i > from && text[i] == '.') && (in_word(text[i]) || ((text[i] == '+' || text[i] == '-') && (text[i - 1] == 'e' || text[i - 1] == 'E') &&
                                                  text.substr(from, i - from).find('.') != text.npos)))
                i++;
            tokens.push_back(number(text.substr(from, i - from), line));
        } else if (starts_word(c)) {
            size_t from = i;
            // directives may touch (.reg.b32); the parts of an instruction's name belong together
            while (i < n && !(c == '.' && i > from && text[i] == '.') && (in_word(text[i]) || (text.substr(i, 2) == "::" && i + 2 < n && in_word(text[i + 2])))) i += text[i] == ':' ? 2 : 1;
            tokens.push_back({Token::word, text.substr(from, i - from), 0, line});
        } else if (c == '"') {
            size_t from = ++i;
            while (i < n && text[i] != '"' && text[i] != '\n') i++;
            if (i >= n || text[i] != '"') fail(line, "text without its closing quote");
            tokens.push_back({Token::text, text.substr(from, i - from), 0, line});
            i++;
        } else if (std::strchr(",;:{}[]()<>@!|+-=*&~^", c)) {
            tokens.push_back({Token::mark, text.substr(i, 1), 0, line});
            i++;
        } else {
            fail(line, "unexpected character %c (0x%02x)", std::isprint(static_cast<unsigned char>(c)) ? c : '?', static_cast<unsigned char>(c));
        }
    }
    tokens.push_back({Token::end, "the end of the text", 0, line});
    return tokens;
}

}  // namespace ptx
