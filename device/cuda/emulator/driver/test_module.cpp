// Modules: which images are accepted, and what is said of the others.
#include "testing.h"

#include <cstdint>

// A fatbin as nvcc writes it: one entry of a kind, for an architecture, with the given flags.
static std::string entry(uint16_t kind, uint32_t arch, uint64_t flags, std::string body) {
    while (body.size() % 8) body += '\0';
    std::string head(64, '\0');
    const auto set = [&](size_t at, auto value) { memcpy(&head[at], &value, sizeof value); };
    set(0, kind);
    set(2, uint16_t{0x0101});
    set(4, uint32_t{64});
    set(8, static_cast<uint64_t>(body.size()));
    set(28, arch);
    set(40, flags);
    return head + body;
}

static std::string fatbin(const std::string& entries, uint32_t magic = 0xBA55ED50) {
    std::string head(16, '\0');
    memcpy(&head[0], &magic, 4);
    head[4] = 1;
    head[6] = 16;
    uint64_t bytes = entries.size();
    memcpy(&head[8], &bytes, 8);
    return head + entries;
}

static std::string ptx_for(const char* target, const char* version = "9.0") {
    return std::string(".version ") + version + "\n.target " + target + "\n.address_size 64\n.visible .entry nothing() { ret; }\n";
}

TEST(images, {"FOVEA_EMU_COMPUTE=86"}) {
    Context c;
    const struct {
        const char* what;
        std::string image;
        CUresult wanted;
        const char* says;
    } rows[] = {
        {"PTX text", ptx_for("sm_75"), CUDA_SUCCESS, ""},
        {"PTX after empty lines", "\n\n" + ptx_for("sm_86"), CUDA_SUCCESS, ""},
        {"PTX after a comment", "// text\n" + ptx_for("sm_86"), CUDA_SUCCESS, ""},
        {"a fatbin", fatbin(entry(1, 75, 0x11, ptx_for("sm_75"))), CUDA_SUCCESS, ""},
        {"machine code before PTX", fatbin(entry(2, 86, 0x11, "code") + entry(1, 75, 0x11, ptx_for("sm_75"))), CUDA_SUCCESS, ""},
        {"two PTX, one too new", fatbin(entry(1, 90, 0x11, ptx_for("sm_90")) + entry(1, 75, 0x11, ptx_for("sm_75"))), CUDA_SUCCESS, ""},
        {"machine code only", fatbin(entry(2, 86, 0x11, "code")), CUDA_ERROR_NO_BINARY_FOR_GPU, "it holds sm_86"},
        {"too new only", fatbin(entry(1, 90, 0x11, ptx_for("sm_90"))), CUDA_ERROR_NO_BINARY_FOR_GPU, "compute 86 or less"},
        {"compressed (LZ4)", fatbin(entry(1, 75, 0x2011, "xxxx")), CUDA_ERROR_INVALID_IMAGE, "--no-compress"},
        {"compressed (Zstandard)", fatbin(entry(1, 75, 0x8011, "xxxx")), CUDA_ERROR_INVALID_IMAGE, "--no-compress"},
        {"a cubin", std::string("\x7f" "ELF") + std::string(60, '\0'), CUDA_ERROR_NO_BINARY_FOR_GPU, "a cubin"},
        {"something else", "hello, this is no image at all", CUDA_ERROR_INVALID_IMAGE, "neither PTX nor a fatbin"},
        {"PTX of a newer target", ptx_for("sm_90"), CUDA_ERROR_INVALID_PTX, "the GPU is sm_86"},
        {"PTX for one architecture only", ptx_for("sm_75a"), CUDA_ERROR_NO_BINARY_FOR_GPU, "sm_75a"},
        {"PTX that is too new", ptx_for("sm_75", "9.1"), CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "PTX 9.1"},
        {"PTX without a target", ".version 9.0\n", CUDA_ERROR_INVALID_PTX, "without .target"},
        {"PTX with an unknown instruction", ".version 9.0\n.target sm_75\n.address_size 64\n.visible .entry k() { frobnicate.b32; ret; }\n", CUDA_ERROR_INVALID_PTX, "frobnicate"},
    };
    for (auto& row : rows) {
        char log[500] = "";
        CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
        void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
        CUmodule m = nullptr;
        CUresult r = cuModuleLoadDataEx(&m, row.image.c_str(), 2, options, values);
        if (r != row.wanted || !strstr(log, row.says))
            failed(__FILE__, __LINE__, std::string(row.what) + " answers " + status_text(r) + " and says: " + log);
        if (r == CUDA_SUCCESS) OK(cuModuleUnload(m));
    }
}

