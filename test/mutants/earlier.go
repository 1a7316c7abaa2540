package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// state is what a run was made of. A test that noticed a mutant notices it as long as its package's files are what they were, and all code is: a test
// that is added beside it changes nothing about that. So only those that survived are tried again, by the tests that are new.
type state struct {
	Code  string                       // of everything but the tests
	Tests map[string]map[string]string // of each package, its files of tests, by their sums
}

// stateOf reads the state of a group in a module.
func stateOf(module string, g group, ms []*mutant) (*state, error) {
	args := []string{"list", "-deps", "-test", "-json=Dir,GoFiles,EmbedFiles,TestEmbedFiles,XTestEmbedFiles,ForTest,Module"}
	for _, pkg := range g.tests {
		args = append(args, "./"+pkg)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	files := map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			Dir                                                  string
			GoFiles, EmbedFiles, TestEmbedFiles, XTestEmbedFiles []string
			Module                                               *struct{ Main bool }
		}
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if l.Module == nil || !l.Module.Main {
			continue // go.sum says which it is
		}
		for _, name := range slices.Concat(l.GoFiles, l.EmbedFiles, l.TestEmbedFiles, l.XTestEmbedFiles) {
			if !filepath.IsAbs(name) && !strings.HasSuffix(name, "_test.go") { // a main of tests is made elsewhere
				files[filepath.Join(l.Dir, name)] = true
			}
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if _, err := os.Stat(filepath.Join(module, name)); err == nil {
			files[filepath.Join(module, name)] = true
		}
	}
	s := &state{Tests: map[string]map[string]string{}}
	for _, pkg := range g.tests {
		s.Tests[pkg] = map[string]string{}
		tests, err := filepath.Glob(filepath.Join(module, pkg, "*_test.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range tests {
			if s.Tests[pkg][filepath.Base(name)], err = sumOf(name); err != nil {
				return nil, err
			}
		}
		err = filepath.WalkDir(filepath.Join(module, pkg, "testdata"), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files[name] = true
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version())
	for _, m := range ms {
		fmt.Fprintln(sum, m.key)
	}
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		of, err := sumOf(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(sum, of)
	}
	s.Code = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

func sumOf(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// keeps says whether the tests of a package that an earlier run had are all still there.
func (s *state) keeps(earlier *state, pkg string) bool {
	if earlier.Code != s.Code || earlier.Tests[pkg] == nil {
		return false
	}
	for name, sum := range earlier.Tests[pkg] {
		if s.Tests[pkg][name] != sum {
			return false
		}
	}
	return true
}

// takeUp takes over what earlier runs, of the same code and of tests that are there still, found out: what each test comes by, what was noticed, and by
// which tests the rest was not. It leaves behind what there is to take over from this one.
func (b *bench) takeUp(dir, print string, now *state) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.state"))
	if err != nil {
		return err
	}
	for _, name := range names {
		var then state
		if data, err := os.ReadFile(name); err != nil {
			return err
		} else if json.Unmarshal(data, &then) != nil || then.Code != now.Code {
			continue // of other code, or half written
		}
		base := strings.TrimSuffix(name, ".state")
		var us []*unit
		data, err := os.ReadFile(base + ".tests")
		if err == nil {
			err = json.Unmarshal(data, &us)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was interrupted before that
			return fmt.Errorf("%s.tests: %w; delete it", base, err)
		}
		us = slices.DeleteFunc(us, func(u *unit) bool { return !now.keeps(&then, u.Package) })
		for _, u := range us {
			if !slices.ContainsFunc(b.units, func(o *unit) bool { return o.Package == u.Package && o.Name == u.Name }) {
				b.units = append(b.units, u)
			}
		}
		found, err := readResults(base + ".results")
		if err != nil {
			return err
		}
		for _, r := range found {
			if !r.Verdict.alive() {
				if now.keeps(&then, r.In) {
					b.known[r.Key] = r
				}
				continue
			}
			if r.Cut { // nobody knows by which
				continue
			}
			if b.passed[r.Key] == nil {
				b.passed[r.Key] = map[string]bool{}
			}
			for _, u := range us {
				b.passed[r.Key][u.id()] = true
			}
		}
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, print+".state"), data, 0o600)
}
