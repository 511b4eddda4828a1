// loader.c stands in for libcuda at link time and finds the real libcuda.so.1 at run time.
//
// A program that is linked against libcuda.so.1 does not start where there is no driver, and gorgonia.org/cu ends the
// process in its init if cuInit fails. Fovea's CUDA build must do neither: it says what is missing and runs on the CPU.
// So every driver function is a jump through a table (trampolines.S, made by build.sh from cuda.h), which the first call
// of cuInit fills from libcuda.so.1 by name. cuInit itself always succeeds; fovea_cuda_status tells what really happened.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "loader.h"

extern const char *const fovea_cuda_names[]; // in trampolines.S, with the table
extern void *fovea_cuda_table[];
extern const int fovea_cuda_count;

static int status = -1; // -1: not tried yet
static char message[512];

int fovea_cuda_missing(void) { return 3; } // CUDA_ERROR_NOT_INITIALIZED, whatever the arguments

static void load(void) {
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
	if (!library) {
		snprintf(message, sizeof message, "%s", dlerror());
		status = FOVEA_CUDA_NO_DRIVER;
		return;
	}
	for (int i = 0; i < fovea_cuda_count; i++) {
		void *found = dlsym(library, fovea_cuda_names[i]);
		if (found) fovea_cuda_table[i] = found;
	}
	int (*init)(unsigned) = (int (*)(unsigned))dlsym(library, "cuInit");
	status = init ? init(0) : FOVEA_CUDA_NO_DRIVER;
	if (!init) snprintf(message, sizeof message, "libcuda.so.1 has no cuInit");
}

int cuInit(unsigned flags) {
	(void)flags;
	if (status < 0) load();
	return 0;
}

int fovea_cuda_status(const char **why) {
	cuInit(0);
	*why = message;
	return status;
}
