package caddypay_test

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// elsewhere looks at packages as a system compiles them, but takes for granted what they import: to compile that for another system takes minutes.
type elsewhere struct {
	build.Context
	set     *token.FileSet
	parsed  map[string]*ast.File
	syscall *types.Package // what differs most between systems
}

var errGranted = errors.New("it is taken for granted")

// Import is types.Importer's.
func (e *elsewhere) Import(path string) (*types.Package, error) {
	switch path {
	case "unsafe":
		return types.Unsafe, nil
	case "syscall":
		return e.syscall, nil
	}
	if dir, ours := strings.CutPrefix(path, "github.com/caddypay/caddypay/"); ours {
		if _, err := e.ImportDir(dir, 0); err != nil {
			return nil, err
		}
	}
	return nil, errGranted
}

// check returns what is wrong in a package, or seems to be as its imports are not known.
func (e *elsewhere) check(dir string, names []string) (p *types.Package, faults []string, err error) {
	var files []*ast.File
	for _, name := range names {
		name = filepath.Join(dir, name)
		if e.parsed[name] == nil {
			if e.parsed[name], err = parser.ParseFile(e.set, name, nil, parser.SkipObjectResolution); err != nil {
				return nil, nil, err
			}
		}
		files = append(files, e.parsed[name])
	}
	c := types.Config{Importer: e, Error: func(err error) {
		if says := err.Error(); !strings.Contains(says, errGranted.Error()) {
			faults = append(faults, says)
		}
	}}
	p, _ = c.Check(dir, e.set, files, nil)
	return p, faults, nil
}

// faults are those of the whole repository.
func (e *elsewhere) faults() (all []string, err error) {
	std, err := e.Context.Import("syscall", "", 0)
	if err != nil {
		return nil, err
	}
	if e.syscall, _, err = e.check(std.Dir, std.GoFiles); err != nil {
		return nil, err
	}
	return all, filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if dir != "." && strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "node_modules", "dist"}, d.Name()) {
			return fs.SkipDir
		}
		p, err := e.ImportDir(dir, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		for _, names := range [][]string{slices.Concat(p.GoFiles, p.TestGoFiles), p.XTestGoFiles} {
			if err == nil {
				var faults []string
				_, faults, err = e.check(dir, names)
				all = append(all, faults...)
			}
		}
		return err
	})
}

// TestElsewhere: tests and tools too ask no more of the systems on which the product runs than those have. What is wrong there is what does not seem so here,
// where all of it is compiled.
func TestElsewhere(t *testing.T) {
	here := &elsewhere{Context: build.Default, set: token.NewFileSet(), parsed: map[string]*ast.File{}}
	here.CgoEnabled = false
	seems, err := here.faults()
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"windows", "darwin", "linux"} {
		there := *here
		there.GOOS = system
		faults, err := there.faults()
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults {
			if !slices.Contains(seems, fault) {
				t.Errorf("%s: %s", system, fault)
			}
		}
	}
}
