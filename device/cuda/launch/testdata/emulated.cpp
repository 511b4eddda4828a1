// Runs the kernels' PTX with the emulator's executor, for kernels_test.go: the same conversation as host.cpp, and every access
// is checked against the allocations.
//
// usage: emulated FILE BYTES PTX. The answer to a launch is "ok READ WRITTEN INSTRUCTIONS", bytes as ptx.h counts them, or what went wrong.
#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "ptx.h"

const uint64_t BASE = 0x100000000000;

struct Allocations : ptx::Memory {
	uint8_t *host;
	std::map<uint64_t, uint64_t> sizes;

	bool find(uint64_t address, size_t bytes, bool, ptx::Extent &extent, std::string &why) override {
		auto next = sizes.upper_bound(address);
		if (next != sizes.begin()) {
			auto [base, size] = *--next;
			if (address + bytes <= base + size) {
				extent = {base, size, host + (base - BASE)};
				return true;
			}
			why = std::to_string(address - base) + " bytes into an allocation of " + std::to_string(size);
			return false;
		}
		why = "before all memory";
		return false;
	}
};

int main(int argc, char **argv) {
	if (argc != 4) return 2;
	Allocations memory;
	size_t bytes = strtoull(argv[2], nullptr, 10);
	memory.host = (uint8_t *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[1], O_RDWR), 0);
	if (memory.host == MAP_FAILED) return 1;
	std::ifstream file(argv[3]);
	std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
	auto module = ptx::Module::parse(text);
	std::string line;
	while (std::getline(std::cin, line)) {
		std::istringstream in(line);
		std::string name, hex;
		in >> name;
		if (name == "reset") {
			memory.sizes.clear();
			continue;
		}
		if (name == "alloc") {
			uint64_t address, size;
			in >> address >> size;
			memory.sizes[address] = size;
			continue;
		}
		ptx::Launch launch;
		in >> launch.grid.x >> launch.grid.y >> launch.grid.z >> launch.block.x >> launch.block.y >> launch.block.z >> launch.dynamic_shared >> hex;
		std::vector<uint8_t> args;
		for (size_t i = 0; i + 1 < hex.size(); i += 2) args.push_back(std::stoi(hex.substr(i, 2), nullptr, 16));
		launch.params = args.data();
		const ptx::Kernel *kernel = module->find(name);
		if (!kernel) {
			std::cout << "no kernel " << name << std::endl;
			continue;
		}
		if (args.size() != kernel->param_bytes) {
			std::cout << name << " takes " << kernel->param_bytes << " bytes of arguments, the launch has " << args.size() << std::endl;
			continue;
		}
		ptx::Traffic traffic;
		auto fault = ptx::run(*kernel, launch, memory, &traffic, 2);
		if (fault)
			std::cout << fault->what << std::endl;
		else
			std::cout << "ok " << traffic.read_bytes << ' ' << traffic.write_bytes << ' ' << traffic.instructions << std::endl;
	}
}
