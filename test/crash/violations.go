package main

import (
	"fmt"
	"slices"
	"sync"
)

const shown = 10 // of one kind

// violations are broken promises, by kind.
type violations struct {
	mu    sync.Mutex
	kinds []string
	what  map[string][]string
}

func (v *violations) add(kind, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.what == nil {
		v.what = make(map[string][]string)
	}
	if !slices.Contains(v.kinds, kind) {
		v.kinds = append(v.kinds, kind)
	}
	v.what[kind] = append(v.what[kind], fmt.Sprintf(format, args...))
}

func (v *violations) count(kind string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.what[kind])
}

// list is every kind with its number and the first few.
func (v *violations) list() (lines []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, kind := range v.kinds {
		all := v.what[kind]
		lines = append(lines, fmt.Sprintf("%s: %d", kind, len(all)))
		for _, one := range all[:min(shown, len(all))] {
			lines = append(lines, "  "+one)
		}
	}
	return lines
}
