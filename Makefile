SHELL := /bin/bash
# What people and CI run. The pure-Go targets need Go alone; the CUDA ones bring their own compiler and libraries.
.PHONY: help test race generate train cuda-toolkit kernels cuda emulator test-emulator test-cuda cuda-bound cuda12 gpu-check-build gpu-check gpu-check-tests \
	gpu-check-bench gpu-check-emulated

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/@/' | column -t -s@

test: ## all tests of the pure-Go build
	go test ./...

# One goroutine computes in these; the detector would make their arithmetic ten times as slow and find nothing.
alone := kernels/.*|device/reference|device/devicetest|device/philox|device/cuda/launch

race: ## the fast tests under the race detector (needs a C compiler)
	go test -race -short -timeout 20m $$(go list ./... | grep -vxE 'fovea/($(alone))')

generate: ## write the assembly of kernels/amd64 again from its generator
	cd kernels/amd64/gen && for family in blocked linear norm parts pool pause tile winograd vector; do \
		go run . -family $$family -out ../gen_$$family.s -stubs ../gen_$$family.go -pkg amd64 || exit 1; done

train: ## train cnn-small on MNIST
	go run ./cmd/train

# ---- CUDA. Needs gcc, g++ and python3 with pip; no GPU and no driver.

toolkit = $(shell scripts/cuda_toolkit.sh where)
cuda-env = . scripts/cuda_env.sh &&

cuda-toolkit: ## CUDA 13.0's compiler, headers and libraries from PyPI, checked and cached (or CUDA_HOME)
	scripts/cuda_toolkit.sh

kernels: ## compile our kernels for every architecture
	scripts/cuda_toolkit.sh compiler headers
	kernels/cuda/build.sh

build/cuda/lib/libcuda.a: device/cuda/loader/build.sh device/cuda/loader/loader.c device/cuda/loader/loader.h device/cuda/include/cuda.h
	scripts/cuda_toolkit.sh headers
	device/cuda/loader/build.sh $(toolkit)/include build/cuda/lib

cuda: kernels build/cuda/lib/libcuda.a ## the programs with the CUDA device, in bin/
	$(cuda-env) go build -tags cuda -trimpath -o bin/ ./cmd/...

emulator: ## the emulated GPU's libraries
	scripts/cuda_toolkit.sh headers
	CUDA_HOME=$(toolkit) $(MAKE) -C device/cuda/emulator

test-emulator: emulator ## the emulated GPU's own tests
	CUDA_HOME=$(toolkit) $(MAKE) -C device/cuda/emulator test

test-cuda: kernels build/cuda/lib/libcuda.a emulator ## every suite on cuda:0 of the emulated GPU
	scripts/test_cuda.sh

cuda-bound: build/cuda/lib/libcuda.a ## every function we call is one of NVIDIA's libraries
	scripts/cuda_bound.sh

cuda12: kernels emulator ## the CUDA build against CUDA 12's headers, and a few tests of it
	scripts/cuda_toolkit.sh -12 headers
	scripts/cuda12.sh

gpu-check-build: kernels build/cuda/lib/libcuda.a ## pack tests and programs for a machine with a GPU and without Go: bin/gpu
	scripts/gpu_check_build.sh

gpu-check: ## on that machine: every device test, then measurements against PyTorch
	python3 scripts/gpu_check.py

gpu-check-tests: ## the first half of it
	python3 scripts/gpu_check.py tests

gpu-check-bench: ## the second; SECONDS_LEFT=570 bounds it, and calling it again goes on
	python3 scripts/gpu_check.py bench $(if $(SECONDS_LEFT),--seconds $(SECONDS_LEFT))

gpu-check-emulated: gpu-check-build emulator ## gpu-check, shortened, on the emulated GPU
	python3 scripts/gpu_check.py --emulated
