package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// switches goes into each package that is changed: which mutant is on, and which were come by: those that would have made a difference, where that
// can be told.
const switches = `package %s

import (
	"os"
	"reflect"
	"strconv"
	"sync/atomic"
)

var (
	mutantWhich = func() int { n, _ := strconv.Atoi(os.Getenv("MUTANT")); return n }()
	mutantFile  = func() *os.File {
		if os.Getenv("MUTANT_SEEN") == "" {
			return nil
		}
		f, err := os.OpenFile(os.Getenv("MUTANT_SEEN"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			panic(err)
		}
		return f
	}()
	mutantSeen  [%d]atomic.Bool
)

func mutantCome(n int) {
	if !mutantSeen[n].Swap(true) {
		if _, err := mutantFile.WriteString(strconv.Itoa(n) + "\n"); err != nil {
			panic(err)
		}
	}
}

func mutantOn(n int) bool { return n == mutantWhich }

func mutantIs(n int) bool {
	if mutantFile != nil {
		mutantCome(n)
	}
	return mutantOn(n)
}

func mutantSaw(n int, mutant, plain bool) bool {
	if mutantFile != nil && mutant != plain {
		mutantCome(n)
	}
	return plain
}

func mutantPick[T comparable](n int, plain, mutant T) T {
	if mutantFile != nil && plain != mutant {
		mutantCome(n)
	}
	if mutantOn(n) {
		return mutant
	}
	return plain
}

func mutantZero[T any](n int, plain T) (zero T) {
	if mutantFile != nil && !reflect.ValueOf(&plain).Elem().IsZero() {
		mutantCome(n)
	}
	if mutantOn(n) {
		return zero
	}
	return plain
}
`

// binary is the compiled tests of one package, with all mutants in them.
type binary struct {
	file string
	dir  string // of the package: where its tests run
}

// unit is a test that is run alone: a test, or a part of one that takes long.
type unit struct {
	bin     *binary
	Package string
	Name    string
	Took    time.Duration
	Reaches []int // the mutants that it comes by
}

// patience is how long a test may take, with or without a mutant, that took so long without: machines are busy now and then.
func patience(took time.Duration) time.Duration { return 10*time.Second + 4*took }

// impatience is how long it may take with a mutant before it is looked at whether the machine is busy.
func impatience(took time.Duration) time.Duration { return 2*time.Second + 4*took }

// build compiles the tests of a group into a folder. The answer names what was built: the same code, mutants and tests give the same.
func build(ctx context.Context, module, dir string, g group, pkgs []*loaded, ms []*mutant) (bins []*binary, print string, err error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	put := func(name string, text []byte) error {
		to := filepath.Join(dir, fmt.Sprintf("%d_%s", len(overlay.Replace), filepath.Base(name)))
		overlay.Replace[name] = to
		return os.WriteFile(to, text, 0o600)
	}
	for _, p := range pkgs {
		for _, f := range p.files {
			of := slices.DeleteFunc(slices.Clone(ms), func(m *mutant) bool { return m.file != f.name })
			if err := put(f.name, changed(f.text, of)); err != nil {
				return nil, "", err
			}
		}
		if err := put(filepath.Join(p.dir, "zz_mutants.go"), fmt.Appendf(nil, switches, p.name, len(ms)+1)); err != nil {
			return nil, "", err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return nil, "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	for _, m := range ms {
		fmt.Fprintln(sum, m.key)
	}
	for i, pkg := range g.tests {
		b := &binary{file: filepath.Join(dir, strconv.Itoa(i)+".test"), dir: filepath.Join(module, pkg)}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", b.file, "./"+pkg)
		cmd.Dir = module
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, "", fmt.Errorf("the tests of %s do not compile with mutants in them: %w\n%s", pkg, err, out)
		}
		f, err := os.Open(b.file)
		if err != nil {
			return nil, "", fmt.Errorf("%s has no tests: %w", pkg, err)
		}
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return nil, "", err
		}
		bins = append(bins, b)
	}
	return bins, hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// errSlow is that of tests that took longer than they may.
var errSlow = errors.New("it took too long")

