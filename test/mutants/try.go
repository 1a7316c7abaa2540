package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// verdict is what became of a mutant.
type verdict string

const (
	noticed   verdict = "noticed"   // a test failed
	hung      verdict = "hung"      // a test took too long, which is noticed as well
	survived  verdict = "survived"  // the tests that come by it all pass
	unreached verdict = "unreached" // no test comes by it, or none so that it makes a difference: it survived too
)

func (v verdict) alive() bool { return v == survived || v == unreached }

// result is a line of the file that lets an interrupted run go on.
type result struct {
	Key     string
	Verdict verdict
	By      string `json:",omitempty"` // the test that noticed, or those of which one did
	In      string `json:",omitempty"` // and their package
	Cut     bool   `json:",omitempty"` // not all tests were run
	group   string
}

// bench is a group with everything in place to try its mutants.
type bench struct {
	group   group
	mutants []*mutant
	units   []*unit // those first that are quick and about little, which notice most for their time
	known   map[string]result
	passed  map[string]map[string]bool // by the mutants that survived earlier runs, the tests that did not notice them
	file    string                     // of results

	mu  sync.Mutex
	apt map[string]map[string]int // by functions, how many of its mutants a test has noticed
}

// prepare compiles a group, and finds out which tests come by which mutants, unless a file in the folder says so of the same code and tests.
func prepare(ctx context.Context, module, dir string, g group, pkgs []*loaded, ms []*mutant, say func(string, ...any)) (*bench, error) {
	dir = filepath.Join(dir, g.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	bins, print, err := build(ctx, module, dir, g, pkgs, ms)
	if err != nil {
		return nil, err
	}
	b := &bench{group: g, mutants: ms, file: filepath.Join(dir, print+".results"), known: map[string]result{}, passed: map[string]map[string]bool{}, apt: map[string]map[string]int{}}
	now, err := stateOf(module, g, ms)
	if err != nil {
		return nil, err
	}
	if err := b.takeUp(dir, print, now); err != nil {
		return nil, err
	}
	if err := b.measure(ctx, bins, filepath.Join(dir, print+".tests"), say); err != nil {
		return nil, err
	}
	slices.SortFunc(b.units, func(a, c *unit) int {
		return cmp.Or(cmp.Compare(a.cost(), c.cost()), cmp.Compare(a.Package, c.Package), cmp.Compare(a.Name, c.Name))
	})
	found, err := readResults(b.file)
	for _, r := range found {
		b.known[r.Key] = r
	}
	for _, r := range b.known {
		b.learn(r)
	}
	return b, err
}

// measure finds out what the tests come by of which that is not known, and keeps it in a file.
func (b *bench) measure(ctx context.Context, bins []*binary, file string, say func(string, ...any)) error {
	var all []*unit
	for i, bin := range bins {
		us, err := bin.units(ctx, b.group.tests[i], b.units, say)
		if err != nil {
			return err
		}
		all = append(all, us...)
	}
	b.units = all
	data, err := json.Marshal(b.units)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// readResults reads what a run found out.
func readResults(file string) (found []result, err error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var r result
		if json.Unmarshal(s.Bytes(), &r) == nil { // the last line may be a half
			found = append(found, r)
		}
	}
	return found, s.Err()
}

// listedMost is how long the tests of a mutant may take that is on the list, by the time that they take without one: whether one that is slower notices it
// all the same is not worth the hours that it takes to run them all.
const listedMost = 3 * time.Second

// try tries the mutants that are wanted, and returns what became of each.
func (b *bench) try(ctx context.Context, wanted []*mutant, listed func(*mutant) bool, workers int, most time.Duration, say func(string, ...any)) ([]result, error) {
	f, err := os.OpenFile(b.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		todo    = make(chan *mutant)
		results []result
	)
	keep := func(r result, fresh bool) error {
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
		if r.Verdict.alive() {
			say("%s %d/%d %s: %s", b.group.name, len(results), len(wanted), r.Verdict, r.Key)
		} else if len(results)%50 == 0 {
			say("%s %d/%d", b.group.name, len(results), len(wanted))
		}
		if !fresh {
			return nil
		}
		line, err := json.Marshal(r)
		if err == nil {
			_, err = f.Write(append(line, '\n'))
		}
		return err
	}
	for range workers {
		wg.Go(func() {
			for m := range todo {
				limit := most
				if listed(m) && (most == 0 || most > listedMost) {
					limit = listedMost
				}
				r, known := b.known[m.key]
				if known = known && (!r.Cut || limit > 0); !known {
					r = b.one(ctx, m, limit)
					if listed(m) && !r.Verdict.alive() { // a machine that is busy fails a test now and then
						r = b.one(ctx, m, limit)
					}
				}
				if ctx.Err() != nil {
					continue
				}
				if err := keep(r, !known && (!r.Cut || limit == listedMost)); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, m := range wanted {
		todo <- m
	}
	close(todo)
	wg.Wait()
	return results, context.Cause(ctx)
}

// one runs the tests that come by a mutant until one fails, or until they have taken most of the time that they may. Those that passed before are not run.
func (b *bench) one(ctx context.Context, m *mutant, most time.Duration) result {
	r := result{Key: m.key, Verdict: unreached}
	if slices.ContainsFunc(b.units, func(u *unit) bool { return u.reaches(m) && b.passed[m.key][u.id()] }) {
		r.Verdict = survived
	}
	spent := time.Duration(0)
	for _, batch := range b.batches(m) {
		names, took := []string{}, time.Duration(0)
		for _, u := range batch {
			names, took = append(names, u.Name), took+u.Took
		}
		if spent += took; most > 0 && spent > most && r.Verdict == survived {
			r.Cut = true
			return r
		}
		if out, err := batch[0].bin.notice(ctx, m, took, names); err != nil {
			r.Verdict, r.By, r.In = noticed, strings.Join(names, " "), batch[0].Package
			if errors.Is(err, errSlow) {
				r.Verdict = hung
			} else if failed := failure.FindStringSubmatch(out); failed != nil && len(names) > 1 {
				r.By = failed[1]
			}
			b.learn(r)
			return r
		}
		r.Verdict = survived
	}
	return r
}

// failure is the line in which a test says that it failed.
var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+) `)

// learn notes which tests noticed a mutant: those are likely to notice others of the same function.
func (b *bench) learn(r result) {
	if r.Verdict.alive() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of, _, _ := strings.Cut(r.Key, ": ")
	if b.apt[of] == nil {
		b.apt[of] = map[string]int{}
	}
	for _, name := range strings.Fields(r.By) {
		b.apt[of][r.In+" "+name]++
	}
}

// notice runs tests with a mutant, and returns what they print and how they fail. Most that hang would do so for a minute: they are ended soon, if the same tests without the
// mutant take no longer than ever at this moment, and they hang once more; else when that is sure.
func (b *binary) notice(ctx context.Context, m *mutant, took time.Duration, names []string) (string, error) {
	with, args := []string{fmt.Sprintf("MUTANT=%d", m.id)}, []string{"-test.failfast", "-test.run", exactly(names...)}
	soon := impatience(took)
	if out, err := b.run(ctx, soon, with, args...); !errors.Is(err, errSlow) {
		return out, err
	}
	start := time.Now()
	if _, without := b.run(ctx, soon/3, nil, args...); without == nil {
		return b.run(ctx, soon, with, args...)
	}
	return b.run(ctx, patience(max(took, time.Since(start))), with, args...)
}

// id tells a test from those of other packages.
func (u *unit) id() string { return u.Package + " " + u.Name }

func (u *unit) reaches(m *mutant) bool {
	_, reached := slices.BinarySearch(u.Reaches, m.id)
	return reached
}

// cost is what a test takes, times what it is about.
func (u *unit) cost() int64 { return u.Took.Milliseconds() * int64(len(u.Reaches)) }

// batches are the tests that come by a mutant, by the processes that run them: more and more, since most mutants are noticed at once. Those of its own
// package are first, which are about it, and of these the ones that have noticed most of the same function.
func (b *bench) batches(m *mutant) (batches [][]*unit) {
	us := slices.DeleteFunc(slices.Clone(b.units), func(u *unit) bool { return !u.reaches(m) || b.passed[m.key][u.id()] })
	of, _, _ := strings.Cut(m.key, ": ")
	b.mu.Lock()
	slices.SortStableFunc(us, func(a, c *unit) int {
		own := func(u *unit) int { return map[bool]int{true: 1}[u.Package == m.pkg] }
		return cmp.Or(cmp.Compare(own(c), own(a)), cmp.Compare(b.apt[of][c.id()], b.apt[of][a.id()]))
	})
	b.mu.Unlock()
	size := 4
	var last []*unit
	alone := func(u *unit) bool { return strings.Contains(u.Name, "/") }
	for _, u := range us {
		if len(last) > 0 && (len(last) >= size || last[0].bin != u.bin || alone(u) || alone(last[0])) {
			batches, last = append(batches, last), nil
			size *= 2
		}
		last = append(last, u)
	}
	if len(last) > 0 {
		batches = append(batches, last)
	}
	return batches
}
