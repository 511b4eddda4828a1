// Modules: finding PTX in what a program hands over (PTX text, a fatbin, the wrapper nvcc puts around one), functions
// and variables.
#include "driver.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

namespace emu {

namespace {
// The container that nvcc -fatbin and fatbinary write, as read from files of CUDA 13.0.
struct FatHeader {
    uint32_t magic;  // fat_magic
    uint16_t version, header_bytes;
    uint64_t bytes;  // of the entries
};
struct FatEntry {
    uint16_t kind, version;  // kind 1: PTX, 2: machine code
    uint32_t header_bytes;
    uint64_t bytes;
    uint32_t compressed_bytes, options_offset;
    uint16_t minor, major;  // of PTX
    uint32_t arch;          // 75, 90, ...
    uint32_t name_offset, name_bytes;
    uint64_t flags;         // 0x2000: LZ4, 0x8000: Zstandard
};
constexpr uint32_t fat_magic = 0xBA55ED50, wrapper_magic = 0x466243b1;
constexpr uint64_t compressed_flags = 0x2000 | 0x8000;

struct Wrapper {
    uint32_t magic, version;
    const void* data;
    void* more;
};

// ptx_limit is the newest PTX that a driver of this version compiles (release notes of the PTX ISA).
int ptx_limit(int driver) {
    int major = driver / 1000, minor = driver % 1000 / 10;
    if (major >= 13) return 90 + 10 * (major - 13) + minor;
    if (major == 12) return 80 + (minor <= 5 ? minor : minor - 1);
    return 70 + minor;
}

CUresult from_fatbin(const uint8_t* image, std::string& text, std::string& why) {
    FatHeader head;
    memcpy(&head, image, sizeof head);
    if (head.header_bytes < sizeof head || head.version != 1) {
        why = "a fatbin of unknown version " + std::to_string(head.version);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const uint8_t *p = image + head.header_bytes, *end = p + head.bytes;
    FatEntry best{};
    const uint8_t* best_at = nullptr;
    std::string others;
    while (p < end) {
        FatEntry e;
        if (static_cast<uint64_t>(end - p) < sizeof e) break;
        memcpy(&e, p, sizeof e);
        if (e.header_bytes < sizeof e || e.header_bytes > static_cast<uint64_t>(end - p) || e.bytes > static_cast<uint64_t>(end - p) - e.header_bytes) {
            why = "a fatbin with an entry that runs over its end";
            return CUDA_ERROR_INVALID_IMAGE;
        }
        others += (e.kind == 1 ? " compute_" : " sm_") + std::to_string(e.arch);
        if (e.kind == 1 && e.arch <= static_cast<uint32_t>(machine.compute) && (!best_at || e.arch > best.arch)) {
            best = e;
            best_at = p;
        }
        p += e.header_bytes + e.bytes;
    }
    if (!best_at) {
        why = "a fatbin without PTX for compute " + std::to_string(machine.compute) + " or less (the emulated GPU runs PTX, no machine code); it holds" + others;
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    if (best.flags & compressed_flags) {
        why = "a fatbin whose PTX is compressed; make it with nvcc --no-compress (or fatbinary --compress=false)";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    text.assign(reinterpret_cast<const char*>(best_at + best.header_bytes), best.bytes);
    return CUDA_SUCCESS;
}

bool directive(const std::string& text, const char* name, std::string& value) {
    size_t at = text.find(name);
    if (at == std::string::npos) return false;
    std::istringstream in(text.substr(at + strlen(name), 40));
    return static_cast<bool>(in >> value);
}

// ptx_of gives the text of an image, checked against what this driver and this GPU can run.
CUresult ptx_of(const void* data, std::string& text, int& version, std::string& why) {
    auto image = static_cast<const uint8_t*>(data);
    uint32_t magic;
    memcpy(&magic, image, 1);
    size_t leading = 0;
    while (image[leading] == ' ' || image[leading] == '\n' || image[leading] == '\t' || image[leading] == '\r') leading++;
    if (image[leading] == '.' || image[leading] == '/') {
        text = reinterpret_cast<const char*>(image);
    } else {
        memcpy(&magic, image, sizeof magic);
        if (magic == wrapper_magic) {
            Wrapper w;
            memcpy(&w, image, sizeof w);
            image = static_cast<const uint8_t*>(w.data);
            memcpy(&magic, image, sizeof magic);
        }
        if (magic == 0x464c457f) {
            why = "machine code (a cubin); the emulated GPU runs PTX";
            return CUDA_ERROR_NO_BINARY_FOR_GPU;
        }
        if (magic != fat_magic) {
            why = "neither PTX nor a fatbin";
            return CUDA_ERROR_INVALID_IMAGE;
        }
        if (CUresult r = from_fatbin(image, text, why)) return r;
    }
    std::string word;
    int major = 0, minor = 0;
    if (!directive(text, ".version", word) || sscanf(word.c_str(), "%d.%d", &major, &minor) != 2) {
        why = "PTX without .version";
        return CUDA_ERROR_INVALID_PTX;
    }
    version = major * 10 + minor;
    if (version > ptx_limit(machine.driver)) {
        why = "PTX " + word + ", which a driver of version " + std::to_string(machine.driver) + " cannot compile";
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    int target = 0;
    char suffix = 0;
    if (!directive(text, ".target", word) || sscanf(word.c_str(), "sm_%d%c", &target, &suffix) < 1) {
        why = "PTX without .target";
        return CUDA_ERROR_INVALID_PTX;
    }
    if (target > machine.compute || (suffix == 'a' && target != machine.compute)) {
        why = "PTX for " + word + ", and the GPU is sm_" + std::to_string(machine.compute);
        return suffix == 'a' ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_PTX;
    }
    return CUDA_SUCCESS;
}

void place_variables(CUmodule m) {
    m->code->place([&](const ptx::Variable& v) -> uint64_t {
        Held held = allocate_device(m->ctx, std::max<size_t>(v.size, 1), false, true);
        if (!held) throw std::bad_alloc();
        m->variables.push_back({v.name, held});
        return held->base;
    });
    for (auto& v : m->code->variables())
        for (auto& [name, held] : m->variables)
            if (name == v.name) {
                memcpy(held->host, v.initial.data(), v.size);
                held->constant = v.constant;
            }
}

// parsed reads PTX, once per process for each text: tests load the same kernels again and again. A module with variables
// is not shared, as they have addresses of their own in each.
std::shared_ptr<ptx::Module> parsed(const std::string& text) {
    static auto& known = *new std::unordered_map<std::string, std::shared_ptr<ptx::Module>>;
    auto found = known.find(text);
    if (found != known.end()) return found->second;
    std::shared_ptr<ptx::Module> code = ptx::Module::parse(text);
    if (code->variables().empty()) known[text] = code;
    return code;
}

CUresult load(CUmodule* out, const void* image, CUcontext ctx, std::string& why) {
    if (!out || !image) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = capture_unsafe("cuModuleLoadData")) return r;
    std::string text;
    int version = 0;
    if (CUresult r = ptx_of(image, text, version, why)) return r;
    std::shared_ptr<ptx::Module> code;
    try {
        code = parsed(text);
    } catch (const ptx::Error& e) {
        why = std::string("PTX that the emulator cannot read: ") + e.what();
        return CUDA_ERROR_INVALID_PTX;
    }
    auto m = new CUmod_st(ctx);
    m->code = code;
    m->ptx_version = version;
    add(m);
    try {
        place_variables(m);
    } catch (const std::bad_alloc&) {
        for (auto& [_, held] : m->variables) release(held, "a module that did not load");
        retire(m);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = m;
    return CUDA_SUCCESS;
}

CUresult load_explained(CUmodule* out, const void* image, CUcontext ctx, const char* who) {
    std::string why;
    CUresult r = load(out, image, ctx, why);
    if (r && !why.empty()) fprintf(stderr, "emulator: %s: %s\n", who, why.c_str());
    return r;
}
}  // namespace

}  // namespace emu

using namespace emu;

CUresult CUDAAPI cuModuleLoadData(CUmodule* out, const void* image) {
    EMU_ENTER_CONTEXT("cuModuleLoadData", ctx);
    return load_explained(out, image, ctx, "cuModuleLoadData");
}

CUresult CUDAAPI cuModuleLoadFatBinary(CUmodule* out, const void* image) {
    EMU_ENTER_CONTEXT("cuModuleLoadFatBinary", ctx);
    return load_explained(out, image, ctx, "cuModuleLoadFatBinary");
}

CUresult CUDAAPI cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned int n, CUjit_option* options, void** values) {
    EMU_ENTER_CONTEXT("cuModuleLoadDataEx", ctx);
    if (n && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
    std::string why;
    CUresult r = load(out, image, ctx, why);
    char* buffer = nullptr;
    size_t bytes = 0;
    void** filled = nullptr;
    for (unsigned i = 0; i < n; i++) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
            bytes = reinterpret_cast<uintptr_t>(values[i]);
            filled = &values[i];
        }
        if (options[i] == CU_JIT_INFO_LOG_BUFFER && values[i]) *static_cast<char*>(values[i]) = 0;
    }
    if (buffer && bytes) {
        snprintf(buffer, bytes, "%s", why.c_str());
        *filled = reinterpret_cast<void*>(std::min(bytes, why.size()));
    } else if (r && !why.empty()) {
        fprintf(stderr, "emulator: cuModuleLoadDataEx: %s\n", why.c_str());
    }
    return r;
}

CUresult CUDAAPI cuModuleLoad(CUmodule* out, const char* path) {
    EMU_ENTER_CONTEXT("cuModuleLoad", ctx);
    if (!path) return CUDA_ERROR_INVALID_VALUE;
    std::ifstream in(path, std::ios::binary);
    if (!in) return CUDA_ERROR_FILE_NOT_FOUND;
    std::string image((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    return load_explained(out, image.c_str(), ctx, "cuModuleLoad");
}

CUresult CUDAAPI cuModuleUnload(CUmodule handle) {
    EMU_ENTER_CONTEXT("cuModuleUnload", ctx);
    CUmodule m = live(handle, Kind::module, "cuModuleUnload");
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult r = synchronise_all(m->ctx)) return r;
    for (auto& [_, held] : m->variables)
        if (held->state != Allocation::freed) release(held, "cuModuleUnload");
    for (auto& [_, f] : m->functions) retire(f);
    m->code = nullptr;
    retire(m);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
    EMU_ENTER_CONTEXT("cuModuleGetFunction", ctx);
    if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
    CUmodule m = live(handle, Kind::module, "cuModuleGetFunction");
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    const ptx::Kernel* kernel = m->code->find(name);
    if (!kernel) return CUDA_ERROR_NOT_FOUND;
    CUfunction& f = m->functions[name];
    if (!f) {
        f = new CUfunc_st(m, kernel);
        add(f);
    }
    *out = f;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunctionCount(unsigned int* count, CUmodule handle) {
    EMU_ENTER_CONTEXT("cuModuleGetFunctionCount", ctx);
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    CUmodule m = live(handle, Kind::module, "cuModuleGetFunctionCount");
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    *count = m->code->kernels().size();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetGlobal_v2(CUdeviceptr* p, size_t* bytes, CUmodule handle, const char* name) {
    EMU_ENTER_CONTEXT("cuModuleGetGlobal", ctx);
    if (!name) return CUDA_ERROR_INVALID_VALUE;
    CUmodule m = live(handle, Kind::module, "cuModuleGetGlobal");
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    for (auto& v : m->code->variables()) {
        if (v.name != name) continue;
        if (p) *p = v.address;
        if (bytes) *bytes = v.size;
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_NOT_FOUND;
}
