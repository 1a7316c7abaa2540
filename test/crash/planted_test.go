//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddypay/caddypay/test/plant"
)

// bug is a mistake that the harness has to notice. It is planted in a copy of one file, which only `go build -overlay` sees.
type bug struct {
	name  string
	file  string      // below the module's folder
	swap  [][2]string // texts, each of which is there once
	want  string      // the kind of violation that gives it away; empty: the trace of its fsyncs does
	steps []step      // a plan that shows it; nil: one is dealt
	only  string      // the lasting fault that shows it soonest
	nodes bool        // several nodes with a database show it

	database map[string]string // settings of that
}

var bugs = []bug{
	{
		name: "acknowledged before the commit", file: "ledger/sqlite/file/writer.go", want: "acknowledged, not in the ledger", only: full,
		swap: [][2]string{{
			"\trecorded, err := t.Finish()\n",
			"\tfor _, j := range jobs {\n\t\tj.done <- j.result\n\t}\n\tjobs = nil\n\trecorded, err := t.Finish()\n",
		}},
	},
	{
		name: "marked delivered on a cancelled context", file: "relay/deliver.go", want: "acknowledged, never delivered", only: slow,
		swap: [][2]string{
			{"\ta := r.courier.attempt(context.WithoutCancel(ctx), ", "\ta := r.courier.attempt(ctx, "},
			{"\n\tend := r.cfg.Now()\n", "\n\tend := r.cfg.Now()\n\tif ctx.Err() != nil {\n\t\ta = answer{status: 200}\n\t}\n"},
		},
	},
	{
		name: "fsync skipped", file: "ledger/sqlite/file/disk.go",
		swap: [][2]string{{"err := d.use(d.sync)", "err := error(nil)"}},
	},
	{
		name: "an error of fsync ignored", file: "ledger/sqlite/file/disk.go", want: "acknowledged with nothing forced to the disk",
		swap:  [][2]string{{"err := d.use(d.sync); err != nil {", "err := d.use(d.sync); err != nil && false {"}},
		steps: short(injection{do: "fdatasync:error=EIO:when=3+1", files: "-wal", dead: true}),
	},
	{
		name: "a connection that is lost counts as a commit", file: "ledger/postgres/store.go", want: "acknowledged, not in the ledger", nodes: true,
		swap: [][2]string{{"\tcase err != nil:\n\t\tt.rollback(w)\n\t\treturn err\n", "\tcase lost(err):\n\t\treturn nil\n\tcase err != nil:\n\t\tt.rollback(w)\n\t\treturn err\n"}},
	},
	{
		name: "acknowledged before the database has it on disk", file: "ledger/postgres/store.go", want: "acknowledged, not in the ledger", nodes: true,
		swap: [][2]string{{"CASE WHEN $1::boolean THEN 'off'", "CASE WHEN $1::boolean OR true THEN 'off'"}},
		// What nobody waits for stays in its memory as long as that is possible: else it is there for a moment before a crash only.
		database: map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"},
	},
	{
		name: "a lease keeps nobody away", file: "ledger/core/lease.go", want: "delivered twice at the same time", nodes: true,
		swap: [][2]string{{"return Span{earlier(wall, other), later(wall, other).Add(tooFar)}", "return Span{later(wall, other).Add(tooFar), later(wall, other).Add(tooFar)}"}},
	},
}

// plant writes the copy and the overlay, and returns the overlay's file.
func (b *bug) plant(root, dir string) (overlay string, err error) {
	if overlay, err = plant.Overlay(root, dir, b.file, b.swap); err != nil {
		err = fmt.Errorf("%s: %w", b.name, err)
	}
	return overlay, err
}

// TestPlanted shows that the harness notices what it is there to notice. Each bug costs a link of the whole binary, so make test plants
// the first only, and make crash-proof all of them.
func TestPlanted(t *testing.T) {
	all := bugs[:1]
	if os.Getenv("CRASH_PROOF") != "" {
		all = bugs
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			dir := t.TempDir()
			overlay, err := b.plant(root(t), dir)
			if err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(dir, "caddy")
			if err := build(t.Context(), bin, false, overlay); err != nil {
				t.Fatal(err)
			}
			if b.want == "" {
				ids, err := unforced(t.Context(), options{bin: bin, seed: 1}, dir, 20)
				if err != nil || len(ids) < 15 { // a checkpoint may force the file now and then
					t.Errorf("%d of 20 webhooks were noticed (%v)", len(ids), err)
				}
				return
			}
			conduct := conduct
			tries := 1
			if b.nodes {
				conduct = func(_ context.Context, o options, dir string) (*report, error) {
					return conductNodes(t, o, dir, 2*nodesShort, b.database).rep, nil
				}
				tries = 4 // what a database lost in a crash is there again, if it is a payment, before anybody looks: a node compares with Ping++'s list
			}
			var rep *report
			for n := 1; n == 1 || n <= tries && rep.faults.count(b.want) == 0; n++ {
				o := options{kills: 3, seed: rand.Uint64(), rate: 150, bin: bin, drain: 10 * time.Second, only: b.only, steps: b.steps, say: t.Logf}
				if rep, err = conduct(t.Context(), o, t.TempDir()); err != nil {
					t.Fatal(err)
				}
				rep.print(io.Discard)
			}
			if rep.faults.count(b.want) == 0 {
				t.Errorf("nobody noticed; %s", strings.Join(rep.faults.list(), "\n"))
			}
			t.Logf("noticed: %s", strings.Join(rep.faults.list(), "\n"))
		})
	}
}

// The texts that all bugs look for are there, planted today or not.
func TestPlaces(t *testing.T) {
	for _, b := range bugs {
		if _, err := b.plant(root(t), t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
