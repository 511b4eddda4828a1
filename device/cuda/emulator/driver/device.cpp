// The machine: cuInit, the driver's version, devices and their properties.
#include "driver.h"

#include <cstdlib>
#include <cstring>
#include <sstream>

namespace emu {

Machine machine;

static uint64_t environment(const char* name, uint64_t otherwise) {
    const char* text = getenv(name);
    if (!text || !*text) return otherwise;
    char* end = nullptr;
    uint64_t value = strtoull(text, &end, 10);
    if (*end) {
        fprintf(stderr, "emulator: %s: %s is not a number\n", name, text);
        return otherwise;
    }
    return value;
}

int driver_version() { return machine.ready ? machine.driver : environment("FOVEA_EMU_DRIVER_VERSION", 13000); }

struct Chip {
    int compute, shared_optin, shared_sm, threads_sm, blocks_sm, multiprocessors;
};

// From "Technical Specifications per Compute Capability" in NVIDIA's programming guide; multiprocessors of one product each.
static const Chip chips[] = {
    {75, 64 << 10, 64 << 10, 1024, 16, 40},    // T4
    {80, 163 << 10, 164 << 10, 2048, 32, 108},  // A100
    {86, 99 << 10, 100 << 10, 1536, 16, 84},    // A40
    {89, 99 << 10, 100 << 10, 1536, 24, 142},   // L40
    {90, 227 << 10, 228 << 10, 2048, 32, 132},  // H100
    {100, 227 << 10, 228 << 10, 2048, 32, 148}, // B200
    {120, 99 << 10, 100 << 10, 1536, 24, 170},  // RTX 5090
};

static const Chip& chip() {
    const Chip* best = &chips[0];
    for (auto& c : chips)
        if (c.compute <= machine.compute) best = &c;
    return *best;
}

static CUresult check_device(CUdevice dev) { return dev < 0 || dev >= machine.devices ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS; }

int attribute(CUdevice_attribute a, CUdevice dev, bool& known) {
    const Chip& c = chip();
    known = true;
    switch (a) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return c.shared_optin;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return c.shared_sm;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return c.compute >= 80 ? 1024 : 0;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 64 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1500000;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 2600000;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 5120;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 50 << 20;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return c.multiprocessors;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return c.threads_sm;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return c.blocks_sm;
    case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT: return 0;
    case CU_DEVICE_ATTRIBUTE_INTEGRATED: return 0;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY: return 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: return CU_COMPUTEMODE_DEFAULT;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: return 1;
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED: return 1;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return dev + 1;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: return 0;
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID: return 0;
    case CU_DEVICE_ATTRIBUTE_TCC_DRIVER: return 0;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 3;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return machine.compute / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return machine.compute % 10;
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED: return 1;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED: return 1;
    case CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED: return 1;
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY: return 0;
    case CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD: return 0;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED: return 1;
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: return 0;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return 1;
    default: known = false; return 0;
    }
}

}  // namespace emu

using namespace emu;

CUresult CUDAAPI cuInit(unsigned int flags) {
    std::lock_guard<std::recursive_mutex> hold(big);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (machine.ready) return CUDA_SUCCESS;
    if (environment("FOVEA_EMU_NO_GPU", 0)) return CUDA_ERROR_NO_DEVICE;
    Machine m;
    m.devices = environment("FOVEA_EMU_DEVICES", 1);
    if (m.devices < 1) return CUDA_ERROR_NO_DEVICE;
    m.driver = environment("FOVEA_EMU_DRIVER_VERSION", 13000);
    m.compute = environment("FOVEA_EMU_COMPUTE", 90);
    m.memory = environment("FOVEA_EMU_MEMORY", uint64_t{8} << 30);
    m.threads = environment("FOVEA_EMU_THREADS", std::thread::hardware_concurrency());
    if (m.threads < 1) m.threads = 1;
    m.ready = true;
    machine = m;
    start_report();
    if (const char* text = getenv("FOVEA_EMU_CONTROL")) {
        std::istringstream commands(text);
        for (std::string command; std::getline(commands, command, ';');) emu_control(command.c_str());
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDriverGetVersion(int* version) {
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = driver_version();
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetCount(int* count) {
    EMU_ENTER("cuDeviceGetCount");
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = machine.devices;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGet(CUdevice* device, int ordinal) {
    EMU_ENTER("cuDeviceGet");
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(ordinal)) return r;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetName(char* name, int len, CUdevice dev) {
    EMU_ENTER("cuDeviceGetName");
    if (!name || len < 1) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    snprintf(name, len, "Fovea emulated GPU (compute %d.%d)", machine.compute / 10, machine.compute % 10);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice dev) {
    EMU_ENTER("cuDeviceGetAttribute");
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    if (attribute < 1 || attribute >= CU_DEVICE_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
    bool known;
    *value = emu::attribute(attribute, dev, known);
    if (!known) emu_unsupported(("cuDeviceGetAttribute, attribute " + std::to_string(attribute) + " (answers 0)").c_str());
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceTotalMem_v2(size_t* bytes, CUdevice dev) {
    EMU_ENTER("cuDeviceTotalMem");
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    *bytes = machine.memory;
    return CUDA_SUCCESS;
}

static CUresult uuid_of(CUuuid* uuid, CUdevice dev) {
    if (!uuid) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    memcpy(uuid->bytes, "fovea-emulated-\0", 16);
    uuid->bytes[15] = static_cast<char>(dev);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetUuid(CUuuid* uuid, CUdevice dev) {
    EMU_ENTER("cuDeviceGetUuid");
    return uuid_of(uuid, dev);
}

CUresult CUDAAPI cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice dev) {
    EMU_ENTER("cuDeviceGetUuid");
    return uuid_of(uuid, dev);
}

CUresult CUDAAPI cuDeviceGetPCIBusId(char* text, int len, CUdevice dev) {
    EMU_ENTER("cuDeviceGetPCIBusId");
    if (!text || len < 13) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    snprintf(text, len, "0000:%02x:00.0", dev + 1);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceComputeCapability(int* major, int* minor, CUdevice dev) {
    EMU_ENTER("cuDeviceComputeCapability");
    if (!major || !minor) return CUDA_ERROR_INVALID_VALUE;
    if (CUresult r = check_device(dev)) return r;
    *major = machine.compute / 10;
    *minor = machine.compute % 10;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceCanAccessPeer(int* can, CUdevice dev, CUdevice peer) {
    EMU_ENTER("cuDeviceCanAccessPeer");
    if (!can) return CUDA_ERROR_INVALID_VALUE;
    if (check_device(dev) || check_device(peer)) return CUDA_ERROR_INVALID_DEVICE;
    *can = 0;
    return CUDA_SUCCESS;
}
