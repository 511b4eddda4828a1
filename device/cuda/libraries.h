// libraries.h loads cuDNN and cuBLASLt, which a machine without a GPU need not have.
#pragma once

// fovea_load_libraries finds every function of bound.h. It returns 0, or 1 with the reason in *why.
int fovea_load_libraries(const char **why);
