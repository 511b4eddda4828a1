// Package isa says which instruction sets this machine has and which one the kernels are to use.
//
// Every family of kernels has one implementation for each [Set]; the environment variable FOVEA_CPU forces one, so that
// each can be tested on one machine.
package isa
