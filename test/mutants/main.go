// Command mutants makes small changes to the code that decides over money, one at a time, and says which of them no test notices.
//
//	go run ./test/mutants -n 100
//
// tries a sample and prints its seed; without -n all are tried. All mutants of a group of packages (targets.go) are compiled into its test binaries
// once, switched off; each test says to which it makes a difference, and a mutant is tried against those tests alone. What was found is
// kept in a folder outside the repository, so that an interrupted run goes on where it was, as long as neither code nor tests change. Where
// tests are added in files of their own, only what survived is tried again, by those. A group of three thousand mutants takes about half an hour on
// two cores that nothing else uses much, and minutes after tests were added; -only '^relay/' are those of one group.
//
// The exit code is 1 when a mutant survives that survivors.txt does not name, when an entry there names none that survives the first seconds of its
// tests, or when more of a group survive than one in ten of a hundred or more.
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
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// options say what to try.
type options struct {
	n       int // 0: all
	seed    uint64
	workers int
	only    *regexp.Regexp // nil: all
	dir     string         // for what is found
	list    string         // of survivors
	most    time.Duration  // 0: as long as it takes
	show    bool
	say     func(string, ...any)
}

func main() {
	o := options{}
	flag.IntVar(&o.n, "n", 0, "how many mutants to try (default: all)")
	flag.Uint64Var(&o.seed, "seed", 0, "makes the same sample of the same code (default: a new one)")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many to try at the same time (default: one for each CPU)")
	flag.StringVar(&o.dir, "results", "", "a folder for what is found (default: in the user's cache)")
	flag.StringVar(&o.list, "list", "test/mutants/survivors.txt", "the survivors that are known, with reasons")
	flag.DurationVar(&o.most, "most", 0, "for a first look: how long the tests of one mutant may take, by the time that they take without one (default: all of them are run)")
	flag.BoolVar(&o.show, "show", false, "print the mutants, and try none")
	only := flag.String("only", "", "a pattern: only mutants whose file, function or change fits (ledger/core/judge.go late: …)")
	flag.Parse()
	o.say = func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := func() (err error) {
		if o.seed == 0 {
			o.seed = rand.Uint64()
		}
		if *only != "" {
			if o.only, err = regexp.Compile(*only); err != nil {
				return err
			}
		}
		if o.dir == "" {
			cache, err := os.UserCacheDir()
			if err != nil {
				return err
			}
			o.dir = filepath.Join(cache, "caddypay-mutants")
		}
		module, err := os.Getwd()
		if err != nil {
			return err
		}
		return run(ctx, o, module, groups)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries what is wanted of the groups of a module, and prints what came of it.
func run(ctx context.Context, o options, module string, groups []group) error {
	list, err := os.Open(o.list)
	if err != nil {
		return err
	}
	defer list.Close()
	excuses, err := readExcuses(list)
	if err != nil {
		return fmt.Errorf("%s: %w", o.list, err)
	}
	var (
		pkgs   = make([][]*loaded, len(groups))
		ms     = make([][]*mutant, len(groups))
		exists = named{}
		wanted []*mutant
		of     = map[*mutant]int{} // the group
	)
	for i, g := range groups {
		if pkgs[i], err = load(module, g.changed); err != nil {
			return err
		}
		ms[i] = mutantsOf(pkgs[i])
		for _, m := range ms[i] {
			of[m] = i
			exists.add(m.key, g)
			if rel, err := filepath.Rel(module, m.file); err == nil && (o.only == nil || o.only.MatchString(rel+" "+m.key)) {
				wanted = append(wanted, m)
			}
		}
	}
	if o.n > 0 && o.n < len(wanted) {
		o.say("%d of %d mutants, with seed %d", o.n, len(wanted), o.seed)
		r := rand.New(rand.NewPCG(o.seed, 0))
		r.Shuffle(len(wanted), func(i, j int) { wanted[i], wanted[j] = wanted[j], wanted[i] })
		wanted = wanted[:o.n]
	}
	if len(wanted) == 0 {
		return errors.New("there is no such mutant")
	}
	if o.show {
		for _, m := range wanted {
			fmt.Printf("%s:%d\t%s\n", m.file, m.line, m.key)
		}
		return nil
	}
	var results []result
	fmt.Printf("%-10s %8s %8s %8s %8s %8s %10s\n", "", "mutants", "noticed", "hung", "survived", "unreached", "took")
	for i, g := range groups {
		part := slices.DeleteFunc(slices.Clone(wanted), func(m *mutant) bool { return of[m] != i })
		if len(part) == 0 {
			continue
		}
		start := time.Now()
		b, err := prepare(ctx, module, o.dir, g, pkgs[i], ms[i], o.say)
		if err != nil {
			return err
		}
		listed := func(m *mutant) bool {
			key := exists.name(m.key, g)
			return slices.ContainsFunc(excuses, func(e excuse) bool { return e.key == key })
		}
		found, err := b.try(ctx, part, listed, o.workers, o.most, o.say)
		if err != nil {
			return err
		}
		count := map[verdict]int{}
		for _, r := range found {
			r.Key, r.group = exists.name(r.Key, g), g.name
			results = append(results, r)
			count[r.Verdict]++
		}
		fmt.Printf("%-10s %8d %8d %8d %8d %8d %10s\n", g.name, len(found), count[noticed], count[hung], count[survived], count[unreached], time.Since(start).Round(time.Second))
	}
	return judge(os.Stdout, excuses, exists, results)
}
