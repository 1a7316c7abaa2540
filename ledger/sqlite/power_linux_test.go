package sqlite

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
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

// Lines of strace's: process, call, file, the rest; and what a call returns that was interrupted by others.
var (
	call    = regexp.MustCompile(`^(\d+) +(pwrite64|ftruncate|fdatasync|fsync|write|unlink)\((?:\d+<([^>]*)>|"([^"]*)")(.*)$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
)

// replay goes through what strace has seen, and calls at after each call, with its file and how many events are acknowledged by then.
func replay(t *testing.T, trace, file string, files map[string]*platter, lucky func() bool, at func(path string, acks int)) {
	t.Helper()
	type begun struct {
		name, path, rest string
		writes           int
	}
	running := make(map[string]begun) // by process
	var dying []begun                 // calls during which the process was killed
	acks := 0
	end := func(b begun) {
		i := strings.LastIndex(b.rest, " = ")
		if i < 0 || strings.Contains(b.rest, " = ?") { // killed meanwhile, or strace's line is cut off: the file shows below what was done
			dying = append(dying, b)
			return
		}
		result := strings.TrimSpace(b.rest[i+3:])
		failed := strings.HasPrefix(result, "-1")
		p := files[b.path]
		switch {
		case b.path == file+".acks" && b.name == "write" && !failed:
			acks++
		case p == nil:
			return
		case b.name == "unlink":
			*p = platter{told: p.told}
		case b.name == "fdatasync" || b.name == "fsync":
			p.force(b.writes, failed, lucky)
		case failed:
			return
		case b.name == "ftruncate":
			size, err := strconv.ParseInt(strings.TrimSpace(strings.Trim(b.rest[:i], ", )")), 10, 64)
			must(t, err)
			p.do(op{at: size})
		case b.name == "pwrite64":
			o := written(t, b.rest[:i])
			n, err := strconv.Atoi(strings.Fields(result)[0])
			must(t, err)
			p.do(op{o.at, o.data[:n]})
		}
		at(b.path, acks)
	}
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if m := resumed.FindStringSubmatch(line); m != nil {
			if b, ok := running[m[1]]; ok && b.name == m[2] {
				delete(running, m[1])
				b.rest += m[3]
				end(b)
			}
			continue
		}
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		b := begun{name: m[2], path: m[3] + m[4], rest: m[5]}
		if p := files[b.path]; p != nil {
			b.writes = p.writes()
		}
		if rest, unfinished := strings.CutSuffix(b.rest, "<unfinished ...>"); unfinished {
			b.rest = rest
			running[m[1]] = b
			continue
		}
		end(b)
	}
	for _, b := range running {
		dying = append(dying, b)
	}
	for _, b := range dying {
		p := files[b.path]
		if p != nil && b.name == "ftruncate" {
			size, err := strconv.ParseInt(strings.FieldsFunc(b.rest, func(c rune) bool { return c < '0' || c > '9' })[0], 10, 64)
			must(t, err)
			if info, err := os.Stat(b.path); err == nil && info.Size() == size {
				p.do(op{at: size})
			}
		}
		if p != nil && b.name == "pwrite64" {
			o := written(t, b.rest)
			if now, err := os.ReadFile(b.path); err == nil && int(o.at)+len(o.data) <= len(now) && bytes.Equal(now[o.at:][:len(o.data)], o.data) {
				p.do(o)
			}
		}
	}
}

// written reads what strace says of a pwrite64: data, length, offset.
func written(t *testing.T, args string) op {
	t.Helper()
	args, _, _ = strings.Cut(args, "<unfinished")
	args, _, _ = strings.Cut(args, ") = ")
	parts := strings.Split(strings.Trim(args, ", )"), ", ")
	if len(parts) != 3 || strings.Contains(args, `"...`) {
		t.Fatalf("a write that is cut off: %.100s", args)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(parts[0], `"`), `\x`, ""))
	must(t, err)
	digits := strings.FieldsFunc(parts[2], func(c rune) bool { return c < '0' || c > '9' })
	at, err := strconv.ParseInt(digits[0], 10, 64)
	must(t, err)
	return op{at, data}
}

// TestPowerFails cuts the power at many moments of a run in which the disk fails, and of the next run, since the first dies while it does.
// Of what was not forced to the disk some is there and some is not, what failed once is never written again by itself, and all that was acknowledged
// before that moment is in the ledger. The seeds take turns: the disk fails to force the -wal file, while the folder is idle; it does not
// fail; it fails to force the ledger's own file, and the folder is at work. (A system tells an error of an fsync at each descriptor of
// the file, strace at one; so the two who force the -wal file must not meet one.)
func TestPowerFails(t *testing.T) {
	more, _ := strconv.Atoi(os.Getenv("CRASH_FAULTS"))
	events, most := 40, 12
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
				args := []string{"-E", fmt.Sprint("LEDGER_WANTED=", events), "-xx", "-s", "70000", "-e", "trace=pwrite64,ftruncate,fdatasync,fsync,write,unlink",
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
				known, n := before, 0
				replay(t, unhex(trace), file, files, lucky, func(path string, count int) {
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
					known = before + count
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
				if known == before {
					t.Error("nothing was acknowledged in what strace has seen")
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

// unhex makes the file names readable that strace has written in hexadecimal.
func unhex(trace string) string {
	return regexp.MustCompile(`<(\\x[0-9a-f]{2})+>|unlink\("(\\x[0-9a-f]{2})+"`).ReplaceAllStringFunc(trace, func(s string) string {
		return regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(s, func(c string) string {
			b, _ := hex.DecodeString(c[2:])
			return string(b)
		})
	})
}
