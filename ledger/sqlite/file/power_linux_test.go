package file_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/test/powercut"
)

// platter is what the disk and the system hold of one file.
type platter struct {
	disk    []byte // what survives a power failure for sure
	open    []op   // what the system is free to put on the disk, or not
	told    bool   // whoever forces the file next learns that it failed: strace tells one descriptor, the system tells each
	closed  int    // how many were open before those
	content []byte // what the process sees
}

// op is a write, or the end of the file that is cut off.
type op struct {
	at   int64
	data []byte // nil: the file ends at at
}

func (o op) apply(b []byte) []byte {
	if o.data == nil {
		return append(b, make([]byte, max(0, int(o.at)-len(b)))...)[:o.at]
	}
	b = append(b, make([]byte, max(0, int(o.at)+len(o.data)-len(b)))...)
	copy(b[o.at:], o.data)
	return b
}

func (p *platter) do(o op) {
	p.open = append(p.open, o)
	p.content = o.apply(p.content)
}

// writes counts what has been done to the file.
func (p *platter) writes() int { return p.closed + len(p.open) }

// force is an fsync that began after the first n writes. After one that fails the system takes them for clean: no later
// fsync forces them, but each may be on the disk all the same.
func (p *platter) force(n int, failed bool, lucky func() bool) {
	n = max(0, n-p.closed)
	for _, o := range p.open[:n] {
		if !failed || p.told || lucky() {
			p.disk = o.apply(p.disk)
		}
	}
	p.open, p.closed = p.open[n:], p.closed+n
}

// after returns what is on the disk after a power failure.
func (p *platter) after(lucky func() bool) []byte {
	b := bytes.Clone(p.disk)
	for _, o := range p.open {
		if lucky() {
			b = o.apply(b)
		}
	}
	return b
}

// replay goes through what strace has seen, and calls at after each call, with its file and how many events are acknowledged by then. It returns how
// many are in the end.
func replay(t *testing.T, trace, file string, files map[string]*platter, lucky func() bool, at func(path string, acks int)) (acks int) {
	t.Helper()
	moments, err := powercut.Read(strings.NewReader(trace))
	must(t, err)
	begun := make(map[*powercut.Call]int) // and how many writes there were before
	for _, m := range moments {
		p := files[m.File]
		if !m.End {
			begun[m.Call] = 0
			if p != nil {
				begun[m.Call] = p.writes()
			}
			continue
		}
		writes := begun[m.Call]
		delete(begun, m.Call)
		switch {
		case m.File == file+".acks" && m.Name == "write" && !m.Failed:
			acks++
		case p == nil:
			continue
		case m.Name == "unlink":
			*p = platter{told: p.told}
		case m.Name == "fdatasync" || m.Name == "fsync":
			p.force(writes, m.Failed, lucky)
		case m.Failed:
			continue
		case m.Name == "ftruncate":
			p.do(op{at: m.At})
		case m.Name == "pwrite64":
			p.do(op{m.At, m.Data[:m.Result]})
		}
		at(m.File, acks)
	}
	for _, m := range moments { // calls during which the process was killed: the file shows what was done
		p := files[m.File]
		if _, dying := begun[m.Call]; !dying || p == nil {
			continue
		}
		now, err := os.ReadFile(m.File)
		switch {
		case err != nil:
		case m.Name == "ftruncate" && int64(len(now)) == m.At:
			p.do(op{at: m.At})
		case m.Name == "pwrite64" && int(m.At) < len(now): // whole, or as far as the page at which the kill was noticed
			n := 0
			for rest := now[m.At:]; n < min(len(rest), len(m.Data)) && rest[n] == m.Data[n]; n++ {
			}
			p.do(op{m.At, m.Data[:n]})
		}
	}
	return acks
}

// TestPowerFails cuts the power at many moments of a run in which the disk fails, and of the next run, since the first dies while it does.
// Of what was not forced to the disk some is there and some is not, what failed once is never written again by itself, and all that was acknowledged
// before that moment is in the ledger. The seeds take turns: the disk fails to force the -wal file, while the folder is idle; it does not
// fail; it fails to force the ledger's own file, and the folder is at work. (A system tells an error of an fsync at each descriptor of
// the file, strace at one; so the two who force the -wal file must not meet one.)
func TestPowerFails(t *testing.T) {
	more, _ := strconv.Atoi(os.Getenv("CRASH_FAULTS"))
	events, most := 80, 12
	if more > 0 {
		events, most = 100, 60
	}
	for seed := range uint64(3 + more/10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			file := newFile(t)
			must(t, openFileOnce(t, file))
			files := map[string]*platter{file: {}, file + "-wal": {}}
			b, err := os.ReadFile(file)
			must(t, err)
			files[file].disk, files[file].content = b, bytes.Clone(b)
			chance := 0.0 // of what is not forced, to be there
			lucky := func() bool { return random.Float64() < chance }
			cuts, faults, before := 0, 0, 0
			fails := seed%3 != 1
			own := seed%3 == 2 // the ledger's own file
			files[file+"-wal"].told = own
			for round := range 2 {
				args := []string{"-E", fmt.Sprint("LEDGER_WANTED=", events), "-s", "70000", "-e", "trace=pwrite64,ftruncate,fdatasync,fsync,write,unlink",
					"-P", file, "-P", file + "-wal", "-P", file + ".acks"}
				switch {
				case own: // SQLite's calls are others than ours then
					args = append(args, "-E", "LEDGER_FSYNC=yes", "-e", fmt.Sprintf("inject=fsync:error=EIO:when=%d+%d", 2+random.IntN(2), 5+random.IntN(4)))
				case fails:
					args = append(args, "-E", "LEDGER_FOLD=no", "-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+%d", 2+random.IntN(4), 4+random.IntN(4)))
				}
				if fails && round == 0 {
					args = append(args, "-E", "LEDGER_DIE=yes")
				}
				_, trace := strace(t, file, fmt.Sprint(round), args...)
				faults += strings.Count(trace, "(INJECTED)")
				acks := acknowledged(t, file)
				n := 0
				seen := replay(t, trace, file, files, lucky, func(path string, count int) {
					n++
					often := 0.12 // after an acknowledgement
					switch path {
					case file: // while the -wal file is copied into it
						often = 0.05
					case file + "-wal":
						often = 0.01
					}
					if random.Float64() > often || cuts >= most*(round+1)/2 {
						return
					}
					known := before + count
					cuts++
					chance = []float64{0, 0.3, 0.7, 1}[random.IntN(4)]
					image := filepath.Join(t.TempDir(), "ledger.db")
					must(t, os.WriteFile(image, files[file].after(lucky), 0o600))
					must(t, os.WriteFile(image+"-wal", files[file+"-wal"].after(lucky), 0o600))
					l, err := Open(t.Context(), Options{File: image})
					if err != nil {
						t.Fatalf("after %d calls: %v", n, err)
					}
					whole(t, l, acks[:known])
					must(t, l.Close())
					if t.Failed() {
						t.Fatalf("the power was cut after %d calls of round %d, with a chance of %.1f", n, round, chance)
					}
				})
				if seen != len(acks)-before || round > 0 && len(acks) == 0 {
					t.Errorf("of %d that were acknowledged strace has seen %d", len(acks)-before, seen)
				}
				before = len(acks)
				for name, p := range files {
					if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, p.content) {
						t.Fatalf("the replay of %s is not what it is: %v", name, err)
					}
				}
			}
			if fails && faults == 0 {
				t.Error("the disk did not fail")
			}
			t.Logf("%d faults, and the power was cut %d times", faults, cuts)
		})
	}
}
