// The machine: what the environment says is there.
#include "testing.h"

#include <dlfcn.h>

TEST(nothing_works_before_init) {
    int n;
    IS(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
    CUdeviceptr p;
    IS(cuMemAlloc(&p, 4), CUDA_ERROR_NOT_INITIALIZED);
    IS(cuInit(1), CUDA_ERROR_INVALID_VALUE);
}

TEST(no_gpu, {"FOVEA_EMU_NO_GPU=1"}) {
    IS(cuInit(0), CUDA_ERROR_NO_DEVICE);
    int version = 0;
    OK(cuDriverGetVersion(&version));  // the driver is there all the same
    EQUAL(version, 13000);
}

TEST(driver_too_old, {"FOVEA_EMU_DRIVER_VERSION=11000"}, 0, "PTX 9.0, which a driver of version 11000 cannot compile") {
    int version = 0;
    OK(cuDriverGetVersion(&version));
    EQUAL(version, 11000);
    Context c;
    CUmodule m;
    IS(cuModuleLoadData(&m, kernels_ptx().c_str()), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
}

TEST(driver_12_9_is_too_old_for_ptx_9, {"FOVEA_EMU_DRIVER_VERSION=12090"}, 0, "PTX 9.0") {
    Context c;
    CUmodule m;
    IS(cuModuleLoadData(&m, kernels_ptx().c_str()), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
}

TEST(device_out_of_range, {"FOVEA_EMU_DEVICES=2"}) {
    OK(cuInit(0));
    int n = 0;
    OK(cuDeviceGetCount(&n));
    EQUAL(n, 2);
    CUdevice d;
    OK(cuDeviceGet(&d, 1));
    IS(cuDeviceGet(&d, 2), CUDA_ERROR_INVALID_DEVICE);
    IS(cuDeviceGet(&d, -1), CUDA_ERROR_INVALID_DEVICE);
    CUcontext ctx;
    IS(cuDevicePrimaryCtxRetain(&ctx, 2), CUDA_ERROR_INVALID_DEVICE);
    IS(cuCtxCreate(&ctx, nullptr, 0, 7), CUDA_ERROR_INVALID_DEVICE);
    CUuuid a, b;
    OK(cuDeviceGetUuid(&a, 0));
    OK(cuDeviceGetUuid(&b, 1));
    CHECK(memcmp(&a, &b, sizeof a) != 0);
}

TEST(properties, {"FOVEA_EMU_COMPUTE=75", "FOVEA_EMU_MEMORY=123456789"}) {
    OK(cuInit(0));
    int value = 0;
    const struct {
        CUdevice_attribute attribute;
        int wanted;
    } rows[] = {
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 7}, {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 5},
        {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},               {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 65536},
        {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 40},    {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
    };
    for (auto& row : rows) {
        OK(cuDeviceGetAttribute(&value, row.attribute, 0));
        EQUAL(value, row.wanted);
    }
    IS(cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(0), 0), CUDA_ERROR_INVALID_VALUE);
    IS(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 1), CUDA_ERROR_INVALID_DEVICE);
    size_t bytes = 0;
    OK(cuDeviceTotalMem(&bytes, 0));
    EQUAL(bytes, 123456789u);
    char name[100], small[5];
    OK(cuDeviceGetName(name, sizeof name, 0));
    CHECK(strstr(name, "emulated"));
    OK(cuDeviceGetName(small, sizeof small, 0));
    EQUAL(strlen(small), 4u);
}

TEST(error_names_and_words) {
    const char* text = nullptr;
    OK(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
    CHECK(strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY") == 0);
    OK(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
    CHECK(strcmp(text, "illegal address") == 0);
    OK(cuGetErrorName(CUDA_SUCCESS, &text));
    CHECK(strcmp(text, "CUDA_SUCCESS") == 0);
    IS(cuGetErrorName(static_cast<CUresult>(123456), &text), CUDA_ERROR_INVALID_VALUE);
    CHECK(text == nullptr);
}

TEST(proc_address) {
    void* p = nullptr;
    CUdriverProcAddressQueryResult found;
    OK(cuGetProcAddress("cuMemAlloc", &p, 13000, CU_GET_PROC_ADDRESS_DEFAULT, &found));
    CHECK(p == reinterpret_cast<void*>(&cuMemAlloc));  // the header's cuMemAlloc_v2
    CHECK(found == CU_GET_PROC_ADDRESS_SUCCESS);
    void* fresh = nullptr;
    OK(cuGetProcAddress("cuCtxCreate", &fresh, 13000, CU_GET_PROC_ADDRESS_DEFAULT, nullptr));
    CHECK(fresh == reinterpret_cast<void*>(&cuCtxCreate));
    OK(cuGetProcAddress("cuCtxCreate", &p, 12090, CU_GET_PROC_ADDRESS_DEFAULT, nullptr));
    CHECK(p != fresh);
    OK(cuGetProcAddress("cuMemcpyAsync", &p, 13000, CU_GET_PROC_ADDRESS_DEFAULT, nullptr));
    OK(cuGetProcAddress("cuMemcpyAsync", &fresh, 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, nullptr));
    CHECK(p != fresh);
    IS(cuGetProcAddress("cuNothing", &p, 13000, CU_GET_PROC_ADDRESS_DEFAULT, &found), CUDA_ERROR_NOT_FOUND);
    CHECK(found == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
}

TEST(what_is_not_modelled_says_so, {}, 0, "not modelled: cuTexRefCreate") {
    Context c;
    CUtexref t;
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    IS(cuTexRefCreate(&t), CUDA_ERROR_NOT_SUPPORTED);
}

TEST(older_entry_points_are_exported) {
    void* lib = dlopen("libcuda.so.1", RTLD_NOW);
    CHECK(lib);
    for (const char* name : {"cuCtxCreate_v2", "cuMemAdvise", "cuMemPrefetchAsync", "cuGraphAddDependencies", "cuGraphGetEdges", "cuStreamDestroy",
                             "cuDevicePrimaryCtxRelease", "cuGetProcAddress", "cuMemcpyHtoDAsync_v2_ptsz", "emu_control"})
        if (!dlsym(lib, name)) failed(__FILE__, __LINE__, std::string("not exported: ") + name);
    OK(cuInit(0));
    CUcontext ctx;
    auto create = reinterpret_cast<CUresult (*)(CUcontext*, unsigned, CUdevice)>(dlsym(lib, "cuCtxCreate_v2"));
    OK(create(&ctx, 0, 0));
    CUstream s;
    OK(cuStreamCreate(&s, 0));
    auto destroy = reinterpret_cast<CUresult (*)(CUstream)>(dlsym(lib, "cuStreamDestroy"));  // the version of CUDA 3
    OK(destroy(s));
    OK(cuCtxDestroy(ctx));
}
