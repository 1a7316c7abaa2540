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
	set      *token.FileSet
	syscall  *types.Package            // what differs most between systems
	packages map[string]*build.Package // of this repository, by their folders
}

var errGranted = errors.New("it is taken for granted")

func newElsewhere(t *testing.T, system string) *elsewhere {
	t.Helper()
	e := &elsewhere{Context: build.Default, set: token.NewFileSet(), packages: map[string]*build.Package{}}
	e.GOOS, e.CgoEnabled = system, false
	std, err := e.Context.Import("syscall", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	e.syscall, _ = e.check(t, std.Dir, std.GoFiles)
	err = filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
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
		e.packages[dir] = p
		return err
	})
	if err != nil || len(e.packages) < 50 {
		t.Fatalf("%d packages, %v", len(e.packages), err)
	}
	return e
}

// Import is types.Importer's.
func (e *elsewhere) Import(path string) (*types.Package, error) {
	dir, ours := strings.CutPrefix(path, "github.com/caddypay/caddypay/")
	switch {
	case path == "unsafe":
		return types.Unsafe, nil
	case path == "syscall":
		return e.syscall, nil
	case ours && e.packages[dir] == nil:
		return nil, errors.New("there is none of its files")
	}
	return nil, errGranted
}

// check returns what is wrong in some files, or seems to be as what they import is not known.
func (e *elsewhere) check(t *testing.T, dir string, names []string) (p *types.Package, faults []string) {
	t.Helper()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(e.set, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	c := types.Config{Importer: e, Error: func(err error) {
		if says := err.Error(); !strings.Contains(says, errGranted.Error()) {
			faults = append(faults, says)
		}
	}}
	p, _ = c.Check(dir, e.set, files, nil)
	return p, faults
}

// parts are the files of a folder that are compiled together: those of the package with its tests, and the tests outside of it.
func (e *elsewhere) parts(dir string) [2][]string {
	if p := e.packages[dir]; p != nil {
		return [2][]string{slices.Concat(p.GoFiles, p.TestGoFiles), p.XTestGoFiles}
	}
	return [2][]string{}
}

// differs says whether something in a folder may be another thing than here.
func (e *elsewhere) differs(here *elsewhere, dir string) bool {
	p := e.packages[dir]
	for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
		if _, err := e.Import(path); path == "syscall" || err != nil && !errors.Is(err, errGranted) {
			return true
		}
	}
	was, is := here.parts(dir), e.parts(dir)
	return !slices.Equal(was[0], is[0]) || !slices.Equal(was[1], is[1])
}

// TestElsewhere: tests and tools too ask no more of the systems on which the product runs than those have. Wrong there is what does not seem so here, where all
// of it is compiled.
func TestElsewhere(t *testing.T) {
	here := newElsewhere(t, build.Default.GOOS)
	for _, system := range []string{"windows", "darwin", "linux"} {
		if system == here.GOOS {
			continue
		}
		there := newElsewhere(t, system)
		for dir := range there.packages {
			if !there.differs(here, dir) {
				continue
			}
			was, is := here.parts(dir), there.parts(dir)
			for i := range is {
				_, seem := here.check(t, dir, was[i])
				_, faults := there.check(t, dir, is[i])
				for _, fault := range faults {
					if !slices.Contains(seem, fault) {
						t.Errorf("%s: %s", system, fault)
					}
				}
			}
		}
	}
}
