# What a CUDA build needs to know, for the shell that sources this: . scripts/cuda_env.sh
# The headers come from CUDA_HOME or where scripts/cuda_toolkit.sh puts them; build/cuda/lib has the stand-in for libcuda.
fovea_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
fovea_cuda=${CUDA_HOME:-${FOVEA_CUDA_DIR:-$HOME/.cache/fovea/cuda-13.0}}
export CGO_ENABLED=1
export CGO_CFLAGS="-I$fovea_root/device/cuda/include -I$fovea_cuda/include"
export CGO_LDFLAGS="-L$fovea_root/build/cuda/lib"
