// libcublasLt.so.13: cublasLtMatmul with its descriptors and heuristics.
#pragma GCC visibility push(default)
#include <cublasLt.h>
#pragma GCC visibility pop

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_set>

#include "matmul.h"

using namespace nn;

namespace {

// The opaque structs are caller-visible arrays of uint64_t; these are what the emulator keeps in them.
struct Layout {
    uint32_t magic, type;
    uint64_t rows, columns;
    int64_t ld;
    int32_t order, batch;
    int64_t batch_stride;
};

struct Description {
    uint32_t magic;
    int32_t compute, scale, pointer_mode, transa, transb, transc, fill;
    int32_t bias_type;
    uint32_t epilogue;
    const void* bias;
};

struct Preference {
    uint32_t magic, search, reduction;
    uint64_t workspace, implementation;
    uint32_t alignment[4];
    float waves;
};

// Algo fills the 64 bytes of cublasLtMatmulAlgo_t: for which kind of problem it was chosen and what it wants.
struct Algo {
    uint32_t magic, id;
    uint64_t kind, workspace;
    uint32_t alignment[4];
};

static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t), "a layout does not fit");
static_assert(sizeof(Description) <= sizeof(cublasLtMatmulDescOpaque_t), "a description does not fit");
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t), "a preference does not fit");
static_assert(sizeof(Algo) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm does not fit");

constexpr uint32_t LAYOUT = 0x4c41594f, DESCRIPTION = 0x44455343, PREFERENCE = 0x50524546, ALGO = 0x414c474f, DEAD = 0xdeadbeef;

struct Refusal {
    cublasStatus_t status;
};

// refuse ends a call with a status; the reason is printed with FOVEA_EMU_LOG=1.
[[noreturn]] void refuse(cublasStatus_t status, const char* text, ...) __attribute__((format(printf, 2, 3)));
void refuse(cublasStatus_t status, const char* text, ...) {
    if (std::getenv("FOVEA_EMU_LOG")) {
        char line[1024];
        va_list args;
        va_start(args, text);
        std::vsnprintf(line, sizeof line, text, args);
        va_end(args);
        std::fprintf(stderr, "emulated cuBLASLt: %s (%s)\n", line, cublasLtGetStatusName(status));
    }
    throw Refusal{status};
}

#define require(ok, status, ...) ((ok) ? void() : refuse(status, __VA_ARGS__))

constexpr cublasStatus_t INVALID = CUBLAS_STATUS_INVALID_VALUE, NOT = CUBLAS_STATUS_NOT_SUPPORTED;

template <class F>
cublasStatus_t api(const char* function, F body) {
    if (emu_fault(("library_call:" + std::string(function)).c_str())) return CUBLAS_STATUS_EXECUTION_FAILED;
    try {
        body();
        return CUBLAS_STATUS_SUCCESS;
    } catch (const Refusal& r) {
        return r.status;
    }
}

// open reads a struct of the emulator out of an opaque one and checks that it is what it should be.
template <class T, class Opaque>
T& open(Opaque* p, uint32_t magic, const char* name) {
    require(p, INVALID, "%s is NULL", name);
    T& t = *reinterpret_cast<T*>(p);
    if (t.magic != magic) {
        emu_violation("cublasLt: %s was destroyed, or never created", name);
        refuse(INVALID, "%s does not exist", name);
    }
    return t;
}

template <class Opaque, class T>
void make(Opaque** out, const T& value, const char* kind) {
    require(out, INVALID, "the pointer that receives the descriptor is NULL");
    auto* made = new Opaque{};
    std::memcpy(static_cast<void*>(made), &value, sizeof value);
    emu_library_alive(kind, made);
    *out = made;
}

template <class T, class Opaque>
void destroy(Opaque* p, uint32_t magic, const char* kind) {
    if (!p) return;
    open<T>(p, magic, kind).magic = DEAD;
    emu_library_dead(kind, p);
    delete p;
}

// Field is one attribute: where it lies and how many bytes it has.
struct Field {
    void* at;
    size_t bytes;
};

Field field(Layout& l, cublasLtMatrixLayoutAttribute_t a) {
    switch (a) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE: return {&l.type, 4};
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return {&l.order, 4};
    case CUBLASLT_MATRIX_LAYOUT_ROWS: return {&l.rows, 8};
    case CUBLASLT_MATRIX_LAYOUT_COLS: return {&l.columns, 8};
    case CUBLASLT_MATRIX_LAYOUT_LD: return {&l.ld, 8};
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return {&l.batch, 4};
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return {&l.batch_stride, 8};
    default: refuse(NOT, "matrix layout attribute %d is not modelled", int(a));
    }
}

