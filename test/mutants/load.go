package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// loaded is a package with its types.
type loaded struct {
	path  string // within the module
	dir   string
	name  string
	fset  *token.FileSet
	files []*file
	info  *types.Info
}

// file is one that is to be changed.
type file struct {
	name string // its path
	text []byte
	tree *ast.File
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	Module                        *struct{ Path, Dir string }
}

// load reads the packages of a group that are to be changed, from the module in a folder.
func load(module string, sources []source) ([]*loaded, error) {
	args := []string{"list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,GoFiles,Module"}
	for _, s := range sources {
		args = append(args, "./"+s.pkg)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = module
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &errs)
	}
	all := map[string]listed{}
	byDir := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all[l.ImportPath], byDir[l.Dir] = l, l
	}
	var pkgs []*loaded
	for _, s := range sources {
		dir, err := filepath.Abs(filepath.Join(module, s.pkg))
		if err != nil {
			return nil, err
		}
		p, err := check(byDir[dir], s, all)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", s.pkg, err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs, nil
}

// check parses a package and finds out the types in it.
func check(l listed, s source, all map[string]listed) (*loaded, error) {
	p := &loaded{path: s.pkg, dir: l.Dir, name: l.Name, fset: token.NewFileSet(), info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
	}}
	var trees []*ast.File
	used := map[string]bool{}
	for _, name := range l.GoFiles {
		f := &file{name: filepath.Join(l.Dir, name)}
		var err error
		if f.text, err = os.ReadFile(f.name); err != nil {
			return nil, err
		}
		if f.tree, err = parser.ParseFile(p.fset, f.name, f.text, parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		trees = append(trees, f.tree)
		wanted := len(s.files) == 0
		for _, pattern := range s.files {
			if ok, err := filepath.Match(pattern, name); err != nil {
				return nil, err
			} else if ok {
				wanted, used[pattern] = true, true
			}
		}
		if wanted {
			p.files = append(p.files, f)
		}
	}
	for _, pattern := range s.files {
		if !used[pattern] {
			return nil, fmt.Errorf("no file is named %s; correct targets.go", pattern)
		}
	}
	exports := importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		if all[path].Export == "" {
			return nil, fmt.Errorf("nothing is known of the import %s", path)
		}
		return os.Open(all[path].Export)
	})
	conf := types.Config{Importer: exports}
	if _, err := conf.Check(l.ImportPath, p.fset, slices.Clip(trees), p.info); err != nil {
		return nil, err
	}
	return p, nil
}
