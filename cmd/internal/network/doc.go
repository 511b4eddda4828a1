// Package network is how programs are told which trained network to use, get it, and make samples of pictures for it.
package network
