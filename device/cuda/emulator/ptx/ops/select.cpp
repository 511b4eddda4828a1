// The function of an instruction.
#include "../ops.h"

namespace ptx {

Fn select(const Spec& s) {
    switch (s.op) {
    case Op::ld: case Op::st: return select_memory(s);
    case Op::atom: case Op::red: return select_atomic(s);
    case Op::shfl: case Op::vote: case Op::match: case Op::activemask: return select_warp(s);
    case Op::set: case Op::setp: return select_compare(s);
    case Op::cvt: case Op::cvt_pack: return select_convert(s);
    case Op::mov: case Op::pack: case Op::unpack: case Op::selp: case Op::slct: case Op::clock:
    case Op::pred_and: case Op::pred_or: case Op::pred_xor: case Op::pred_not: case Op::pred_mov: return select_move(s);
    default: break;
    }
    switch (s.type) {
    case Type::f32: case Type::f64: return select_float(s);
    case Type::f16: case Type::bf16: case Type::f16x2: case Type::bf16x2: return select_half(s);
    default: return select_integer(s);
    }
}

}  // namespace ptx
