//go:build cuda

// A jump for each function of bound.h, to where libraries.c has found it. The prototypes are those of NVIDIA's headers.
#define CUDNN(name) \
	.globl name ; .type name, @function ; name: movq fovea_found_##name(%rip), %r11 ; jmp *%r11 ;
#define CUBLASLT(name) CUDNN(name)
	.text
#include "bound.h"
	.section .note.GNU-stack, "", @progbits
