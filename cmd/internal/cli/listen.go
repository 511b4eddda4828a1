package cli

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Listen opens the address of a flag such as --serve, and says in one line where that is and for whom. A port alone
// ("8080" or ":8080") is for this machine only; port 0 is any that is free.
func Listen(ctx context.Context, flag, address string) (l net.Listener, line string, err error) {
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, "", Usagef("--%s: %q, expected PORT or HOST:PORT with a port of 0 to 65535", flag, address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if l, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port)); err != nil {
		return nil, "", fmt.Errorf("--%s: %w", flag, err)
	}
	at, whom := l.Addr().(*net.TCPAddr), "for this machine only"
	if !at.IP.IsLoopback() {
		whom = "for anyone who reaches this address"
	}
	return l, fmt.Sprintf("Serving on http://%s, %s", at, whom), nil
}

func splitAddress(address string) (host, port string, err error) {
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	if host, port, err = net.SplitHostPort(address); err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return host, port, err
}
