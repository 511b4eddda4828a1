// Runs the kernels' sources on the CPU, for kernels_test.go: each thread of a block is a coroutine, which barriers and
// shuffles suspend. It checks the formulas, the blocking and the arguments; that nvcc's output does the same is what the
// emulated GPU checks.
//
// usage: host FILE BYTES: the file is device memory, mapped at 0x100000000000. Lines on stdin are "alloc ADDRESS BYTES" and
// "reset", which only the emulator heeds, and "kernel gx gy gz bx by bz shared hexargs"; the answer to that is a line, "ok" or
// what went wrong.
#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

struct dim3 {
	unsigned x, y, z;
};
struct float4 {
	float x, y, z, w;
};
struct uint4 {
	unsigned x, y, z, w;
};
struct uint2 {
	unsigned x, y;
};
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }

static dim3 blockIdx, blockDim, gridDim, threadIdx;

template <class To, class From> To bits_of(From v) {
	To to;
	memcpy(&to, &v, sizeof to);
	return to;
}
static float __uint_as_float(unsigned v) { return bits_of<float>(v); }
static unsigned __float_as_uint(float v) { return bits_of<unsigned>(v); }

template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(...)
#define DYNAMIC_SHARED(name) static float name[(48 << 10) / 4]
#define __syncthreads() barrier(__LINE__)

const int MOST = 256, STACK = 128 << 10;
static ucontext_t scheduler, contexts[MOST]; // to start a thread; from then on jumps do, which need no system call
static jmp_buf home, places[MOST];
static char stacks[MOST][STACK];
static int waiting[MOST]; // the line of the barrier, -1 when done, -2 before the start
static std::function<void()> body;
static std::string fault;
static unsigned exchange[MOST];

static void barrier(int line) {
	int t = threadIdx.x;
	waiting[t] = line;
	if (!_setjmp(places[t])) _longjmp(home, 1);
}

static unsigned shuffle(unsigned mine, int step) {
	int t = threadIdx.x;
	exchange[t] = mine;
	barrier(1 << 20);
	unsigned theirs = exchange[t ^ step];
	barrier(1 << 21);
	return theirs;
}
static float __shfl_xor_sync(unsigned, float v, int step) { return bits_of<float>(shuffle(bits_of<unsigned>(v), step)); }
static int __shfl_xor_sync(unsigned, int v, int step) { return (int)shuffle((unsigned)v, step); }

static void thread() {
	body();
	int t = threadIdx.x;
	waiting[t] = -1;
	_longjmp(home, 1);
}

static void run_block(int threads) {
	for (int t = 0; t < threads; t++) {
		waiting[t] = -2; // not started
		contexts[t].uc_stack.ss_sp = stacks[t];
		contexts[t].uc_stack.ss_size = STACK;
		contexts[t].uc_link = nullptr;
		makecontext(&contexts[t], thread, 0);
	}
	for (;;) {
		int line = 0, done = 0;
		for (int t = 0; t < threads; t++) {
			if (waiting[t] == -1) {
				done++;
				continue;
			}
			threadIdx = {(unsigned)t, 0, 0};
			if (!_setjmp(home)) {
				if (waiting[t] == -2) setcontext(&contexts[t]);
				_longjmp(places[t], 1);
			}
			if (waiting[t] == -1) {
				done++;
				continue;
			}
			if (line == 0) line = waiting[t];
			if (line != waiting[t]) fault = "threads wait at different barriers";
		}
		if (done == threads) return;
		if (done > 0) fault = "some threads wait at a barrier, others are done";
		if (!fault.empty()) return;
	}
}

static const bool once = [] {
	for (auto &c : contexts) getcontext(&c);
	return true;
}();

#include "kernels.cu"

template <class... A> struct Decode;
template <> struct Decode<> {
	template <class F, class... Done> static void call(F f, const char *, size_t at, size_t size, Done... done) {
		if (at != size) {
			fault = "the kernel takes " + std::to_string(at) + " bytes of arguments, the launch has " + std::to_string(size);
			return;
		}
		body = [=] { f(done...); };
	}
};
template <class First, class... Rest> struct Decode<First, Rest...> {
	template <class F, class... Done> static void call(F f, const char *args, size_t at, size_t size, Done... done) {
		at = (at + alignof(First) - 1) / alignof(First) * alignof(First);
		if (at + sizeof(First) > size) {
			fault = "the launch has too few arguments: " + std::to_string(size) + " bytes";
			return;
		}
		First value;
		memcpy(&value, args + at, sizeof value);
		Decode<Rest...>::call(f, args, at + sizeof value, size, done..., value);
	}
};
template <class... A> std::function<void(const std::string &)> entry(void (*f)(A...)) {
	return [f](const std::string &args) { Decode<A...>::call(f, args.data(), 0, args.size()); };
}

static std::map<std::string, std::function<void(const std::string &)>> kernels = {
#include "entries.inc"
};

int main(int argc, char **argv) {
	if (argc != 3) return 2;
	int file = open(argv[1], O_RDWR);
	void *base = (void *)0x100000000000;
	if (mmap(base, strtoull(argv[2], nullptr, 10), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != base) return 1;
	std::string line;
	while (std::getline(std::cin, line)) {
		std::istringstream in(line);
		std::string name, hex, args;
		unsigned shared;
		in >> name;
		if (name == "alloc" || name == "reset") continue;
		in >> gridDim.x >> gridDim.y >> gridDim.z >> blockDim.x >> blockDim.y >> blockDim.z >> shared >> hex;
		for (size_t i = 0; i + 1 < hex.size(); i += 2) args += (char)std::stoi(hex.substr(i, 2), nullptr, 16);
		fault.clear();
		auto found = kernels.find(name);
		if (found == kernels.end())
			fault = "no kernel " + name;
		else if (shared > 48 << 10)
			fault = "more than 48 KiB of shared memory";
		else
			found->second(args);
		for (unsigned y = 0; fault.empty() && y < gridDim.y; y++)
			for (unsigned x = 0; fault.empty() && x < gridDim.x; x++) {
				blockIdx = {x, y, 0};
				run_block(blockDim.x);
			}
		std::cout << (fault.empty() ? "ok" : name + ": " + fault) << std::endl;
	}
}
