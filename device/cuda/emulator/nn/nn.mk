# The emulated cuDNN, cuBLASLt and cuBLAS: sources of each library, the stubs of what they leave out, and the comparison with
# NVIDIA's own libraries.
.DEFAULT_GOAL := all

NN_CORE := nn/parallel.cpp nn/gemm.cpp
NN_CUDNN := $(NN_CORE) $(patsubst %,nn/%.cpp,api descriptors conv conv_run conv_algorithms norm pool lrn softmax elementwise)
NN_CUBLASLT := $(NN_CORE) nn/matmul.cpp nn/cublaslt.cpp
NN_CUBLAS := $(NN_CORE) nn/matmul.cpp nn/cublas.cpp
CUDNN := $(NN_CUDNN) gen/cudnn.cpp
CUBLASLT := $(NN_CUBLASLT) gen/cublasLt.cpp
CUBLAS := $(NN_CUBLAS) gen/cublas.cpp

# stubs NAME HEADER OBJECTS PREFIXES
define nn_stubs
$(BUILD)/gen/$(1).cpp: nn/gen_stubs.py $(call objects,$(3))
	@mkdir -p $$(@D)
	echo '#include <$(2)>' | $(CXX) -E -P -x c++ -isystem $(CUDA_HOME)/include - -o $(BUILD)/gen/$(1).pre
	nm --defined-only $(call objects,$(3)) | awk '$$$$2 == "T" {print $$$$3}' | python3 nn/gen_stubs.py $(BUILD)/gen/$(1).pre $(2) $(4) > $$@.tmp && mv $$@.tmp $$@
$(BUILD)/gen/$(1).o: $(BUILD)/gen/$(1).cpp
	$$(CXX) $$(CXXFLAGS) -I. -c -o $$@ $$<
endef
$(eval $(call nn_stubs,cudnn,cudnn.h,$(NN_CUDNN),cudnn))
$(eval $(call nn_stubs,cublasLt,cublasLt.h,$(NN_CUBLASLT),cublasLt))
$(eval $(call nn_stubs,cublas,cublas_v2.h,$(NN_CUBLAS),cublas cublasLt))

# The descriptor functions against the real library, and every function bound against what the real ones export. Skipped, with a
# line, where the real libraries are not unpacked.
$(BUILD)/nn/descriptor_table: nn/descriptor_table.cpp | $(CUDA_HOME)/include/cuda.h
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -o $@ $< -ldl

test-real: $(BUILD)/nn/descriptor_table $(BUILD)/libcudnn.so.9 $(BUILD)/libcublasLt.so.13 $(BUILD)/libcublas.so.13
	@nn/test_real.sh $(BUILD) $(CUDA_HOME)
test: test-real
.PHONY: test-real
