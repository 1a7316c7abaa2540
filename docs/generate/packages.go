package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	ours       = "github.com/caddypay/caddypay"
	beforeMade = "<!-- made by make docs from the imports: do not edit -->\n"
	afterMade  = "<!-- made until here -->\n"
)

// aside are folders that hold no part of the product.
var aside = []string{"test", "scripts", "docs", "examples", "client", "packaging"}

// withPicture is a page that holds the picture of the packages, as it is now.
func withPicture(page string) ([]byte, error) {
	raw, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	before, rest, ok := bytes.Cut(raw, []byte(beforeMade))
	_, after, ends := bytes.Cut(rest, []byte(afterMade))
	if !ok || !ends {
		return nil, fmt.Errorf("%s does not hold the two lines that the picture of the packages stands between: %s%s", page, beforeMade, afterMade)
	}
	made, err := picture()
	return slices.Concat(before, []byte(beforeMade), made, []byte(afterMade), after), err
}

// picture shows which folder imports which, in Mermaid, without the arrows that others lead along already.
func picture() ([]byte, error) {
	imports, err := importsOf(".")
	if err != nil {
		return nil, err
	}
	var made bytes.Buffer
	made.WriteString("\n```mermaid\nflowchart TD\n")
	for _, from := range slices.Sorted(maps.Keys(imports)) {
		for _, to := range slices.Sorted(maps.Keys(imports[from])) {
			if !leads(imports, from, to, true) {
				fmt.Fprintf(&made, "  %s --> %s\n", from, to)
			}
		}
	}
	made.WriteString("```\n\n")
	return made.Bytes(), nil
}

// importsOf reads which folder at the root imports which others, tests aside.
func importsOf(root string) (map[string]map[string]bool, error) {
	imports := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		room, _, below := strings.Cut(filepath.ToSlash(name), "/")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || slices.Contains(aside, name) || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !below || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "test/"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			rest, ok := strings.CutPrefix(path, ours+"/")
			other, _, _ := strings.Cut(rest, "/")
			if !ok || other == room {
				continue
			}
			if imports[room] == nil {
				imports[room] = map[string]bool{}
			}
			imports[room][other] = true
		}
		return nil
	})
	return imports, err
}

// leads says whether a way leads from one folder to another, or, at first, one that is longer than an arrow.
func leads(imports map[string]map[string]bool, from, to string, first bool) bool {
	for next := range imports[from] {
		if next == to && !first || next != to && leads(imports, next, to, false) {
			return true
		}
	}
	return false
}
