//go:build cuda

#include "libraries.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>

#if CUDA_VERSION >= 13000
#define FOVEA_CUBLASLT "libcublasLt.so.13"
#else
#define FOVEA_CUBLASLT "libcublasLt.so.12"
#endif

#define CUDNN(name) void *fovea_found_##name;
#define CUBLASLT(name) void *fovea_found_##name;
#include "bound.h"
#undef CUDNN
#undef CUBLASLT

static char message[512];

static void *open_library(const char *soname) {
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!library) snprintf(message, sizeof message, "%s", dlerror());
	return library;
}

static int find(void *library, const char *name, void **where) {
	*where = dlsym(library, name);
	if (!*where) snprintf(message, sizeof message, "%s", dlerror());
	return *where != NULL;
}

int fovea_load_libraries(const char **why) {
	static int loaded;
	*why = message;
	if (loaded) return 0;
	void *cublaslt = open_library(FOVEA_CUBLASLT);
	if (!cublaslt) return 1;
	void *cudnn = open_library("libcudnn.so.9");
	if (!cudnn) return 1;
#define CUDNN(name) if (!find(cudnn, #name, &fovea_found_##name)) return 1;
#define CUBLASLT(name) if (!find(cublaslt, #name, &fovea_found_##name)) return 1;
#include "bound.h"
	loaded = 1;
	return 0;
}
