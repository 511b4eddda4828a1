# What a CUDA build needs to know, for the shell that sources this: . scripts/cuda_env.sh
# The headers come from CUDA_HOME or where scripts/cuda_toolkit.sh puts them; build/cuda/lib has the stand-in for libcuda.
# With FOVEA_CUDA=12 those of CUDA 12, and build/cuda12/lib.
fovea_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
case ${FOVEA_CUDA:-13} in
12) fovea_cuda=$("$fovea_root/scripts/cuda_toolkit.sh" -12 where) fovea_lib=$fovea_root/build/cuda12/lib ;;
*) fovea_cuda=$("$fovea_root/scripts/cuda_toolkit.sh" where) fovea_lib=$fovea_root/build/cuda/lib ;;
esac
# The Go build cache does not look into headers: their checksum does it.
fovea_headers=$(cat "$fovea_root/device/cuda/include/cuda.h" "$fovea_cuda/include/cuda.h" "$fovea_cuda/include/cudnn_version.h" \
    "$fovea_cuda/include/cublasLt.h" 2>/dev/null | cksum | cut -d' ' -f1)
export CGO_ENABLED=1
export CGO_CFLAGS="-I$fovea_root/device/cuda/include -I$fovea_cuda/include -DFOVEA_CUDA_HEADERS=$fovea_headers"
export CGO_LDFLAGS="-L$fovea_lib"
