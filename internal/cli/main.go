package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Main runs fwc with the process's arguments and streams and returns its exit
// code. SIGINT and SIGTERM cancel what runs; a second one kills.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	go func() {
		<-ctx.Done()
		stop()
	}()
	return Run(ctx, os.Args, Std())
}