// run runs some of a binary's tests, and returns what they print. Memory is bounded: a mutant may ask for all there is.
func (b *binary) run(ctx context.Context, patience time.Duration, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	tmp, err := os.MkdirTemp("", "caddypay-mutant-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil { // tests that read as another user come through it
		return "", err
	}
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -v 8000000 2>/dev/null; exec "$@"`, "sh", b.file}, args...)...)
	cmd.Dir, cmd.Env = b.dir, append(append(os.Environ(), "TMPDIR="+tmp), env...)
	together(cmd)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), err
}

// exactly is the pattern for tests of these names; a part of a test stands alone.
func exactly(names ...string) string {
	if top, part, ok := strings.Cut(names[0], "/"); ok {
		return "^" + regexp.QuoteMeta(top) + "$/^" + regexp.QuoteMeta(part) + "$"
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// long is what a test takes that is run in its parts: each of them is quick, and about less.
const long = 500 * time.Millisecond

// units runs each test of a binary once, without a mutant, and finds out which mutants it comes by, unless that is known. All have to pass.
func (b *binary) units(ctx context.Context, pkg string, known []*unit, say func(string, ...any)) (us []*unit, err error) {
	out, err := b.run(ctx, time.Minute, nil, "-test.list", "^(Test|Example)")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	for name := range strings.Lines(out) {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		before := len(us)
		for _, u := range known {
			if top, _, _ := strings.Cut(u.Name, "/"); u.Package == pkg && top == name {
				u.bin = b
				us = append(us, u)
			}
		}
		if len(us) > before {
			continue
		}
		u, printed, err := b.reach(ctx, pkg, name)
		if err != nil {
			return nil, err
		}
		var parts []*unit
		if u.Took > long {
			for _, m := range regexp.MustCompile(`(?m)^    --- (?:PASS|SKIP): (\S+) `).FindAllStringSubmatch(printed, -1) {
				part, _, err := b.reach(ctx, pkg, m[1])
				if err != nil {
					return nil, err
				}
				parts = append(parts, part)
			}
		}
		us = append(us, parts...)
		if len(parts) == 0 || !covers(parts, u) {
			us = append(us, u)
		}
		say("%s: %s takes %s and comes by %d mutants", pkg, name, u.Took.Round(time.Millisecond), len(u.Reaches))
	}
	return us, nil
}

// covers says that the parts of a test come by all that it comes by.
func covers(parts []*unit, whole *unit) bool {
	seen := map[int]bool{}
	for _, p := range parts {
		for _, id := range p.Reaches {
			seen[id] = true
		}
	}
	return !slices.ContainsFunc(whole.Reaches, func(id int) bool { return !seen[id] })
}

// reach runs one test without a mutant.
func (b *binary) reach(ctx context.Context, pkg, name string) (*unit, string, error) {
	dir, err := os.MkdirTemp("", "caddypay-mutants-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	seen := filepath.Join(dir, "seen")
	err = os.WriteFile(seen, nil, 0o600)
	if err = errors.Join(err, os.Chmod(dir, 0o755), os.Chmod(seen, 0o666)); err != nil { // a test may have a part of it done as another user
		return nil, "", err
	}
	start := time.Now()
	out, err := b.run(ctx, 10*time.Minute, []string{"MUTANT_SEEN=" + seen}, "-test.v", "-test.run", exactly(name))
	if err != nil && ctx.Err() == nil { // a machine that is busy fails now and then; what fails twice does so by itself
		start = time.Now()
		out, err = b.run(ctx, 10*time.Minute, []string{"MUTANT_SEEN=" + seen}, "-test.v", "-test.run", exactly(name))
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s in %s fails without a mutant: %w\n%s", name, pkg, err, out)
	}
	u := &unit{bin: b, Package: pkg, Name: name, Took: time.Since(start)}
	f, err := os.Open(seen)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		n, err := strconv.Atoi(s.Text())
		if err != nil {
			return nil, "", err
		}
		u.Reaches = append(u.Reaches, n)
	}
	slices.Sort(u.Reaches)
	u.Reaches = slices.Compact(u.Reaches)
	return u, out, s.Err()
}