Field field(Description& d, cublasLtMatmulDescAttributes_t a) {
    switch (a) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return {&d.compute, 4};
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return {&d.scale, 4};
    case CUBLASLT_MATMUL_DESC_POINTER_MODE: return {&d.pointer_mode, 4};
    case CUBLASLT_MATMUL_DESC_TRANSA: return {&d.transa, 4};
    case CUBLASLT_MATMUL_DESC_TRANSB: return {&d.transb, 4};
    case CUBLASLT_MATMUL_DESC_TRANSC: return {&d.transc, 4};
    case CUBLASLT_MATMUL_DESC_FILL_MODE: return {&d.fill, 4};
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return {&d.epilogue, 4};
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return {&d.bias, 8};
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return {&d.bias_type, 4};
    default: refuse(NOT, "matmul attribute %d is not modelled", int(a));
    }
}

Field field(Preference& p, cublasLtMatmulPreferenceAttributes_t a) {
    switch (a) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE: return {&p.search, 4};
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return {&p.workspace, 8};
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return {&p.reduction, 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return {&p.alignment[0], 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return {&p.alignment[1], 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return {&p.alignment[2], 4};
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return {&p.alignment[3], 4};
    case CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT: return {&p.waves, 4};
    case CUBLASLT_MATMUL_PREF_IMPL_MASK: return {&p.implementation, 8};
    default: refuse(NOT, "preference attribute %d is not modelled", int(a));
    }
}

void set(Field f, const void* value, size_t bytes) {
    require(value, INVALID, "the attribute's value is NULL");
    require(bytes == f.bytes, INVALID, "the attribute has %zu bytes, %zu were given", f.bytes, bytes);
    std::memcpy(f.at, value, bytes);
}

void get(Field f, void* value, size_t bytes, size_t* written) {
    require(value || written, INVALID, "there is nothing to write to");
    if (written) *written = f.bytes;
    if (!value || !bytes) return;
    require(bytes == f.bytes, INVALID, "the attribute has %zu bytes, %zu were given", f.bytes, bytes);
    std::memcpy(value, f.at, bytes);
}

Type type_of(uint32_t type, const char* name) {
    switch (type) {
    case CUDA_R_32F: return Type::f32;
    case CUDA_R_16BF: return Type::bf16;
    case CUDA_R_16F: return Type::f16;
    default: refuse(NOT, "%s has data type %u; the emulator has R_32F, R_16BF and R_16F", name, type);
    }
}

Matrix matrix(const Layout& l, const char* name) {
    require(l.order == CUBLASLT_ORDER_COL || l.order == CUBLASLT_ORDER_ROW, NOT, "%s has order %d; the emulator has COL and ROW", name, l.order);
    require(l.batch == 1, NOT, "%s has a batch of %d; the emulator has 1", name, l.batch);
    require(l.rows > 0 && l.columns > 0, INVALID, "%s is %llu x %llu", name, (unsigned long long)l.rows, (unsigned long long)l.columns);
    const bool by_column = l.order == CUBLASLT_ORDER_COL;
    const int64_t least = int64_t(by_column ? l.rows : l.columns);
    require(l.ld >= least, INVALID, "%s is %llu x %llu with a leading dimension of %lld, expected at least %lld", name, (unsigned long long)l.rows,
            (unsigned long long)l.columns, (long long)l.ld, (long long)least);
    return {type_of(l.type, name), int64_t(l.rows), int64_t(l.columns), by_column ? 1 : l.ld, by_column ? l.ld : 1};
}

struct Checked {
    Product product;
    uint64_t kind;  // what an algorithm is chosen for: types, orders, transposes, epilogue
};

Checked check(const Description& d, const Layout& al, const Layout& bl, const Layout& cl, const Layout& dl) {
    Checked out{};
    Product& p = out.product;
    require(d.scale == CUDA_R_32F, NOT, "scale type %d, expected R_32F", d.scale);
    require(d.pointer_mode == CUBLASLT_POINTER_MODE_HOST, NOT, "pointer mode %d; the emulator has alpha and beta on the host", d.pointer_mode);
    require(d.transc == CUBLAS_OP_N, NOT, "TRANSC must be OP_N");
    require(d.fill == CUBLAS_FILL_MODE_FULL, NOT, "fill mode %d, expected FULL", d.fill);
    p.a = matrix(al, "A"), p.b = matrix(bl, "B"), p.c = matrix(cl, "C"), p.d = matrix(dl, "D");
    if (d.transa != CUBLAS_OP_N) p.a = p.a.transposed();
    if (d.transb != CUBLAS_OP_N) p.b = p.b.transposed();
    require(p.a.rows == p.d.rows && p.b.columns == p.d.columns && p.a.columns == p.b.rows, INVALID, "op(A) is %lld x %lld, op(B) %lld x %lld, D %lld x %lld",
            (long long)p.a.rows, (long long)p.a.columns, (long long)p.b.rows, (long long)p.b.columns, (long long)p.d.rows, (long long)p.d.columns);
    require(p.c.rows == p.d.rows && p.c.columns == p.d.columns, INVALID, "C is %lld x %lld, D %lld x %lld", (long long)p.c.rows, (long long)p.c.columns,
            (long long)p.d.rows, (long long)p.d.columns);
    require(cl.order == dl.order, INVALID, "C and D have different orders");
    // The table of cublasLtMatmul: A and B of one type, C and D of one type, both pairs float or the narrow type.
    require(p.a.type == p.b.type && p.c.type == p.d.type && (p.d.type == p.a.type || p.d.type == Type::f32), NOT, "A, B, C, D have types %u, %u, %u, %u",
            al.type, bl.type, cl.type, dl.type);
    const bool single = p.a.type == Type::f32;
    switch (d.compute) {
    case CUBLAS_COMPUTE_32F:
    case CUBLAS_COMPUTE_32F_PEDANTIC: break;
    case CUBLAS_COMPUTE_32F_FAST_TF32: p.math = Math::tf32; break;
    case CUBLAS_COMPUTE_32F_FAST_16BF: p.math = Math::bf16; break;
    case CUBLAS_COMPUTE_32F_FAST_16F: p.math = Math::f16; break;
    default: refuse(NOT, "compute type %d; the emulator has the 32F ones", d.compute);
    }
    require(single || p.math == Math::f32, NOT, "compute type %d wants R_32F matrices, A has %u", d.compute, al.type);
    switch (d.epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT: break;
    case CUBLASLT_EPILOGUE_RELU: p.relu = true; break;
    case CUBLASLT_EPILOGUE_RELU_BIAS: p.relu = true; [[fallthrough]];
    case CUBLASLT_EPILOGUE_BIAS: p.side = Product::Side::bias; break;
    case CUBLASLT_EPILOGUE_BGRADA: p.side = Product::Side::gradient_of_a; break;
    case CUBLASLT_EPILOGUE_BGRADB: p.side = Product::Side::gradient_of_b; break;
    default: emu_unsupported("cublasLt epilogue other than DEFAULT, RELU, BIAS, RELU_BIAS, BGRADA, BGRADB"); refuse(NOT, "epilogue %u is not modelled", d.epilogue);
    }
    if (p.side != Product::Side::none) {
        // Row order with a bias is not in the documentation's list of what works, so it is refused here.
        require(dl.order == CUBLASLT_ORDER_COL, NOT, "epilogue %u wants D in column order", d.epilogue);
        require(d.bias_type == -1 || d.bias_type == int32_t(dl.type), NOT, "the bias has type %d, D has %u", d.bias_type, dl.type);
        p.side_type = p.d.type;
    }
    uint64_t kind = 1469598103934665603u;
    for (uint64_t v : {uint64_t(d.compute), uint64_t(d.transa), uint64_t(d.transb), uint64_t(d.epilogue), uint64_t(al.type), uint64_t(bl.type), uint64_t(cl.type),
                       uint64_t(dl.type), uint64_t(al.order), uint64_t(bl.order), uint64_t(dl.order), uint64_t(p.d.rows), uint64_t(p.d.columns), uint64_t(p.a.columns)})
        kind = (kind ^ v) * 1099511628211u;
    out.kind = kind;
    return out;
}

// What the heuristics offer, fastest first: two algorithms with workspace, one without, and for unaligned pointers only the last.
struct Offer {
    uint32_t id, alignment;
    size_t (*workspace)(const Product&);
};

const Offer offers[] = {
    {71, 16, [](const Product& p) { return size_t((p.d.rows * p.d.columns * 4 * 2 + 255) / 256 * 256); }},  // split over k
    {66, 16, [](const Product&) { return size_t(4096); }},
    {21, 1, [](const Product&) { return size_t(0); }},
};

std::mutex& lock() {
    static auto* m = new std::mutex;
    return *m;
}

std::map<cublasLtHandle_t, CUcontext>& handles() {
    static auto* all = new std::map<cublasLtHandle_t, CUcontext>;
    return *all;
}

void need_handle(cublasLtHandle_t h) {
    require(h, CUBLAS_STATUS_NOT_INITIALIZED, "the handle is NULL");
    CUcontext of;
    {
        std::lock_guard<std::mutex> hold(lock());
        auto found = handles().find(h);
        if (found == handles().end()) {
            emu_violation("cublasLt: the handle was destroyed, or never created");
            refuse(CUBLAS_STATUS_NOT_INITIALIZED, "the handle does not exist");
        }
        of = found->second;
    }
    require(emu_context_error() == CUDA_SUCCESS, CUBLAS_STATUS_EXECUTION_FAILED, "the context cannot be used");
    CUcontext now = nullptr;
    cuCtxGetCurrent(&now);
    require(now == of, CUBLAS_STATUS_EXECUTION_FAILED, "the handle belongs to another context than the current one");
}

EmuRange range(const void* p, const Matrix& m, bool write, const char* name) {
    require(p, INVALID, "%s is NULL", name);
    require(CUdeviceptr(p) % size_of(m.type) == 0, INVALID, "%s is not aligned to its elements", name);
    return {CUdeviceptr(p), size_t(m.span()) * size_of(m.type), write};
}

float scalar(const void* p, const char* name) {
    require(p, INVALID, "%s is NULL", name);
    require(!emu_is_device(CUdeviceptr(p), 4), INVALID, "%s is a device pointer, expected host memory", name);
    return *static_cast<const float*>(p);
}

bool overlap(const EmuRange& a, const EmuRange& b) { return a.bytes && b.bytes && a.ptr < b.ptr + b.bytes && b.ptr < a.ptr + a.bytes; }

void matmul(const Description& d, const Layout& al, const Layout& bl, const Layout& cl, const Layout& dl, const void* alpha, const void* beta, const void* A,
            const void* B, const void* C, void* D, const Algo* algo, void* space, size_t space_bytes, CUstream stream) {
    const char* function = "cublasLtMatmul";
    Checked checked = check(d, al, bl, cl, dl);
    Product& p = checked.product;
    p.alpha = scalar(alpha, "alpha");
    p.beta = scalar(beta, "beta");
    require(emu_stream_valid(stream), INVALID, "the stream does not exist");
    size_t need = 0;
    if (algo) {
        require(algo->magic == ALGO, INVALID, "the algorithm is not one that the heuristics gave");
        require(algo->kind == checked.kind, NOT, "the algorithm was chosen for another problem");
        need = algo->workspace;
        require(space_bytes >= need, INVALID, "the algorithm wants %zu bytes of workspace, %zu were given", need, space_bytes);
        const void* pointers[] = {A, B, C, D};
        for (int i = 0; i < 4; i++)
            if (CUdeviceptr(pointers[i]) % algo->alignment[i])
                emu_violation("%s: %c is not aligned to the %u bytes that the preference promised", function, "ABCD"[i], algo->alignment[i]);
    }
    require(!need || space, INVALID, "the workspace is NULL");
    require(CUdeviceptr(space) % 256 == 0, INVALID, "the workspace is not aligned to 256 bytes");
    const Matrix a_memory = d.transa != CUBLAS_OP_N ? p.a.transposed() : p.a, b_memory = d.transb != CUBLAS_OP_N ? p.b.transposed() : p.b;
    const bool in_place = C == D, reads_c = p.beta != 0;
    std::vector<EmuRange> touches = {range(D, p.d, true, "D"), range(A, a_memory, false, "A"), range(B, b_memory, false, "B"), {}, {}, {}};
    if (in_place)
        require(cl.ld == dl.ld && cl.type == dl.type, INVALID, "C is D, but their layouts differ");
    else if (reads_c)
        touches[3] = range(C, p.c, false, "C");
    if (p.side != Product::Side::none) {
        require(d.bias, INVALID, "the epilogue wants BIAS_POINTER");
        touches[4] = {CUdeviceptr(d.bias), size_t(p.side_length()) * size_of(p.side_type), p.side != Product::Side::bias};
    }
    if (need) touches[5] = {CUdeviceptr(space), need, true};
    for (size_t i = 1; i < 5; i++) require(!overlap(touches[0], touches[i]), INVALID, "D overlaps operand %zu", i);
    for (size_t i = 0; i < 5; i++)
        if (overlap(touches[5], touches[i])) emu_violation("%s: the workspace overlaps operand %zu", function, i);
    const Product work = p;
    CUresult r = emu_enqueue(
        stream, function,
        [=]() -> CUresult {
            void* host[6] = {};
            for (size_t i = 0; i < 6; i++)
                if (touches[i].bytes && !(host[i] = emu_resolve(touches[i].ptr, touches[i].bytes, touches[i].write, function))) return CUDA_ERROR_ILLEGAL_ADDRESS;
            if (host[5]) std::memset(host[5], 0xff, need);
            run(work, host[1], host[2], in_place ? host[0] : host[3], host[0], host[4]);
            if (host[5]) std::memset(host[5], 0xff, need);
            return CUDA_SUCCESS;
        },
        touches);
    require(r != CUDA_ERROR_INVALID_VALUE, INVALID, "an operand does not fit its allocation");
    require(r == CUDA_SUCCESS, CUBLAS_STATUS_EXECUTION_FAILED, "the product could not be queued: CUDA error %d", int(r));
}

Layout layout(cudaDataType type, uint64_t rows, uint64_t columns, int64_t ld) {
    return {LAYOUT, uint32_t(type), rows, columns, ld, CUBLASLT_ORDER_COL, 1, 0};
}

Description description(cublasComputeType_t compute, cudaDataType_t scale) {
    return {DESCRIPTION, compute, scale, CUBLASLT_POINTER_MODE_HOST, CUBLAS_OP_N, CUBLAS_OP_N, CUBLAS_OP_N, CUBLAS_FILL_MODE_FULL, -1, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
}

Preference preference() { return {PREFERENCE, CUBLASLT_SEARCH_BEST_FIT, CUBLASLT_REDUCTION_SCHEME_MASK, 0, ~uint64_t(0), {256, 256, 256, 256}, 0}; }

}  // namespace

extern "C" {

size_t cublasLtGetVersion(void) { return CUBLAS_VER_MAJOR * 10000 + CUBLAS_VER_MINOR * 100 + CUBLAS_VER_PATCH; }
size_t cublasLtGetCudartVersion(void) { return CUDA_VERSION; }

const char* cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
#define NAME(s) case s: return #s;
        NAME(CUBLAS_STATUS_SUCCESS)
        NAME(CUBLAS_STATUS_NOT_INITIALIZED)
        NAME(CUBLAS_STATUS_ALLOC_FAILED)
        NAME(CUBLAS_STATUS_INVALID_VALUE)
        NAME(CUBLAS_STATUS_ARCH_MISMATCH)
        NAME(CUBLAS_STATUS_MAPPING_ERROR)
        NAME(CUBLAS_STATUS_EXECUTION_FAILED)
        NAME(CUBLAS_STATUS_INTERNAL_ERROR)
        NAME(CUBLAS_STATUS_NOT_SUPPORTED)
        NAME(CUBLAS_STATUS_LICENSE_ERROR)
#undef NAME
    default: return "CUBLAS_STATUS_UNKNOWN";
    }
}

const char* cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    return api("cublasLtCreate", [&] {
        require(handle, INVALID, "the pointer that receives the handle is NULL");
        CUcontext current = nullptr;
        require(emu_context_error() == CUDA_SUCCESS && cuCtxGetCurrent(&current) == CUDA_SUCCESS && current, CUBLAS_STATUS_NOT_INITIALIZED,
                "no usable context is current on this thread");
        auto made = reinterpret_cast<cublasLtHandle_t>(new char);
        std::lock_guard<std::mutex> hold(lock());
        handles()[made] = current;
        emu_library_alive("cublasLtHandle_t", made);
        *handle = made;
    });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    return api("cublasLtDestroy", [&] {
        size_t erased;
        {
            std::lock_guard<std::mutex> hold(lock());
            erased = handles().erase(handle);
        }
        if (!erased && handle) emu_violation("cublasLtDestroy: the handle was destroyed before, or never created");
        require(erased, CUBLAS_STATUS_NOT_INITIALIZED, "the handle does not exist");
        emu_library_dead("cublasLtHandle_t", handle);
        delete reinterpret_cast<char*>(handle);
    });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* out, cudaDataType type, uint64_t rows, uint64_t columns, int64_t ld) {
    return api("cublasLtMatrixLayoutCreate", [&] { make(out, layout(type, rows, columns, ld), "cublasLtMatrixLayout_t"); });
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    return api("cublasLtMatrixLayoutDestroy", [&] { destroy<Layout>(l, LAYOUT, "cublasLtMatrixLayout_t"); });
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t a, const void* value, size_t bytes) {
    return api("cublasLtMatrixLayoutSetAttribute", [&] { set(field(open<Layout>(l, LAYOUT, "the layout"), a), value, bytes); });
}

cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t a, void* value, size_t bytes, size_t* written) {
    return api("cublasLtMatrixLayoutGetAttribute", [&] { get(field(open<Layout>(l, LAYOUT, "the layout"), a), value, bytes, written); });
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* out, cublasComputeType_t compute, cudaDataType_t scale) {
    return api("cublasLtMatmulDescCreate", [&] { make(out, description(compute, scale), "cublasLtMatmulDesc_t"); });
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    return api("cublasLtMatmulDescDestroy", [&] { destroy<Description>(d, DESCRIPTION, "cublasLtMatmulDesc_t"); });
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void* value, size_t bytes) {
    return api("cublasLtMatmulDescSetAttribute", [&] { set(field(open<Description>(d, DESCRIPTION, "the description"), a), value, bytes); });
}

cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, void* value, size_t bytes, size_t* written) {
    return api("cublasLtMatmulDescGetAttribute", [&] { get(field(open<Description>(d, DESCRIPTION, "the description"), a), value, bytes, written); });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* out) {
    return api("cublasLtMatmulPreferenceCreate", [&] { make(out, preference(), "cublasLtMatmulPreference_t"); });
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
    return api("cublasLtMatmulPreferenceDestroy", [&] { destroy<Preference>(p, PREFERENCE, "cublasLtMatmulPreference_t"); });
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, const void* value, size_t bytes) {
    return api("cublasLtMatmulPreferenceSetAttribute", [&] { set(field(open<Preference>(p, PREFERENCE, "the preference"), a), value, bytes); });
}

cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, void* value, size_t bytes,
                                                    size_t* written) {
    return api("cublasLtMatmulPreferenceGetAttribute", [&] { get(field(open<Preference>(p, PREFERENCE, "the preference"), a), value, bytes, written); });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t al, cublasLtMatrixLayout_t bl,
                                              cublasLtMatrixLayout_t cl, cublasLtMatrixLayout_t dl, cublasLtMatmulPreference_t pref, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
    return api("cublasLtMatmulAlgoGetHeuristic", [&] {
        need_handle(handle);
        require(returned && results && wanted > 0, INVALID, "requestedAlgoCount is %d, or a result pointer is NULL", wanted);
        *returned = 0;
        const Preference& p = open<Preference>(pref, PREFERENCE, "the preference");
        const Checked c = check(open<Description>(d, DESCRIPTION, "the description"), open<Layout>(al, LAYOUT, "A's layout"), open<Layout>(bl, LAYOUT, "B's layout"),
                                open<Layout>(cl, LAYOUT, "C's layout"), open<Layout>(dl, LAYOUT, "D's layout"));
        for (const Offer& o : offers) {
            const size_t need = o.workspace(c.product);
            if (need > p.workspace || *returned == wanted) continue;
            if (!std::all_of(p.alignment, p.alignment + 4, [&](uint32_t a) { return a >= o.alignment; })) continue;
            Algo algo{ALGO, o.id, c.kind, need, {}};
            std::copy_n(p.alignment, 4, algo.alignment);
            cublasLtMatmulHeuristicResult_t& r = results[(*returned)++];
            r = {};
            std::memcpy(&r.algo, &algo, sizeof algo);
            r.workspaceSize = need;
            r.state = CUBLAS_STATUS_SUCCESS;
            r.wavesCount = 0.5f * float(*returned);
        }
        require(*returned, NOT, "no algorithm fits the preference");
    });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t d, const void* alpha, const void* A, cublasLtMatrixLayout_t al, const void* B,
                              cublasLtMatrixLayout_t bl, const void* beta, const void* C, cublasLtMatrixLayout_t cl, void* D, cublasLtMatrixLayout_t dl,
                              const cublasLtMatmulAlgo_t* algo, void* space, size_t space_bytes, cudaStream_t stream) {
    return api("cublasLtMatmul", [&] {
        need_handle(handle);
        matmul(open<Description>(d, DESCRIPTION, "the description"), open<Layout>(al, LAYOUT, "A's layout"), open<Layout>(bl, LAYOUT, "B's layout"),
               open<Layout>(cl, LAYOUT, "C's layout"), open<Layout>(dl, LAYOUT, "D's layout"), alpha, beta, A, B, C, D, reinterpret_cast<const Algo*>(algo), space,
               space_bytes, CUstream(stream));
    });
}

}  // extern "C"
