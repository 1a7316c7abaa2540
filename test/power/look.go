package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/test/powercut"
)

// state is what a power failure may leave, and what had gone out by then.
type state struct {
	moment int // of the record, after which the power fails
	image  powercut.Image
	out    []witness
}

// look makes states and looks at them, several at a time. It ends when there are enough, or one has what is looked for.
func (r *record) look(ctx context.Context, o options) (*report, error) {
	rep := &report{options: o, begun: time.Now(), moments: len(r.moments), out: make(map[string]int)}
	work, err := os.MkdirTemp(memory(), "caddypay-power-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	states := make(chan *state)
	var workers sync.WaitGroup
	for i := range 2 {
		workers.Go(func() {
			for s := range states {
				faults := r.check(ctx, s, filepath.Join(work, fmt.Sprint(i)))
				rep.add(s, faults)
			}
		})
	}
	err = r.states(o, rep, func(s *state) bool {
		states <- s
		return ctx.Err() == nil && (o.until == nil || !rep.has(o.until))
	})
	close(states)
	workers.Wait()
	if err == nil {
		err = ctx.Err()
	}
	rep.took = time.Since(rep.begun)
	return rep, err
}

// memory is a folder that is none on a disk, where there is one: nobody needs the states afterwards.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// states deals the states that the seed says, no two alike, until there are enough or take has. It goes through the record as often as there are
// moments at which nothing new can be left.
func (r *record) states(o options, rep *report, take func(*state) bool) error {
	dice := rand.New(rand.NewPCG(o.seed, 9))
	out := make(map[int]witness)
	r.witnesses(func(i int, w witness) { out[i] = w; rep.out[w.what]++ })
	went := false
	for i, m := range r.moments {
		if _, ok := out[i]; ok {
			went = true
		} else if went && r.copies(m) {
			rep.copied++
			went = false
		}
	}
	type sight struct { // the same disk is another state when more has gone out
		disk [sha256.Size]byte
		out  int
	}
	seen := make(map[sight]bool)
	for left, idle := o.states, 0; left > 0 && idle < 3; idle++ {
		cuts := r.cuts(dice, out, o.where, min(left, cmp.Or(o.pass, left)))
		d := powercut.New(r.home())
		var before []witness
		for i, m := range r.moments {
			if err := d.See(m); err != nil {
				return err
			}
			if w, ok := out[i]; ok {
				before = append(before, w)
			}
			for range cuts[i] {
				s := &state{moment: i, image: d.After(dice), out: slices.Clip(before)}
				delete(s.image, shared)
				now := sight{s.image.Sum(), len(before)}
				if seen[now] {
					rep.alike++
					continue
				}
				seen[now] = true
				left--
				idle = 0
				if s.image[ledgerFile] != nil && dice.IntN(2) == 0 { // whatever of the memory the system has last put there
					s.image[shared] = noise(dice, 32<<10)
				}
				if !take(s) {
					return nil
				}
			}
		}
	}
	return nil
}

// where the power fails, in the record.
type where int

const (
	anywhere   where = iota // that changes something
	whileMade               // likewise, before anything has gone out
	afterSent               // something has just gone out
	beforeSync              // a call that forces something begins
	atNames                 // a name or a size has changed
	atCopying               // the -wal file is being copied into the ledger's own
	places
)

// cuts says after which moments the power fails, and how often it does so there.
func (r *record) cuts(dice *rand.Rand, out map[int]witness, only []where, n int) map[int]int {
	var moments [places][]int
	add := func(w where, i int) { moments[w] = append(moments[w], i) }
	d := powercut.New(r.home())
	for i, m := range r.moments {
		if _, ok := out[i]; ok {
			add(afterSent, i)
		}
		if !d.Names(m) {
			continue
		}
		if add(anywhere, i); len(moments[afterSent]) == 0 {
			add(whileMade, i)
		}
		switch {
		case forces(m) && !m.End:
			add(beforeSync, i)
		case r.copies(m):
			add(atCopying, i)
		case m.Name != "pwrite64" && !forces(m) && m.End && (!strings.HasPrefix(m.Name, "open") || m.Create):
			add(atNames, i)
		}
	}
	if only == nil {
		only = []where{anywhere, whileMade, afterSent, afterSent, beforeSync, atNames, atCopying}
	}
	cuts := make(map[int]int)
	for range n {
		at := moments[only[dice.IntN(len(only))]]
		cuts[at[dice.IntN(len(at))]]++
	}
	return cuts
}

// shared is what processes have as memory, in a file that is never forced to the disk.
const shared = ledgerFile + "-shm"

func noise(dice *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(dice.Uint32())
	}
	return b
}
