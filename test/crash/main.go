// Command crash proves the promise that 200 means delivered, by doing its worst: it runs Caddy with this module as a process
// of its own, sends it signed events at a rate, and meanwhile kills it, reloads it, offers it broken configurations, stops it,
// cuts its backend, fills its disk, makes the disk fail, and lets two processes share one ledger. Then it compares what was acknowledged with what
// a recording backend has accepted, and with the ledger.
//
//	go run ./test/crash -n 200
//
// prints a table and the seed. The same seed replays the plan: the same faults in the same order with the same gaps. At which
// instruction of the process they fall is up to the machine. The exit code is 1 if a promise was broken; the folder with the
// ledger and Caddy's log is kept then, and named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddypay/caddypay/test/plant"
)

// options say how hard to try.
type options struct {
	kills    int           // kill -9
	seed     uint64        // of orders and faults
	rate     float64       // events a second
	bin      string        // the binary; empty: build cmd/caddy
	race     bool          // build it with the race detector
	disorder float64       // the share of refunds that do not wait until their payment was acknowledged
	silent   float64       // the share of the site's own payments whose webhook never comes
	drain    time.Duration // how long everything acknowledged may take to arrive after the last fault
	only     string        // the one fault that lasts; empty: all in turn
	steps    []step        // the plan; nil: it is dealt from the seed
	say      func(format string, args ...any)
}

func main() {
	o := options{say: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}}
	flag.IntVar(&o.kills, "n", 100, "how often to kill -9")
	flag.Uint64Var(&o.seed, "seed", 0, "replays the plan of a run (default: a new one)")
	flag.Float64Var(&o.rate, "rate", 200, "events per second")
	flag.StringVar(&o.bin, "bin", "", "the binary to test (default: build cmd/caddy)")
	flag.BoolVar(&o.race, "race", false, "build it with the race detector")
	flag.Float64Var(&o.disorder, "disorder", 0.1, "share of refunds sent without waiting for their payment")
	flag.Float64Var(&o.silent, "silent", 0.2, "share of the site's own payments whose webhook never comes: only asking finds them")
	flag.DurationVar(&o.drain, "drain", 3*time.Minute, "how long deliveries may take after the last fault")
	flag.StringVar(&o.only, "only", "", "the one lasting fault to use: "+strings.Join(lasting, ", "))
	flag.Parse()
	if o.only != "" && !slices.Contains(lasting, o.only) {
		fmt.Fprintf(os.Stderr, "crash: -only %s: use one of %s\n", o.only, strings.Join(lasting, ", "))
		os.Exit(2)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// errBroken says that a promise was broken; the report has the details.
var errBroken = errors.New("a promise was broken")

// run does it all and prints the table.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "caddypay-crash-")
	if err != nil {
		return err
	}
	if o.bin != "" {
		if o.bin, err = filepath.Abs(o.bin); err != nil { // it runs in another folder
			return err
		}
	} else {
		o.say("building cmd/caddy")
		o.bin = filepath.Join(dir, "caddy")
		if err := build(ctx, o.bin, o.race, ""); err != nil {
			return err
		}
	}
	rep, err := conduct(ctx, o, dir)
	if err != nil {
		return fmt.Errorf("%w (its folder is %s)", err, dir)
	}
	rep.print(os.Stdout)
	if len(rep.faults.list()) > 0 {
		return fmt.Errorf("%w; seed %d, ledger and log are in %s", errBroken, o.seed, dir)
	}
	return os.RemoveAll(dir)
}

// build links cmd/caddy, with some of its files replaced if overlay names a file that says so.
func build(ctx context.Context, to string, race bool, overlay string) error {
	return plant.Build(ctx, to, race, overlay)
}
