#!/bin/sh
# Puts a CUDA toolkit into a cache folder, from NVIDIA's wheels on PyPI: no root, no installer, no GPU needed.
#
#   scripts/cuda_toolkit.sh [-12] [PART...]   install what is missing
#   scripts/cuda_toolkit.sh [-12] where       print the folder that holds the toolkit, and do nothing
#
# Parts (default: all): compiler (nvcc, ptxas, fatbinary and the headers they need, 105 MB to fetch),
# headers (cublasLt.h, cudnn.h, cuda.h: 1 GB to fetch, because the headers lie in the libraries' wheels, 30 MB kept),
# libraries (libcublas, libcublasLt, libcudnn, libcudart, libnvrtc, which the others load if they can, and the headers).
# With the headers come the names that each library exports, exports/SONAME, for scripts/cuda_bound.sh.
# -12 means CUDA 12.9 instead of 13.0: headers and libraries only, to check that the bindings compile against it.
#
# A toolkit of the same major version in CUDA_HOME is used instead. FOVEA_CUDA_DIR (FOVEA_CUDA12_DIR) moves the folder,
# FOVEA_CUDA_WHEELS names a folder of wheels that were fetched before; what is not there is fetched, and kept there if that may be.
set -eu

say() { echo "cuda toolkit: $*"; }
fail() { echo "cuda toolkit: $*" >&2; exit 1; }

# One wheel a line: part, file name, SHA-256, place on files.pythonhosted.org. The compiler is 13.0 because its PTX 9.0 is
# understood by every driver for CUDA 13.
wheels13() {
	cat <<-'LIST'
	compiler nvidia_cuda_nvcc-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03 71/8b/a546c12881fffeba927d810598987df25d74b8b241788c7db8dfc93b0173
	compiler,headers,libraries nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4 05/69/a1ec4d9f0747d85964206feb47bf359f48a2d6af74c0add8abba6efe3dda
	compiler nvidia_nvvm-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0 15/b0/ee41e6d1108d959b5097163e7190c2d0f7857dea75606ce358f0275891b4
	compiler,headers,libraries nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548 2e/24/d1558f3b68b1d26e706813b1d10aa1d785e4698c425af8db8edc3dced472
	compiler,headers,libraries nvidia_cuda_cccl-13.0.85-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649 ab/fb/0384bb2129bed6b1b39f8e44471c615ab5ab29b7e55817538a1d390d8f84
	libraries nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575 c3/68/483a78f5e8f31b08fb1bb671559968c0ca3a065ac7acabfc7cee55214fd6
	headers,libraries nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171 e7/44/423ac00af4dd95a5aeb27207e2c0d9b7118702149bf4704c3ddb55bb7429
	headers,libraries nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_x86_64.whl a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec ef/6f/94535c450d44a68ef0b43d7a5e54c0e5ecda2ca3db7daec5d54c8d94e0d8
	LIST
}

wheels12() {
	cat <<-'LIST'
	headers,libraries nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3 bc/46/a92db19b8309581092a3add7e6fceb4c301a3fd233969856a8cbf042cd3c
	headers,libraries nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0 25/48/b54a06168a2190572a312bfe4ce443687773eb61367ced31e064953dd2f7
	headers,libraries nvidia_cuda_cccl_cu12-12.9.27-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl 37869e17ce2e1ecec6eddf1927cca0f8c34e64fd848d40453df559091e2d7117 18/2a/d4cd8506d2044e082f8cd921be57392e6a9b5ccd3ffdf050362430a3d5d5
	headers,libraries nvidia_cublas_cu12-12.9.1.4-py3-none-manylinux_2_27_x86_64.whl 453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2 77/3c/aa88abe01f3be3d1f8f787d1d33dc83e76fec05945f9a28fbb41cfb99cd5
	headers,libraries nvidia_cudnn_cu12-9.28.0.42-py3-none-manylinux_2_27_x86_64.whl 9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375 ce/64/56ce3cad192cc75b50da3be44e36741ba963c84d3d2ca10aaa5ec16c49c3
	LIST
}

major=13
folder="${FOVEA_CUDA_DIR:-$HOME/.cache/fovea/cuda-13.0}"
all="compiler headers libraries"
if [ "${1:-}" = -12 ]; then
	shift
	major=12
	folder="${FOVEA_CUDA12_DIR:-$HOME/.cache/fovea/cuda-12}"
	all="headers libraries"
fi

own=
if [ -n "${CUDA_HOME:-}" ] && [ "$CUDA_HOME" != "$folder" ] && [ -x "$CUDA_HOME/bin/nvcc" ]; then
	own=$("$CUDA_HOME/bin/nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
fi
if [ "${1:-}" = where ]; then
	if [ "$own" = $major ]; then echo "$CUDA_HOME"; else echo "$folder"; fi
	exit 0
fi
for part; do
	case " $all " in
	*" $part "*) ;;
	*) echo "cuda toolkit: no part $part of CUDA $major, expected some of: $all (or: where)" >&2; exit 2 ;;
	esac
done
if [ "$own" = $major ]; then
	say "using the one in CUDA_HOME=$CUDA_HOME"
	exit 0
fi
[ "$(uname -sm)" = "Linux x86_64" ] || fail "the pinned wheels are for Linux x86_64, this is $(uname -sm): install CUDA $major and set CUDA_HOME"
for program in python3 nm; do
	command -v $program >/dev/null || fail "$program not found: it unpacks the wheels, or lists what libraries export"
