// Command power proves that 200 means durable when the power fails. It runs Caddy with this module under strace, which records each call that
// changes the ledger's files and each answer that goes out; makes from the record the states in which a power failure may leave the disk; opens
// the ledger in each as Caddy's start does; and compares it with what had gone out before.
//
//	go run ./test/power -n 1000
//
// prints a table and the seed. The same seed on the same record makes the same states: when a promise was broken the folder with the record is
// kept, and -record names it. The exit code is 1 then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddypay/caddypay"
)

// caddyVariable makes this program the Caddy that is recorded.
const caddyVariable = "POWER_CADDY"

func main() {
	if os.Getenv(caddyVariable) != "" {
		caddycmd.Main()
		return
	}
	o := options{copies: true}
	flag.IntVar(&o.states, "n", 1000, "how many states of the disk to look at")
	flag.Uint64Var(&o.seed, "seed", 0, "makes the same states of the same record (default: a new one)")
	flag.IntVar(&o.events, "events", 900, "how many webhooks to send while everything is recorded")
	flag.StringVar(&o.bin, "bin", "", "the Caddy to record (default: the one in this program)")
	dir := flag.String("record", "", "the folder of a record to look at again")
	flag.Parse()
	o.say = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
		os.Exit(1)
	}
}

// options say how hard to try.
type options struct {
	states int
	seed   uint64
	events int    // that are sent, at least
	copies bool   // so many more are sent that a process copies the -wal file into the ledger's own while they come
	bin    string // empty: this program

	until *regexp.Regexp // to find this ends the search; nil: nothing does
	where []where        // the power fails; nil: everywhere, where much can go wrong more often
	pass  int            // states that are dealt with each time that the record is gone through; 0: as many as are wanted
	say   func(format string, args ...any)
}

var errBroken = errors.New("a promise was broken")

// run records, unless there is a record, and prints what comes of it.
func run(ctx context.Context, o options, dir string) (err error) {
	given := dir != ""
	if !given {
		if dir, err = os.MkdirTemp("", "caddypay-power-"); err != nil {
			return err
		}
		if err := makeRecord(ctx, o, dir); err != nil {
			return fmt.Errorf("%w (its folder is %s)", err, dir)
		}
	}
	rec, err := readRecord(dir)
	if err != nil {
		return fmt.Errorf("%w (its folder is %s)", err, dir)
	}
	if err := rec.complete(); err != nil {
		return fmt.Errorf("%w (its folder is %s)", err, dir)
	}
	rep, err := rec.look(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (its folder is %s)", err, dir)
	}
	rep.print(os.Stdout)
	if len(rep.broken) > 0 {
		return fmt.Errorf("%w; -record %s -seed %d shows it again", errBroken, dir, o.seed)
	}
	if given {
		return nil
	}
	return os.RemoveAll(dir)
}
