package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddypay/caddypay/test/powercut"
)

// mistake is one that a program could make. It is planted in a record, which is then the record of a program that makes it.
type mistake struct {
	name  string
	make  func(r *record) []powercut.Moment
	want  string // what is found, as an expression
	where where  // it shows soonest
}

var mistakes = []mistake{
	{"no fdatasync", func(r *record) []powercut.Moment { return r.without(r.log()) }, "is not in the ledger", afterSent},
	{"fdatasync after the 200", (*record).late, "was acknowledged, and is not in the ledger", afterSent},
	{"new names not forced to the disk", func(r *record) []powercut.Moment { return r.without(filepath.Dir(r.file())) }, "is not in the ledger", afterSent},
	{"copied before it is forced to the disk", (*record).early, "is damaged|malformed|are counted|that count", atCopying},
	{"begun anew before the copy is forced to the disk", func(r *record) []powercut.Moment { return r.without(r.file()) }, "is not in the ledger|does not open", afterSent},
}

func (r *record) log() string { return r.file() + "-wal" }

func forces(m powercut.Moment) bool { return strings.HasSuffix(m.Name, "sync") }

// copies says whether the moment is of the copying of the -wal file.
func (r *record) copies(m powercut.Moment) bool { return m.Name == "pwrite64" && m.File == r.file() }

// with is the record with other moments.
func (r *record) with(moments []powercut.Moment) *record {
	other := *r
	other.moments = moments
	return &other
}

// without leaves out whatever forces some files to the disk.
func (r *record) without(files ...string) []powercut.Moment {
	return slices.DeleteFunc(slices.Clone(r.moments), func(m powercut.Moment) bool { return forces(m) && slices.Contains(files, m.File) })
}

// late has each call that forces the -wal file begin once the answers that wait for it are out.
func (r *record) late() (moments []powercut.Moment) {
	var held []*powercut.Call
	out := make(map[int]bool)
	r.witnesses(func(i int, _ witness) { out[i] = true })
	waiting := 0 // answers since the last call that forces
	for i, m := range r.moments {
		if forces(m) && m.File == r.log() {
			if m.End {
				held = append(held, m.Call)
			} else if waiting > 0 {
				moments, held, waiting = appendCalls(moments, held), nil, 0
			}
			continue
		}
		moments = append(moments, m)
		if out[i] {
			waiting++
		}
	}
	return appendCalls(moments, held)
}

// early has the -wal file forced to the disk only once it is copied into the ledger's.
func (r *record) early() (moments []powercut.Moment) {
	var held []*powercut.Call
	copied := false
	for _, m := range r.moments {
		switch {
		case forces(m) && m.File == r.log():
			if m.End {
				held = append(held, m.Call)
			}
			continue
		case r.copies(m):
			copied = true
		case forces(m) && m.File == r.file() && copied:
			moments, held, copied = appendCalls(moments, held), nil, false
		}
		moments = append(moments, m)
	}
	return moments
}

// appendCalls has calls begin and end.
func appendCalls(moments []powercut.Moment, calls []*powercut.Call) []powercut.Moment {
	for _, c := range calls {
		moments = append(moments, powercut.Moment{Call: c}, powercut.Moment{Call: c, End: true})
	}
	return moments
}