done

stamp="$folder/.parts"
wanted="${*:-$all}"
have=
[ ! -f "$stamp" ] || have=$(cat "$stamp")
[ -d "$folder/exports" ] || have= # nothing, or made by an earlier version of this script
case " $have " in *" libraries "*) have="$have headers" ;; esac
missing=
for part in $wanted; do
	case " $have " in *" $part "*) ;; *) missing="$missing $part" ;; esac
done
if [ -z "$missing" ]; then
	say "$folder has $wanted"
	exit 0
fi
parts=$(for part in $have $wanted; do echo "$part"; done | sort -u | paste -sd ' ' -)

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.tmp.XXXXXX")
trap 'rm -rf "$work" "${FOVEA_CUDA_WHEELS:-$work}"/.*."$$"' EXIT
trap 'exit 130' INT TERM

# fetch FILE SHA256 PLACE leaves the wheel at $work/wheels/FILE.
fetch() {
	name=$(echo "$1" | cut -d- -f1 | tr _ -)
	version=$(echo "$1" | cut -d- -f2)
	if [ -n "${FOVEA_CUDA_WHEELS:-}" ] && [ -f "$FOVEA_CUDA_WHEELS/$1" ]; then
		ln -s "$(cd "$FOVEA_CUDA_WHEELS" && pwd)/$1" "$work/wheels/$1"
	else
		say "fetching $name $version"
		echo "$name==$version --hash=sha256:$2" >"$work/requirement"
		python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes --dest "$work/wheels" -r "$work/requirement" 2>"$work/pip.log" ||
			curl -fsSL --retry 3 -o "$work/wheels/$1" "https://files.pythonhosted.org/packages/$3/$1" ||
			fail "cannot fetch $1 with pip ($(tail -1 "$work/pip.log")) nor with curl"
	fi
	found=$(sha256sum "$work/wheels/$1" | cut -d' ' -f1)
	[ "$found" = "$2" ] || fail "$1 has SHA-256 $found, expected $2"
	if [ -w "${FOVEA_CUDA_WHEELS:-}" ] && [ ! -e "$FOVEA_CUDA_WHEELS/$1" ]; then
		cp "$work/wheels/$1" "$FOVEA_CUDA_WHEELS/.$1.$$"
		mv "$FOVEA_CUDA_WHEELS/.$1.$$" "$FOVEA_CUDA_WHEELS/$1"
	fi
}

mkdir -p "$work/wheels" "$work/tree/include" "$work/tree/lib" "$work/tree/exports"
"wheels$major" >"$work/list"
while read -r of file sum place; do
	use=
	for part in $parts; do
		case ",$of," in *",$part,"*) use="$use $part" ;; esac
	done
	[ -n "$use" ] || continue
	fetch "$file" "$sum" "$place"
	# nvidia/<package>/include/x lands at include/x, and likewise lib, bin and nvvm; headers alone leave the libraries behind.
	python3 - "$work/wheels/$file" "$work/tree" "$use" <<-'UNPACK'
	import os, shutil, subprocess, sys, tempfile, zipfile
	wheel, tree, parts = sys.argv[1], sys.argv[2], sys.argv[3].split()
	with zipfile.ZipFile(wheel) as z:
	    for entry in z.infolist():
	        place = entry.filename.split("/", 2)
	        if entry.is_dir() or len(place) < 3 or place[0] != "nvidia" or place[2].endswith("__init__.py"):
	            continue
	        path = place[2]
	        name = os.path.basename(path)
	        if name.startswith(("libcudnn.so.", "libcublas.so.", "libcublasLt.so.")):
	            with z.open(entry) as source, tempfile.NamedTemporaryFile(dir=tree) as library:
	                shutil.copyfileobj(source, library, 1 << 20)
	                library.flush()
	                symbols = subprocess.run(["nm", "-D", "--defined-only", library.name], check=True, capture_output=True, text=True).stdout
	            names = {line.split()[2].split("@")[0] for line in symbols.splitlines() if line.split()[1] == "T"}
	            with open(os.path.join(tree, "exports", name), "w") as sink:
	                sink.writelines(n + "\n" for n in sorted(names))
	        if parts == ["headers"] and not path.startswith("include/"):
	            continue
	        target = os.path.normpath(os.path.join(tree, path))
	        if not target.startswith(tree + os.sep):
	            sys.exit(f"{wheel}: {entry.filename} would leave the folder")
	        os.makedirs(os.path.dirname(target), exist_ok=True)
	        with z.open(entry) as source, open(target, "wb") as sink:
	            shutil.copyfileobj(source, sink, 1 << 20)
	        if path.startswith(("bin/", "nvvm/bin/")):
	            os.chmod(target, 0o755)
	UNPACK
	rm -f "$work/wheels/$file"
done <"$work/list"

# The linker looks for libx.so, nvcc for lib64.
for library in "$work"/tree/lib/lib*.so.*; do
	[ -e "$library" ] || continue
	plain=${library%%.so.*}.so
	[ -e "$plain" ] || ln -s "$(basename "$library")" "$plain"
done
ln -s lib "$work/tree/lib64"
echo "$parts" >"$work/tree/.parts"

[ ! -e "$folder" ] || mv "$folder" "$work/old"
mv "$work/tree" "$folder"
say "installed $parts in $folder ($(du -sh "$folder" | cut -f1))"
