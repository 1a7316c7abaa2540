package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// excuse is an entry of the list of survivors: a change that no test need notice, and why.
type excuse struct {
	key    string
	reason string
	line   int
}

// readExcuses reads the list: a line with the function and the change, and below it, indented, the reason. Lines that begin with # are for readers.
func readExcuses(r io.Reader) (es []excuse, err error) {
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, "\t"):
			if slices.ContainsFunc(es, func(e excuse) bool { return e.key == line }) {
				return nil, fmt.Errorf("line %d: %s is on the list already", n, line)
			}
			es = append(es, excuse{key: line, line: n})
		case len(es) == 0:
			return nil, fmt.Errorf("line %d: a reason without a mutant above it", n)
		default:
			last := &es[len(es)-1]
			last.reason = strings.TrimSpace(last.reason + " " + strings.TrimSpace(line))
		}
	}
	for _, e := range es {
		if e.reason == "" {
			return nil, fmt.Errorf("line %d: %s has no reason; write in the next line, after a tab, why no test need notice it", e.line, e.key)
		}
	}
	return es, s.Err()
}

var errSurvivors = errors.New("tests do not notice enough")

const (
	mostAlive = 10  // percent of the mutants that may survive
	fewest    = 100 // mutants of a group, of which that can be said
)

// named are the mutants of all groups by what the list calls them, and the first group that has them.
type named map[string]string

// name is what the list calls a mutant of a group: its key, and the group where an earlier one has the same.
func (n named) name(key string, g group) string {
	if first := n[key]; first != "" && first != g.name {
		return key + " in " + g.name
	}
	return key
}

func (n named) add(key string, g group) { n[n.name(key, g)] = g.name }

// judge compares what became of the mutants with the list. all are those that there are; results are of those that were tried.
func judge(out io.Writer, es []excuse, all named, results []result) error {
	excused := map[string]bool{}
	for _, e := range es {
		excused[e.key] = true
	}
	var wrong []string
	by := map[string]string{}
	alive, tried := map[string]int{}, map[string]int{} // of each group
	stands := map[string]bool{}
	for _, r := range results {
		tried[r.group]++
		if !r.Verdict.alive() {
			by[r.Key] = r.By
			continue
		}
		alive[r.group]++
		if stands[r.Key] = true; !excused[r.Key] {
			wrong = append(wrong, fmt.Sprintf("%s; write a test that notices it, or why none need to: %s", r.Verdict, r.Key))
		}
	}
	for _, e := range es {
		switch {
		case all[e.key] == "":
			wrong = append(wrong, fmt.Sprintf("line %d of the list names what is no mutant any more; take it off, or correct it: %s", e.line, e.key))
		case by[e.key] != "" && !stands[e.key]:
			wrong = append(wrong, fmt.Sprintf("line %d of the list names a mutant that is noticed now, by %s; take it off: %s", e.line, by[e.key], e.key))
		}
	}
	for group, n := range tried {
		if n >= fewest && alive[group]*100 > mostAlive*n {
			wrong = append(wrong, fmt.Sprintf("%d of %d mutants of %s survive; at most %d %% may", alive[group], n, group, mostAlive))
		}
	}
	slices.Sort(wrong)
	for _, w := range wrong {
		fmt.Fprintln(out, w)
	}
	if len(wrong) > 0 {
		return errSurvivors
	}
	return nil
}