TEST(cut_fatbins) {
    Context c;
    std::string whole = fatbin(entry(1, 75, 0x11, ptx_for("sm_75")));
    whole[16 + 8] = '\xff';  // an entry that runs over the end
    whole[16 + 9] = '\xff';
    CUmodule m;
    IS(cuModuleLoadData(&m, whole.c_str()), CUDA_ERROR_INVALID_IMAGE);
    whole[4] = 7;
    IS(cuModuleLoadData(&m, whole.c_str()), CUDA_ERROR_INVALID_IMAGE);
    IS(cuModuleLoadData(&m, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST(a_wrapped_fatbin) {
    Context c;
    std::string image = fatbin(entry(1, 75, 0x11, kernels_ptx()));
    struct {
        uint32_t magic = 0x466243b1, version = 1;
        const void* data;
        void* more = nullptr;
    } wrapper;
    wrapper.data = image.c_str();
    CUmodule m;
    OK(cuModuleLoadFatBinary(&m, &wrapper));
    CUfunction f, again;
    OK(cuModuleGetFunction(&f, m, "add_f32"));
    OK(cuModuleGetFunction(&again, m, "add_f32"));
    CHECK(f == again);
    IS(cuModuleGetFunction(&f, m, "missing"), CUDA_ERROR_NOT_FOUND);
    OK(cuModuleUnload(m));
    control("expect-violations 2");
    IS(cuModuleGetFunction(&f, m, "add_f32"), CUDA_ERROR_INVALID_HANDLE);
    IS(cuModuleUnload(m), CUDA_ERROR_INVALID_HANDLE);
}

TEST(variables) {
    Context c;
    Module m;
    Floats out(1);
    OK(launch(m.function("use_variables"), 1, 1, nullptr, 0, out.p));
    EQUAL(out.read()[0], 15.0f);
    CUdeviceptr p;
    size_t bytes;
    OK(cuModuleGetGlobal(&p, &bytes, m.m, "total"));
    EQUAL(bytes, 4u);
    float seven = 7;
    OK(cuMemcpyHtoD(p, &seven, 4));
    OK(launch(m.function("use_variables"), 1, 1, nullptr, 0, out.p));
    EQUAL(out.read()[0], 21.0f);
    OK(cuModuleGetGlobal(&p, &bytes, m.m, "factor"));
    OK(cuMemcpyHtoD(p, &seven, 4));  // the host may write constant memory
    OK(launch(m.function("use_variables"), 1, 1, nullptr, 0, out.p));
    EQUAL(out.read()[0], 49.0f);
    IS(cuModuleGetGlobal(&p, &bytes, m.m, "missing"), CUDA_ERROR_NOT_FOUND);
}

TEST(a_kernel_writes_constant_memory, {}, 0, "constant memory") {
    Context c;
    Module m;
    CUdeviceptr p;
    OK(cuModuleGetGlobal(&p, nullptr, m.m, "factor"));
    control("expect-violations 1");
    OK(launch(m.function("fill_f32"), 1, 1, nullptr, 0, p, 1.0f));
    IS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
    EQUAL(emu_counter("violations"), 1u);
    m.m = nullptr;
    OK(cuCtxDestroy(c.ctx));
    _exit(0);
}
